//! How much memory holds what was half received: payloads that did not end yet, lines, operations
//! that wait for their turn.

use watershed_engine::Tick;

use crate::connection::Connection;

/// Nanoseconds after which a connection that sends nothing counts as idle.
const IDLE_NANOS: u64 = 1_000_000_000;

/// The budget of all connections together.
#[derive(Debug)]
pub(crate) struct Inbound {
    bytes_max: usize,
    bytes: usize,
}

impl Inbound {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0 }
    }

    /// Takes note of what a connection holds now.
    pub(crate) fn count(&mut self, connection: &mut Connection) {
        let held = connection.held_bytes();
        self.bytes = self.bytes - connection.counted_bytes + held;
        connection.counted_bytes = held;
    }

    /// A connection is gone.
    pub(crate) fn forget(&mut self, connection: &Connection) {
        self.bytes -= connection.counted_bytes;
    }

    /// Slots of the connections that have to go. Those who are idle go first, and of them the
    /// largest; enough of them for some time, because all must be looked at.
    pub(crate) fn too_much(&self, now: Tick, all: &[Option<Connection>]) -> Vec<usize> {
        if self.bytes <= self.bytes_max {
            return Vec::new();
        }
        let weight = |connection: &Connection| {
            let idle = now.0.saturating_sub(connection.heard_of.0) >= IDLE_NANOS;
            (idle, connection.counted_bytes)
        };
        let held = all.iter().enumerate().filter_map(|(slot, held)| Some((slot, held.as_ref()?)));
        let mut held: Vec<_> = held.map(|(slot, held)| (weight(held), slot)).collect();
        held.sort_unstable_by(|left, right| right.cmp(left));
        let mut excess = self.bytes - self.bytes_max / 8 * 7;
        let mut slots = Vec::new();
        for ((_, bytes), slot) in held {
            if excess == 0 || bytes == 0 {
                break;
            }
            excess = excess.saturating_sub(bytes);
            slots.push(slot);
        }
        slots
    }
}
