//! An account: subjects of its own, invisible to the others.

use crate::passage::Passages;
use crate::router::Router;

/// An account.
#[derive(Debug)]
pub(crate) struct Account {
    /// Name, unique in the server.
    pub(crate) name: String,
    /// Who listens to what.
    pub(crate) router: Router,
    /// What passes to others.
    pub(crate) passages: Passages,
}

impl Account {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), router: Router::default(), passages: Passages::default() }
    }
}
