//! Whether what is as declared works: leaders, copies, room, and work that nobody takes.

use watershed_wire::jetstream::stream::{Discard, Retention, StreamInfo};

use super::verdict::{Problem, Verdict};
use crate::model::{Stream, Topology};
use crate::observe::{Observed, ObservedStream};
use crate::plan::Target;
use crate::quantity::show_size;

pub(super) fn look(topology: &Topology, observed: &Observed, verdict: &mut Verdict) {
    for stream in &topology.streams {
        let Some(there) = observed.streams.get(&stream.name.value) else { continue };
        let mut look = Look { target: Target::stream(&stream.name.value), verdict: &mut *verdict };
        if there.info.cluster.as_ref().is_some_and(|cluster| cluster.leader.is_empty()) {
            look.problem("is without a leader".into());
        }
        look.copies(there, observed);
        look.room(&there.info);
        look.work(stream, there);
        look.listeners(there);
    }
}

/// How full a stream is that is nearly full, in percent.
const NEARLY_FULL: u64 = 90;

/// How full a stream is, in percent, by the limit that it is nearest to, and which one that is. `None` without a limit of
/// messages or bytes.
pub fn used(info: &StreamInfo) -> Option<(u64, &'static str)> {
    let (config, state) = (&info.config, &info.state);
    let percent = |held: u64, max: i64| {
        let max = u64::try_from(max).ok().filter(|max| *max > 0)?;
        Some(u64::try_from(u128::from(held) * 100 / u128::from(max)).unwrap_or(u64::MAX))
    };
    let both = [
        (percent(state.messages, config.max_msgs), "max_msgs"),
        (percent(state.bytes, config.max_bytes), "max_bytes"),
    ];
    both.into_iter().filter_map(|(percent, limit)| Some((percent?, limit))).max()
}

/// A look at one stream.
struct Look<'a> {
    target: Target,
    verdict: &'a mut Verdict,
}

impl Look<'_> {
    fn problem(&mut self, text: String) {
        self.verdict.problems.push(Problem { target: self.target.clone(), text });
    }

    fn note(&mut self, text: String) {
        self.verdict.notes.push(Problem { target: self.target.clone(), text });
    }

    fn copies(&mut self, there: &ObservedStream, observed: &Observed) {
        for source in there.info.mirror.iter().chain(&there.info.sources) {
            if let Some(error) = &source.error {
                self.problem(format!("does not follow `{}`: {error}", source.name));
            } else if source.lag > 0 {
                self.note(format!("is {} messages behind `{}`", source.lag, source.name));
            }
        }
        // A mirror has its origin's sequences.
        let Some(mirror) = &there.info.config.mirror else { return };
        let origin = observed.streams.get(&mirror.name).filter(|_| mirror.external.is_none());
        let (own, theirs) = match origin {
            Some(origin) => (there.info.state.last_seq, origin.info.state.last_seq),
            None => return,
        };
        if own > theirs {
            self.note(format!(
                "is ahead of `{}`, at {own} against {theirs}: that one was made again, and what it stores \
                 before {own} is not copied",
                mirror.name
            ));
        }
    }

    /// A stream that discards what is new is of no use when it is full; one that discards the oldest soon does.
    fn room(&mut self, info: &StreamInfo) {
        let (config, state) = (&info.config, &info.state);
        if config.discard != Discard::New {
            if let Some((percent, limit)) =
                used(info).filter(|(percent, _)| *percent >= NEARLY_FULL)
            {
                self.note(format!("is {percent}% full (`{limit}`): the oldest messages go"));
            }
            return;
        }
        let full = |held: u64, max: i64| u64::try_from(max).is_ok_and(|max| max > 0 && held >= max);
        if full(state.messages, config.max_msgs) {
            self.note(format!("is full, with {} messages: it refuses new ones", state.messages));
        } else if full(state.bytes, config.max_bytes) {
            let held = show_size(i64::try_from(state.bytes).unwrap_or(i64::MAX));
            self.note(format!("is full, with {held}: it refuses new messages"));
        }
    }

    /// What is in a work queue and comes to nobody, and who takes what was meant for others.
    fn work(&mut self, stream: &Stream, there: &ObservedStream) {
        if there.info.config.retention != Retention::WorkQueue {
            return;
        }
        let left = there.left_over();
        if left > 0 && !there.consumers.is_empty() {
            self.note(format!(
                "holds {left} messages that no consumer takes: given up after `max_deliver`, or of subjects \
                 that no filter takes"
            ));
        }
        let others = there.consumers.iter().filter(|(name, _)| stream.consumer(name).is_none());
        for (name, _) in others {
            self.note(format!(
                "has the consumer `{name}`, which the file does not declare, and which takes work"
            ));
        }
    }

    fn listeners(&mut self, there: &ObservedStream) {
        for (name, consumer) in &there.consumers {
            let info = &consumer.info;
            if info.config.is_push() && !info.push_bound {
                let target = Target::consumer(&self.target.stream, name);
                let subject = &info.config.deliver_subject;
                let text = format!("delivers nothing: nobody listens on `{subject}`");
                self.verdict.notes.push(Problem { target, text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::testing::{facts, listed, topology};

    const FILE: &str = "\
watershed: 1
name: x
streams:
  A: { subjects: [a.>], max_msgs: 5, discard: new, consumers: { p: { deliver_subject: to.p } } }
  Q: { subjects: [q.>], retention: workqueue, consumers: { w: { filter_subject: q.1 } } }
  M: { max_age: 1d, mirror: { name: A } }
";

    #[test]
    fn what_does_not_work_is_said() {
        let topology = topology(FILE);
        let stream = |name: &str, config: Json, messages: u64, last: u64, consumers: u64| {
            let mut config = config;
            config["name"] = json!(name);
            let state =
                json!({"messages": messages, "last_seq": last, "consumer_count": consumers});
            json!({"config": config, "state": state})
        };
        let streams = json!({"total": 3, "streams": [
            stream("A", json!({"discard": "new", "max_msgs": 5}), 5, 5, 1),
            stream("M", json!({"mirror": {"name": "A"}, "max_msgs": 10}), 9, 9, 0),
            stream("Q", json!({"retention": "workqueue"}), 7, 9, 2),
        ]});
        let consumer = |name: &str, config: Json, pending: u64| {
            let mut config = config;
            config["durable_name"] = json!(name);
            json!({"name": name, "config": config, "num_pending": pending, "num_ack_pending": 1})
        };
        let of_a = json!({"total": 1, "consumers": [consumer("p", json!({"deliver_subject": "to.p"}), 0)]});
        let of_q = json!({"total": 2, "consumers": [
            consumer("w", json!({}), 2), consumer("theirs", json!({}), 1)]});
        let seen = listed(&topology, facts(), &streams, &[("A", &of_a), ("Q", &of_q)]);
        let mut verdict = Verdict::default();
        look(&topology, &seen, &mut verdict);
        let mut text = String::new();
        for problem in &verdict.problems {
            let _ = writeln!(text, "x {problem}");
        }
        for note in &verdict.notes {
            let _ = writeln!(text, "  {note}");
        }
        insta::assert_snapshot!(text, @"
        stream A is full, with 5 messages: it refuses new ones
        consumer A/p delivers nothing: nobody listens on `to.p`
        stream Q holds 2 messages that no consumer takes: given up after `max_deliver`, or of subjects that no filter takes
        stream Q has the consumer `theirs`, which the file does not declare, and which takes work
        stream M is ahead of `A`, at 9 against 5: that one was made again, and what it stores before 9 is not copied
        stream M is 90% full (`max_msgs`): the oldest messages go
        ");
    }
}
