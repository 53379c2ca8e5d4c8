//! An account: subjects of its own, invisible to the others.

use crate::router::Router;

/// An account's place in the engine's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub(crate) u32);

/// An account.
#[derive(Debug)]
pub(crate) struct Account {
    /// Name, unique in the server.
    pub(crate) name: String,
    /// Who listens to what.
    pub(crate) router: Router,
}

impl Account {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), router: Router::default() }
    }
}
