//! The requests for messages that wait at the server, and how many messages they may still bring.

use std::collections::VecDeque;

/// Requests that wait. Deliveries do not say which request they answer: the oldest is served first.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    last: u64,
    open: VecDeque<Open>,
}

#[derive(Debug)]
struct Open {
    id: u64,
    left: u64,
}

impl Requests {
    /// How many messages to ask for, if any: what there is room for beyond what is held and asked for,
    /// unless that is little while others are asked for.
    pub(crate) fn wanted(&self, room: u64, held: u64) -> Option<u64> {
        let credit: u64 = self.open.iter().map(|open| open.left).sum();
        let free = room.saturating_sub(held.saturating_add(credit));
        let worth = credit == 0 || free.saturating_mul(2) >= room;
        (free > 0 && worth).then_some(free)
    }

    /// A new request, and the number that names it.
    pub(crate) fn ask(&mut self, messages: u64) -> u64 {
        self.last += 1;
        self.open.push_back(Open { id: self.last, left: messages });
        self.last
    }

    /// A message came.
    pub(crate) fn delivered(&mut self) {
        if let Some(first) = self.open.front_mut() {
            first.left -= 1;
            if first.left == 0 {
                self.open.pop_front();
            }
        }
    }

    /// The server answers a request no longer.
    pub(crate) fn ended(&mut self, id: u64) {
        self.open.retain(|open| open.id != id);
    }

    /// The server knows of none.
    pub(crate) fn forget(&mut self) {
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_asked_for_than_there_is_room_for() {
        let mut requests = Requests::default();
        assert_eq!(requests.wanted(4, 0), Some(4));
        let first = requests.ask(4);
        assert_eq!(requests.wanted(4, 0), None);
        requests.delivered();
        requests.delivered();
        // Two are held, two asked for.
        assert_eq!(requests.wanted(4, 2), None);
        // The two that were held are done: half of the room is free.
        assert_eq!(requests.wanted(4, 0), Some(2));
        requests.ended(first);
        assert_eq!(requests.wanted(4, 1), Some(3));
        requests.ask(3);
        requests.forget();
        assert_eq!((requests.wanted(4, 4), requests.wanted(4, 9)), (None, None));
        requests.delivered();
        assert_eq!(requests.wanted(1, 0), Some(1));
    }
}
