//! An account: subjects of its own, invisible to the others.

use watershed_wire::jetstream::check::Bounds;

use crate::passage::Passages;
use crate::router::Router;

/// An account's place in the engine's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub(crate) u32);

/// What an account may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountStore {
    /// Whether it may have streams at all.
    pub enabled: bool,
    /// Bytes in memory that its streams may set aside.
    pub max_memory: Option<u64>,
    /// Bytes on disk that its streams may set aside.
    pub max_file: Option<u64>,
    /// Bounds of its streams and consumers.
    pub bounds: Bounds,
}

impl Default for AccountStore {
    fn default() -> Self {
        Self { enabled: true, max_memory: None, max_file: None, bounds: Bounds::default() }
    }
}

/// An account.
#[derive(Debug)]
pub(crate) struct Account {
    /// Name, unique in the server.
    pub(crate) name: String,
    /// Who listens to what.
    pub(crate) router: Router,
    /// What it may keep.
    pub(crate) store: AccountStore,
    /// What passes to others.
    pub(crate) passages: Passages,
}

impl Account {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            router: Router::default(),
            store: AccountStore::default(),
            passages: Passages::default(),
        }
    }
}
