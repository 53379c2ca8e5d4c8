//! What every request needs.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::declared::Source;
use crate::hex::random;
use crate::limits::{READS_MAX, VIEWERS_MAX};
use crate::session::Sessions;

/// What a page is to be.
#[derive(Clone, Default)]
pub struct Settings {
    /// What is declared, where somebody knows it.
    pub declared: Option<Source>,
    /// Whether it may publish messages. Without it, it changes nothing.
    pub publish: bool,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let declared = self.declared.is_some();
        f.debug_struct("Settings")
            .field("declared", &declared)
            .field("publish", &self.publish)
            .finish()
    }
}

/// What every request needs.
pub(crate) struct Page {
    pub(crate) sessions: Sessions,
    pub(crate) publish: bool,
    /// What a request that changes something must show: only this page can read it.
    pub(crate) token: String,
    pub(crate) reads: Semaphore,
    pub(crate) viewers: Arc<Semaphore>,
}

pub(crate) type Shared = axum::extract::State<Arc<Page>>;

impl Page {
    pub(crate) fn new(url: &str, settings: Settings) -> Self {
        Self {
            sessions: Sessions::new(url, settings.declared),
            publish: settings.publish,
            token: random(),
            reads: Semaphore::new(READS_MAX),
            viewers: Arc::new(Semaphore::new(VIEWERS_MAX)),
        }
    }
}
