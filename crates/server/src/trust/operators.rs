//! Operators: who may vouch for accounts.

use std::collections::BTreeSet;

use super::claims::OperatorClaims;
use super::token::{Kind, Token, TokenError};

/// The operators that a server trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Operators {
    /// Keys that sign accounts.
    keys: BTreeSet<String>,
    /// The first operator's system account; empty for none.
    pub(crate) system_account: String,
}

impl Operators {
    /// Trusts another operator.
    pub(crate) fn add(&mut self, jwt: &str) -> Result<(), TokenError> {
        let token: Token<OperatorClaims> = Token::read(jwt, Kind::Operator)?;
        if self.keys.is_empty() {
            self.system_account.clone_from(&token.claims.system_account);
        }
        self.keys.extend(token.claims.signing_keys);
        if !token.claims.strict_signing_key_usage {
            self.keys.insert(token.subject);
        }
        Ok(())
    }

    /// Whether what this key signs counts.
    pub(crate) fn trust(&self, key: &str) -> bool {
        self.keys.contains(key)
    }
}
