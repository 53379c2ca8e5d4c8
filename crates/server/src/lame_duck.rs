//! The end of a server that leaves its clients time to go elsewhere.

use std::time::Duration;

use watershed_engine::{CloseReason, Engine, Now, Tick};

/// Longest pause between two connections that are closed.
const GAP_MAX: Duration = Duration::from_secs(1);

/// A server that has told its clients to go, and closes those who stay.
pub(crate) struct LameDuck {
    close_at: Tick,
    gap: Duration,
    over: Option<Box<dyn FnOnce() + Send>>,
}

impl LameDuck {
    /// Asks the clients to go. Those who stay are closed one by one after `grace`, all of them by `duration`;
    /// `over` is called once all are gone.
    pub(crate) fn begin(
        now: Now,
        engine: &mut Engine,
        duration: Duration,
        grace: Duration,
        over: Box<dyn FnOnce() + Send>,
    ) -> Self {
        engine.lame_duck();
        let clients = u32::try_from(engine.connected().len()).unwrap_or(u32::MAX).max(1);
        let gap = (duration.saturating_sub(grace) / clients).min(GAP_MAX);
        Self { close_at: now.tick.after(grace), gap, over: Some(over) }
    }

    /// Closes the connections that are due. Returns whether all are gone.
    pub(crate) fn step(&mut self, now: Now, engine: &mut Engine) -> bool {
        if !engine.has_connections() {
            if let Some(over) = self.over.take() {
                over();
            }
            return true;
        }
        if self.close_at > now.tick {
            return false;
        }
        for conn in engine.connected() {
            if self.close_at > now.tick {
                break;
            }
            engine.end(conn, CloseReason::Shutdown);
            self.close_at = self.close_at.after(self.gap);
        }
        false
    }

    /// When there is something to do.
    pub(crate) fn next_deadline(&self) -> Tick {
        self.close_at
    }
}
