//! Who gets in in operator mode, and what the engine is told of accounts.

use std::collections::BTreeMap;
use std::io;

use thiserror::Error;
use watershed_engine::{Claims, ConnId, Engine, Identity, Question};
use watershed_wire::time::UnixNanos;

use super::account::AccountError;
use super::accounts::{Accounts, Change};
use super::directory::Directory;
use super::keeper::Keeper;
use super::operators::Operators;
use super::token::{Kind, Token};
use super::user::{Visitor, Vouched};
use crate::auth::{Claim, Worker};
use crate::config::{Config, OperatorConfig, Resolver};
use crate::shard::{Command, Remote};

/// Why accounts cannot be vouched for.
#[derive(Debug, Error)]
pub enum TrustError {
    /// Invalid operator.
    #[error("cannot trust an operator: {0}")]
    Operator(String),
    /// Invalid account.
    #[error("cannot take account `{key}`")]
    Account {
        /// Its key, as the configuration has it.
        key: String,
        /// Why.
        source: AccountError,
    },
    /// The system account is not among the accounts.
    #[error("cannot find the system account `{0}` among the accounts")]
    System(String),
    /// The folder of accounts cannot be used.
    #[error("cannot use the resolver's folder")]
    Folder(#[source] io::Error),
    /// The system refused something.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// What a client shows that says it is a user.
struct Shown {
    jwt: String,
    nonce: String,
    signature: String,
}

/// Decides who gets in by a JWT.
pub(crate) struct Gate {
    accounts: Accounts,
    signatures: Worker<Shown>,
    keeper: Option<Keeper>,
    /// When something ends that was said before.
    next: Option<UnixNanos>,
}

impl Gate {
    /// Reads what the configuration says of operators and accounts, and tells the engine; `None` where it
    /// says nothing.
    pub(crate) fn start(
        config: &Config,
        engine: &mut Engine,
        remote: &Remote,
        now: UnixNanos,
    ) -> Result<Option<Self>, TrustError> {
        let Some(operator) = &config.operator else { return Ok(None) };
        let operators = operators(operator)?;
        let system = config.system_account.clone();
        let mut accounts = Accounts::new(operators.clone(), &system);
        let mut changes = preloaded(&accounts, &operator.preload)?;
        let mut keeper = None;
        if let Resolver::Full { folder, allow_delete, hard_delete, limit } = &operator.resolver {
            let directory =
                Directory::open(folder, *hard_delete, *limit).map_err(TrustError::Folder)?;
            changes = kept(&accounts, &directory, changes, &operator.preload)
                .map_err(TrustError::Folder)?;
            let made = Keeper::start(directory, operators, system, *allow_delete, remote);
            keeper = Some(made.map_err(TrustError::Thread)?);
        }
        accounts.take(changes);
        let system = &config.system_account;
        if super::is_account(system) && !accounts.has(system) {
            return Err(TrustError::System(system.clone()));
        }
        let check = |conn, shown: Shown| {
            let Shown { jwt, nonce, signature } = shown;
            match Vouched::read(&jwt, &nonce, &signature) {
                Ok(vouched) => Command::Vouched(conn, Box::new(vouched)),
                Err(why) => {
                    tracing::debug!(connection = conn.number, why, "user is refused");
                    Command::Authenticated(conn, None)
                }
            }
        };
        let signatures = Worker::start("signatures", remote, check).map_err(TrustError::Thread)?;
        let next = accounts.tell(engine, now, None);
        Ok(Some(Self { accounts, signatures, keeper, next }))
    }

    /// Hands what somebody shows to who checks it. Says whether it was worth it, and there was room.
    pub(crate) fn check(&self, claim: Claim) -> bool {
        let Claim { conn, source, connect, nonce, .. } = claim;
        let (jwt, signature) = (connect.jwt.unwrap_or_default(), connect.sig.unwrap_or_default());
        !jwt.is_empty() && self.signatures.check(source, conn, Shown { jwt, nonce, signature })
    }

    /// Who a connection is whose JWT was checked, if its account lets it in.
    pub(crate) fn admit(
        &mut self,
        conn: ConnId,
        vouched: Box<Vouched>,
        visitor: Visitor,
        engine: &mut Engine,
        now: UnixNanos,
    ) -> Option<Identity> {
        self.accounts.admit(conn, vouched, visitor, engine, now)
    }

    /// A connection is gone.
    pub(crate) fn forget(&mut self, conn: ConnId, source: std::net::IpAddr) {
        self.accounts.forget(conn);
        self.signatures.forget(source, conn);
    }

    /// Hands in a request about JWTs of accounts. Says whether there was room for it.
    pub(crate) fn ask(&self, claims: Claims, question: Question) -> bool {
        self.keeper.as_ref().is_some_and(|keeper| keeper.ask(claims, question))
    }

    /// Accounts have changed.
    pub(crate) fn change(&mut self, changes: Vec<Change>, engine: &mut Engine, now: UnixNanos) {
        let touched: Vec<String> = changes.iter().map(|change| change.key.clone()).collect();
        self.accounts.take(changes);
        self.next = self.accounts.tell(engine, now, Some(&touched));
    }

    /// What a new configuration changes in accounts, if it can be taken over.
    pub(crate) fn changes(&self, new: &OperatorConfig) -> Result<Vec<Change>, TrustError> {
        let mut changes = preloaded(&self.accounts, &new.preload)?;
        if matches!(new.resolver, Resolver::Memory) {
            let gone = self.accounts.keys().filter(|key| !new.preload.contains_key(*key));
            changes.extend(gone.map(|key| Change { key: key.clone(), account: None }));
        }
        Ok(changes)
    }

    /// When [`Gate::timeout`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<UnixNanos> {
        self.next
    }

    /// What was said before may have ended.
    pub(crate) fn timeout(&mut self, engine: &mut Engine, now: UnixNanos) {
        if self.next.is_some_and(|next| next <= now) {
            self.next = self.accounts.tell(engine, now, Some(&[]));
        }
    }
}

fn operators(config: &OperatorConfig) -> Result<Operators, TrustError> {
    let mut operators = Operators::default();
    for jwt in &config.operators {
        operators.add(jwt).map_err(|error| TrustError::Operator(error.to_string()))?;
    }
    Ok(operators)
}

fn preloaded(
    accounts: &Accounts,
    preload: &BTreeMap<String, String>,
) -> Result<Vec<Change>, TrustError> {
    let read = |(key, jwt): (&String, &String)| {
        let wrong = |source| TrustError::Account { key: key.clone(), source };
        accounts.read(key, jwt).map_err(wrong)
    };
    preload.iter().map(read).collect()
}

/// The accounts of a folder, into which those go that the configuration has and that are newer. What is there
/// and does not count is left, and said.
fn kept(
    accounts: &Accounts,
    directory: &Directory,
    preloaded: Vec<Change>,
    preload: &BTreeMap<String, String>,
) -> io::Result<Vec<Change>> {
    let issued = |change: &Change| change.account.as_ref().map(|own| own.token.issued);
    for change in preloaded {
        let jwt = &preload[&change.key];
        let before = directory.load(&change.key)?;
        let before = before.and_then(|jwt| Token::issued_of(&jwt, Kind::Account));
        if before.is_none_or(|before| issued(&change) > Some(before)) {
            directory.save(&change.key, jwt)?;
        }
    }
    let mut all = Vec::new();
    for key in directory.keys()? {
        let Some(jwt) = directory.load(&key)? else { continue };
        match accounts.read(&key, &jwt) {
            Ok(change) => all.push(change),
            Err(error) => tracing::error!(account = key, "account is left out: {error}"),
        }
    }
    Ok(all)
}
