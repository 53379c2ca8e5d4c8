//! An account: subjects of its own, invisible to the others.

use crate::mapping::Mappings;
use crate::passage::Passages;
use crate::router::Router;
use crate::session::Counts;

/// An account.
#[derive(Debug)]
pub(crate) struct Account {
    /// Name, unique in the server.
    pub(crate) name: String,
    /// Who listens to what.
    pub(crate) router: Router,
    /// What passes to others.
    pub(crate) passages: Passages,
    /// Subjects that become others when something is published to them.
    pub(crate) mappings: Mappings,
    /// Connections whose operations have effect.
    pub(crate) connected: usize,
    /// Most of them at once.
    pub(crate) connections_max: Option<usize>,
    /// Of connections that are gone.
    pub(crate) past: Past,
}

/// What connections of an account did that are gone.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub(crate) counts: Counts,
    pub(crate) slow_consumers: u64,
}

impl Account {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            router: Router::default(),
            passages: Passages::default(),
            mappings: Mappings::default(),
            connected: 0,
            connections_max: None,
            past: Past::default(),
        }
    }
}
