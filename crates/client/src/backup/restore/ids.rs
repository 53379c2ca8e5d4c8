//! Which message ids a server still knows: a message with one of these would be taken for a repeated one.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// How long ids are remembered while messages are published: the shortest that a server takes.
pub(super) const WINDOW: Duration = Duration::from_millis(100);

/// When a server has certainly forgotten one.
const FORGOTTEN_AFTER: Duration = Duration::from_millis(200);

/// Ids that were published shortly before.
#[derive(Debug, Default)]
pub(super) struct Ids {
    known: HashSet<String>,
    /// Those that are stored, the oldest first.
    stored: VecDeque<(Instant, String)>,
}

impl Ids {
    /// Whether the server may know it.
    pub(super) fn has(&mut self, id: Option<&str>) -> bool {
        let now = Instant::now();
        while let Some((since, _)) = self.stored.front()
            && now.duration_since(*since) > FORGOTTEN_AFTER
            && let Some((_, id)) = self.stored.pop_front()
        {
            self.known.remove(&id);
        }
        id.is_some_and(|id| self.known.contains(id))
    }

    /// A message with it is on its way.
    pub(super) fn sent(&mut self, id: Option<String>) {
        self.known.extend(id);
    }

    /// And is stored.
    pub(super) fn stored(&mut self, id: Option<String>) {
        self.stored.extend(id.map(|id| (Instant::now(), id)));
    }

    /// Waits until the server has forgotten it.
    pub(super) async fn forgotten(&mut self, id: Option<&str>) {
        while self.has(id) {
            tokio::time::sleep(WINDOW / 4).await;
        }
    }
}
