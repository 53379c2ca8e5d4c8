//! What clients do, at random.

use fastrand::Rng;

use super::consumer::{AckPolicy, ConsumerRules, Delivery, Said, Start};
use super::stream::{NEVER, Publish, Retention, Rules, Stream};

pub(crate) const STREAMS: [&str; 3] = ["A", "B", "C"];
pub(crate) const CONSUMERS: [&str; 4] = ["w", "x", "y", "z"];

const SECOND: i64 = 1_000_000_000;

/// A time after all clocks: 2100.
const FAR: i64 = 4_102_444_800 * SECOND;

/// Messages of a burst: more than one record of a change removes, once or several times.
const BURSTS: [u64; 2] = [300, 700];

/// Something that a client does.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    CreateStream(Rules),
    UpdateStream(Rules),
    DeleteStream,
    Purge {
        filter: Option<String>,
        before: u64,
        keep: u64,
    },
    DeleteMessage(u64),
    PutConsumer(&'static str, ConsumerRules),
    DeleteConsumer(&'static str),
    /// Lets a consumer deliver nothing before this time; 0 to go on.
    PauseConsumer(&'static str, i64),
    /// Lets a consumer go on from this sequence.
    ResetConsumer(&'static str, u64),
    Publish(Publish),
    /// Asks for messages; with a time to wait, in nanoseconds.
    Pull {
        consumer: &'static str,
        batch: u64,
        expires: i64,
    },
    /// Says something to a delivery, and may ask for a confirmation.
    Answer {
        delivery: Delivery,
        said: Said,
        confirm: bool,
    },
    Wait(i64),
}

impl Operation {
    /// What it is called in the table of what was tried.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::CreateStream(_) => "create stream",
            Self::UpdateStream(_) => "update stream",
            Self::DeleteStream => "delete stream",
            Self::Purge { filter: Some(_), .. } => "purge a subject",
            Self::Purge { .. } => "purge",
            Self::DeleteMessage(_) => "delete message",
            Self::PutConsumer(..) => "put consumer",
            Self::DeleteConsumer(_) => "delete consumer",
            Self::PauseConsumer(_, 0) => "resume consumer",
            Self::PauseConsumer(..) => "pause consumer",
            Self::ResetConsumer(..) => "reset consumer",
            Self::Publish(publish) if publish.increment.is_some() => "count",
            Self::Publish(publish) if publish.id.is_some() => "publish with id",
            Self::Publish(publish) if publish.ttl.is_some() => "publish with ttl",
            Self::Publish(publish) if publish.rollup.is_some() => "publish with rollup",
            Self::Publish(publish) if publish.fast => "publish a fast batch",
            Self::Publish(publish) if publish.expects() => "publish with expectation",
            Self::Publish(_) => "publish",
            Self::Pull { expires: 0, .. } => "pull",
            Self::Pull { .. } => "pull and wait",
            Self::Answer { said: Said::Ack, confirm: true, .. } => "ack, confirmed",
            Self::Answer { said: Said::Ack, .. } => "ack",
            Self::Answer { said: Said::Term, .. } => "terminate",
            Self::Answer { said: Said::Progress, .. } => "progress",
            Self::Answer { said: Said::Nak(0), .. } => "retry at once",
            Self::Answer { said: Said::Nak(_), .. } => "retry later",
            Self::Wait(_) => "time",
        }
    }
}

impl Publish {
    pub(crate) fn expects(&self) -> bool {
        self.expected_last.is_some()
            || self.expected_last_of_subject.is_some()
            || self.expected_last_id.is_some()
    }
}

/// How large and how hasty a history is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taste {
    /// Whether messages and deliveries grow old while it lasts.
    pub(crate) time: bool,
    /// Longest payload.
    pub(crate) payload: usize,
    /// Whether hundreds of messages may come at once.
    pub(crate) bursts: bool,
    /// Whether consumers may deliver to whoever listens.
    pub(crate) push: bool,
    /// Whether to do what nats-server does otherwise: see "On purpose" in `docs/differences.md`.
    pub(crate) apart: bool,
}

fn one_of<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.usize(..all.len())]
}

pub(crate) fn rules(rng: &mut Rng, taste: Taste, retention: Retention) -> Rules {
    let discard_new = rng.u8(..3) == 0;
    let max_bytes = one_of(rng, &[0, 0, 600, 3000]);
    let max_age = if taste.time { one_of(rng, &[0, 0, 5 * SECOND, 60 * SECOND]) } else { 0 };
    Rules {
        retention,
        max_msgs: one_of(rng, &[0, 0, 3, 10]),
        max_bytes: if discard_new && !taste.apart { 0 } else { max_bytes },
        max_age,
        max_per_subject: one_of(rng, &[0, 0, 1, 2]),
        discard_new,
        window: if taste.time { one_of(rng, &[SECOND, 5 * SECOND]) } else { 120 * SECOND },
        renames: rng.u8(..4) == 0,
        is_async: rng.u8(..3) == 0,
        counts: retention == Retention::Limits && !discard_new && rng.u8(..2) == 0,
    }
}

fn consumer_rules(
    rng: &mut Rng,
    taste: Taste,
    stream: &str,
    retention: Retention,
) -> ConsumerRules {
    let filters = match rng.u8(..4) {
        0 => Vec::new(),
        1 => vec![format!("{stream}.0"), format!("{stream}.2")],
        2 => vec![format!("{stream}.{}", rng.u8(..4))],
        _ => vec![format!("{stream}.*")],
    };
    let queue = retention == Retention::WorkQueue;
    let mut start =
        one_of(rng, &[Start::All, Start::All, Start::New, Start::Last, Start::LastPerSubject]);
    let apart = taste.apart && !filters.is_empty();
    if queue || (start == Start::LastPerSubject && !apart) || (start == Start::Last && !taste.apart)
    {
        start = Start::All;
    }
    let ack =
        one_of(rng, &[AckPolicy::Explicit, AckPolicy::Explicit, AckPolicy::All, AckPolicy::None]);
    let plain = queue || (!taste.apart && ack == AckPolicy::All);
    let ack = if plain { AckPolicy::Explicit } else { ack };
    let push = taste.push && rng.u8(..5) == 0;
    if ack == AckPolicy::None {
        let (wait, max_deliver, max_ack_pending) = (0, 0, 0);
        return ConsumerRules { ack, wait, max_deliver, start, max_ack_pending, filters, push };
    }
    ConsumerRules {
        ack,
        wait: if taste.time { one_of(rng, &[SECOND / 2, 2 * SECOND]) } else { 3600 * SECOND },
        max_deliver: one_of(rng, &[0, 2, 3]),
        start,
        max_ack_pending: if taste.apart { one_of(rng, &[2, 1000]) } else { 1000 },
        filters,
        push,
    }
}

/// What comes to mind, given what the client believes of a stream and got from it.
pub(crate) fn operations(
    rng: &mut Rng,
    taste: Taste,
    name: &str,
    stream: Option<&Stream>,
    now: i64,
    deliveries: &mut Vec<Delivery>,
) -> Vec<Operation> {
    let Some(stream) = stream else {
        let retention = one_of(rng, &Retention::EVERY);
        return vec![Operation::CreateStream(rules(rng, taste, retention))];
    };
    let near = |rng: &mut Rng| stream.last.saturating_sub(rng.u64(..12));
    vec![match rng.u8(..72) {
        0 => Operation::DeleteStream,
        1..4 => {
            let other = one_of(rng, &Retention::EVERY);
            let moves = taste.apart && rng.u8(..3) == 0;
            let retention = if moves { other } else { stream.rules.retention };
            let rules = rules(rng, taste, retention);
            // A change is refused, so it is rarely tried.
            let is_async = if rng.u8(..8) == 0 { rules.is_async } else { stream.rules.is_async };
            let counts = if rng.u8(..8) == 0 { rules.counts } else { stream.rules.counts };
            let discard_new = rules.discard_new && (!counts || rng.u8(..4) == 0);
            Operation::UpdateStream(Rules { discard_new, is_async, counts, ..rules })
        }
        4 => Operation::CreateStream(rules(rng, taste, stream.rules.retention)),
        5..8 => {
            let near = near(rng);
            if taste.apart {
                purge(rng, name, near)
            } else {
                Operation::Purge { filter: None, before: 0, keep: 0 }
            }
        }
        8..11 => Operation::DeleteMessage(near(rng)),
        11..17 => {
            let consumer = one_of(rng, &CONSUMERS);
            let known = stream.consumers.get(consumer);
            let known = known.filter(|_| !taste.apart || rng.u8(..4) > 0);
            let fresh = consumer_rules(rng, taste, name, stream.rules.retention);
            let rules = match known {
                Some(known) => changed(taste, &known.rules, fresh),
                None => fresh,
            };
            Operation::PutConsumer(consumer, rules)
        }
        17 => Operation::DeleteConsumer(one_of(rng, &CONSUMERS)),
        18..29 => Operation::Pull {
            consumer: one_of(rng, &CONSUMERS),
            batch: rng.u64(1..8),
            expires: if taste.time && rng.u8(..4) == 0 { 3 * SECOND } else { 0 },
        },
        29..46 => match answer(rng, taste, deliveries) {
            Some(operation) => operation,
            None => Operation::Publish(publish(rng, taste, name, stream)),
        },
        46..48 if taste.time => {
            Operation::Wait(one_of(rng, &[1, 30, 700, 2_500, 30_000]) * 1_000_000)
        }
        49..51 => pause(rng, taste, now),
        51 => {
            let consumer = one_of(rng, &CONSUMERS);
            // Of one that is not there, a server says nothing.
            match stream.consumers.get(consumer) {
                Some(known) if known.rules.start == Start::All => {
                    Operation::ResetConsumer(consumer, near(rng).max(1))
                }
                _ => Operation::Publish(publish(rng, taste, name, stream)),
            }
        }
        48 if taste.bursts && rng.u8(..3) == 0 => {
            return burst(rng, taste, name, stream.rules.counts);
        }
        _ => Operation::Publish(publish(rng, taste, name, stream)),
    }]
}

/// Pauses are short, or longer than anything lasts, and some have passed already.
fn pause(rng: &mut Rng, taste: Taste, now: i64) -> Operation {
    let until = match rng.u8(..6) {
        0..3 => 0,
        3 => now - SECOND,
        4 if taste.time => now + one_of(rng, &[1, 700, 3_000, 20_000]) * 1_000_000,
        _ => FAR,
    };
    Operation::PauseConsumer(one_of(rng, &CONSUMERS), until)
}

/// A consumer's rules after an update: what cannot be changed stays.
fn changed(taste: Taste, old: &ConsumerRules, fresh: ConsumerRules) -> ConsumerRules {
    let mut rules = old.clone();
    if taste.apart {
        rules.filters = fresh.filters;
    }
    if old.ack == AckPolicy::None {
        return rules;
    }
    rules.max_deliver = fresh.max_deliver;
    if fresh.ack != AckPolicy::None {
        (rules.wait, rules.max_ack_pending) = (fresh.wait, fresh.max_ack_pending);
    }
    rules
}

/// Hundreds of messages, and something that touches all of them.
fn burst(rng: &mut Rng, taste: Taste, name: &str, counts: bool) -> Vec<Operation> {
    let message = |number: u64| Publish {
        subject: format!("{name}.burst.{number}"),
        payload: if counts { String::new() } else { number.to_string() },
        increment: counts.then_some(1),
        ..Publish::default()
    };
    let count = one_of(rng, &BURSTS);
    let mut all: Vec<_> = (0..count).map(|number| Operation::Publish(message(number))).collect();
    all.push(match rng.u8(..3) {
        _ if !taste.apart => Operation::Purge { filter: None, before: 0, keep: 0 },
        0 => Operation::Purge { filter: Some(format!("{name}.burst.*")), before: 0, keep: 0 },
        1 => Operation::Purge { filter: None, before: 0, keep: 1 },
        _ => Operation::Publish(Publish { rollup: Some("all"), ..message(count) }),
    });
    all
}

fn purge(rng: &mut Rng, name: &str, near: u64) -> Operation {
    let filter = (rng.u8(..2) == 0).then(|| format!("{name}.{}", rng.u8(..4)));
    let (before, keep) = match rng.u8(..3) {
        0 => (0, 0),
        1 => (near + 1, 0),
        _ => (0, rng.u64(1..4)),
    };
    Operation::Purge { filter, before, keep }
}

/// Something to say to a delivery; most are heard in time, some much later.
fn answer(rng: &mut Rng, taste: Taste, deliveries: &mut Vec<Delivery>) -> Option<Operation> {
    if deliveries.is_empty() {
        return None;
    }
    let index = rng.usize(..deliveries.len());
    let delivery = deliveries[index].clone();
    if rng.u8(..8) > 0 {
        deliveries.swap_remove(index);
    }
    let said = match rng.u8(..10) {
        0 => Said::Nak(0),
        1 if taste.time => Said::Nak(SECOND * 3 / 2),
        2 => Said::Term,
        3 => Said::Progress,
        _ => Said::Ack,
    };
    Some(Operation::Answer { delivery, said, confirm: rng.bool() })
}

fn time_to_live(rng: &mut Rng, taste: Taste) -> i64 {
    match rng.u8(..4) {
        0 => NEVER,
        _ if taste.time => rng.i64(1..9) * SECOND,
        _ => 3600 * SECOND,
    }
}

fn publish(rng: &mut Rng, taste: Taste, name: &str, stream: &Stream) -> Publish {
    let subject = format!("{name}.{}", rng.u8(..4));
    let number = rng.u32(..1_000_000);
    let payload = format!("{number}-{}", "x".repeat(rng.usize(..taste.payload)));
    let mut publish = Publish { subject, payload, ..Publish::default() };
    let off = u64::from(rng.u8(..4) == 0);
    match rng.u8(..14) {
        0 => publish.ttl = Some(time_to_live(rng, taste)),
        1 if taste.apart => {
            publish.rollup = Some(one_of(rng, &["sub", "all"]));
        }
        2 => publish.expected_last = Some(stream.last + off),
        3 => {
            let mut own = stream.messages.iter().rev();
            let last = own.find(|(_, message)| message.subject == publish.subject);
            publish.expected_last_of_subject = Some(last.map_or(0, |(last, _)| *last) + off);
        }
        4 => publish.expected_last_id = Some(rng.u8(..20).to_string()),
        5..9 => publish.id = Some(rng.u8(..20).to_string()),
        _ => {}
    }
    if stream.rules.counts == (rng.u8(..12) > 0) {
        publish.increment = Some(one_of(rng, &[1, 1, -1, 0, 7, -12, 1 << 90]));
        if rng.u8(..12) > 0 {
            publish.payload.clear();
        }
    }
    // An async stream acknowledges ahead of the disk, which a fast batch never does.
    let plain = publish.id.is_none() && publish.ttl.is_none() && publish.rollup.is_none();
    let counts = publish.increment.is_some() || stream.rules.counts;
    publish.fast = plain && !counts && !stream.rules.is_async && rng.u8(..4) == 0;
    publish
}
