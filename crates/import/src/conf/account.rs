//! An account of a configuration, as a topology will have it.

use watershed_topology::model::{Mapping, ServerSettings, User};
use watershed_topology::sharing::{Export, Import};
use watershed_topology::source::Spanned;

/// An account: who is in it, and what passes in and out.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Its name; none for the one that everybody is in who is in no other.
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) users: Vec<User>,
    pub(crate) exports: Vec<Export>,
    pub(crate) imports: Vec<Import>,
    pub(crate) mappings: Vec<Mapping>,
    /// Whether it keeps streams.
    pub(crate) jetstream: bool,
    /// What it may keep.
    pub(crate) server: ServerSettings,
}

/// What a configuration says of everybody, and of no account.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) accounts: Vec<Account>,
    pub(crate) passwords: Vec<Password>,
}

/// A password, or the token, that stood in a configuration. It goes into no topology.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// Whose it is: the name of a user. The token is nobody's.
    pub user: Option<String>,
    /// The password.
    pub text: String,
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").field("user", &self.user).finish_non_exhaustive()
    }
}
