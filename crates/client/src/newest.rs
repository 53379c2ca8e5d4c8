//! Where the newest messages of a stream begin.
//!
//! A stream can be asked for its first message from a sequence on, not for the last one up to it. In
//! a work queue nearly every sequence is empty, so counting sequences back from the end finds nothing.
//! This searches instead: backwards in steps that double, then between what is known to be there and
//! what is known to be empty. A message costs one question where there are no gaps, and about twice the
//! logarithm of the gap where there are.

/// A search for the sequence of the `count`-th newest message. It knows no stream: it says what to
/// ask and takes the answers.
#[derive(Debug)]
pub(crate) struct Newest {
    /// The stream's first sequence.
    first: u64,
    /// Messages that are still to be found.
    left: u64,
    /// The oldest of those that were found.
    start: Option<u64>,
    /// No message that is still to be found is here or behind.
    end: u64,
    /// How far to look back from `end`.
    step: u64,
    /// The newest message in front of `end` that is known.
    known: Option<u64>,
}

impl Newest {
    /// A search in the sequences `first..=last` of a stream.
    pub(crate) fn new(first: u64, last: u64, count: u64) -> Self {
        let end = last.saturating_add(1);
        let left = if end > first { count } else { 0 };
        Self { first, left, start: None, end, step: 1, known: None }
    }

    /// The sequence from which on the first message is to be asked for; `None` at the end of the search.
    pub(crate) fn next(&self) -> Option<u64> {
        if self.left == 0 {
            return None;
        }
        Some(match self.known {
            // In front of `end`, and behind what is known.
            Some(known) => known + (self.end - known).div_ceil(2),
            None => self.end.saturating_sub(self.step).max(self.first),
        })
    }

    /// Takes the answer to the question from `asked` on: the sequence of the first message, if there
    /// is one.
    pub(crate) fn found(&mut self, asked: u64, answer: Option<u64>) {
        match answer.filter(|sequence| (asked..self.end).contains(sequence)) {
            Some(sequence) => self.known = Some(sequence),
            None if asked <= self.first => {
                self.left = 0;
                return;
            }
            None => {
                self.end = asked;
                self.step = self.step.saturating_mul(2);
            }
        }
        // Nothing is between what is known and what is empty: that is the next one.
        if let Some(known) = self.known.filter(|known| known + 1 >= self.end) {
            self.start = Some(known);
            self.left = if known <= self.first { 0 } else { self.left - 1 };
            (self.end, self.step, self.known) = (known, 1, None);
        }
    }

    /// The sequence of the oldest message that was found; `None` if there is none.
    pub(crate) fn start(&self) -> Option<u64> {
        self.start
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The start, and how many questions it took.
    fn search(stream: &BTreeSet<u64>, first: u64, last: u64, count: u64) -> (Option<u64>, usize) {
        let mut newest = Newest::new(first, last, count);
        let mut questions = 0;
        while let Some(asked) = newest.next() {
            questions += 1;
            assert!(questions < 100_000, "the search does not end");
            newest.found(asked, stream.range(asked..).next().copied());
        }
        (newest.start(), questions)
    }

    #[track_caller]
    fn check(stream: &[u64], (first, last): (u64, u64), most: usize) {
        let stream: BTreeSet<u64> = stream.iter().copied().collect();
        for count in 0..=stream.len() + 2 {
            let expected = stream.iter().rev().take(count).next_back().copied();
            let (found, questions) = search(&stream, first, last, count as u64);
            assert_eq!(found, expected, "{stream:?}, {count} newest");
            assert!(questions <= most * (count + 1), "{count} newest: {questions} questions");
        }
    }

    #[test]
    fn the_newest_are_found_wherever_they_are() {
        check(&[1, 2, 3, 4, 5], (1, 5), 1);
        check(&[15], (15, 50), 14);
        check(&[1, 2, 3, 900, 901, 1_000_000], (1, 2_000_000), 45);
        check(&[7], (1, u64::MAX), 130);
        check(&[u64::MAX - 1], (3, u64::MAX - 1), 33);
        check(&[], (51, 50), 0);
        check(&[], (0, 0), 1);
        check(&[], (1, 1 << 40), 42);
    }

    #[test]
    fn every_small_stream_is_searched_rightly() {
        for bits in 0..1_u32 << 10 {
            let stream: Vec<u64> =
                (0..10).filter(|bit| bits >> bit & 1 == 1).map(|n| n + 1).collect();
            check(&stream, (1, 10), 12);
        }
    }

    /// Messages go while the search runs; it ends all the same.
    #[test]
    fn a_stream_may_shrink_meanwhile() {
        let mut stream: BTreeSet<u64> = (1..=100).collect();
        let mut newest = Newest::new(1, 100, 50);
        let mut questions = 0;
        while let Some(asked) = newest.next() {
            newest.found(asked, stream.range(asked..).next().copied());
            stream.pop_last();
            questions += 1;
            assert!(questions < 1_000, "the search does not end");
        }
    }
}
