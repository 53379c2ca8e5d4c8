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
    /// Tells the clients. They are closed one by one from `grace` on, all of them by `duration`; `over`
    /// is called when nobody is left.
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

    /// Closes those whose time has come. Says whether nobody is left.
    pub(crate) fn step(&mut self, now: Now, engine: &mut Engine) -> bool {
        let connected = engine.connected();
        if connected.is_empty() {
            if let Some(over) = self.over.take() {
                over();
            }
            return true;
        }
        for conn in connected {
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
