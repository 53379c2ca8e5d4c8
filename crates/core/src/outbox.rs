//! Bytes that wait for a connection.

/// Bytes that wait for a connection, appended by the core and taken by the shell.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// How much of `bytes` was taken; always less than its length unless both are zero.
    taken: usize,
    /// Bytes that were appended since nothing waited and are no message.
    answers: usize,
}

/// Capacity above which an empty outbox gives its memory back.
const CAPACITY_KEPT: usize = 256 * 1024;

impl Outbox {
    /// What waits.
    pub fn waiting(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Bytes that were appended since nothing waited and are no message: answers to the connection's own
    /// operations (`PONG`, `+OK`, `-ERR`).
    pub fn answers(&self) -> usize {
        self.answers
    }

    /// The last `count` bytes that were appended are no message.
    pub(crate) fn count_answer(&mut self, count: usize) {
        self.answers += count;
    }

    /// Where to append.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Forgets what waits.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The peer took `count` bytes.
    pub(crate) fn take(&mut self, count: usize) {
        self.taken += count;
        debug_assert!(self.taken <= self.bytes.len());
        if self.taken >= self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(CAPACITY_KEPT);
            (self.taken, self.answers) = (0, 0);
        } else if self.taken > self.bytes.len() / 2 {
            // Amortised: each byte is moved at most once for every byte taken.
            self.bytes.copy_within(self.taken.., 0);
            self.bytes.truncate(self.bytes.len() - self.taken);
            self.taken = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order() {
        let mut outbox = Outbox::default();
        outbox.buffer().extend_from_slice(b"hello world");
        outbox.take(2);
        assert_eq!(outbox.waiting(), b"llo world");
        outbox.take(5);
        outbox.buffer().extend_from_slice(b"!");
        assert_eq!((outbox.waiting(), outbox.len()), (b"orld!".as_slice(), 5));
        outbox.take(5);
        assert!(outbox.is_empty());
    }

    #[test]
    fn answers_count_until_nothing_waits() {
        let mut outbox = Outbox::default();
        outbox.buffer().extend_from_slice(b"MSG a 1 0\r\n\r\nPONG\r\n");
        outbox.count_answer(6);
        outbox.take(18);
        assert_eq!(outbox.answers(), 6);
        outbox.take(1);
        assert_eq!(outbox.answers(), 0);
    }
}
