//! Answers that a user may publish because it was asked for them (`allow_responses`), whatever its permissions say.

use std::collections::VecDeque;

use hashbrown::HashMap;
use watershed_base::Tick;

use crate::limits::{ANSWERS_BYTES_MAX, ANSWERS_MAX};
use crate::permit::Responses;

/// What one connection was asked.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    asked: HashMap<Box<[u8]>, Asked, foldhash::fast::FixedState>,
    /// Subjects, the oldest first. One that was answered stays until its turn comes.
    order: VecDeque<Box<[u8]>>,
    /// Bytes of these subjects.
    bytes: usize,
}

/// A subject on which somebody waits.
#[derive(Debug, Clone, Copy)]
struct Asked {
    until: Option<Tick>,
    /// Answers that are left; `None` for any number.
    left: Option<u64>,
}

impl Answers {
    /// A message was delivered whose sender waits on `subject`.
    pub(crate) fn expect(&mut self, subject: &[u8], responses: Responses, now: Tick) {
        let until = responses.within().map(|ttl| now.after(ttl));
        let asked = Asked { until, left: u64::try_from(responses.max).ok() };
        if self.asked.insert(subject.into(), asked).is_none() {
            self.order.push_back(subject.into());
            self.bytes += subject.len();
        }
        while self.order.len() > ANSWERS_MAX || self.bytes > ANSWERS_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= oldest.len();
            self.asked.remove(&oldest);
        }
    }

    /// Whether something may be published to `subject` for having been asked for; counts it.
    pub(crate) fn allow(&mut self, subject: &[u8], now: Tick) -> bool {
        let Some(asked) = self.asked.get_mut(subject) else { return false };
        let in_time = asked.until.is_none_or(|until| now < until);
        let some_left = asked.left.is_none_or(|left| left > 0);
        if let Some(left) = &mut asked.left {
            *left = left.saturating_sub(1);
        }
        in_time && some_left
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn as_many_are_allowed_as_were_asked_for() {
        let now = Tick::default();
        let mut answers = Answers::default();
        answers.expect(b"a", Responses { max: 2, ttl: -1 }, now);
        let later = now.after(Duration::from_hours(1));
        let allowed: Vec<bool> = (0..3).map(|_| answers.allow(b"a", later)).collect();
        assert_eq!(allowed, [true, true, false]);
        assert!(!answers.allow(b"b", now));
        answers.expect(b"b", Responses { max: -1, ttl: 1_000_000_000 }, now);
        assert!(answers.allow(b"b", now) && !answers.allow(b"b", later));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let now = Tick::default();
        let mut answers = Answers::default();
        for subject in 0..2 * ANSWERS_MAX {
            answers.expect(subject.to_string().as_bytes(), Responses { max: 1, ttl: -1 }, now);
        }
        assert_eq!((answers.asked.len(), answers.order.len()), (ANSWERS_MAX, ANSWERS_MAX));
        let newest = (2 * ANSWERS_MAX - 1).to_string();
        assert!(answers.allow(newest.as_bytes(), now) && !answers.allow(b"0", now));
        let mut answers = Answers::default();
        for number in 0..5_u8 {
            let subject = vec![b'a' + number; ANSWERS_BYTES_MAX / 4];
            answers.expect(&subject, Responses { max: 1, ttl: -1 }, now);
        }
        assert_eq!((answers.asked.len(), answers.bytes), (4, ANSWERS_BYTES_MAX));
    }
}
