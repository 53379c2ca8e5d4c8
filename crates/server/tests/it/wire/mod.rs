//! Random conversations with this server and with nats-server: protocol, API and headers, valid or nearly so. What is
//! answered is the same, or is among the differences that are known.
//!
//! `WATERSHED_EXCHANGES` says how many steps to compare, `WATERSHED_SEED` from which conversation on.

mod fields;
mod known;
mod lines;
mod make;
mod normal;
mod talk;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use watershed_peers::NatsServer;
use watershed_server::Server;

use self::make::{Conversation, Step};
use self::talk::{Answers, Patience, Peer};

/// A folder that is in memory, where there is one: the disk is not what is compared.
const MEMORY: &str = "/dev/shm";

/// How often a difference must come to be one.
const TIMES: usize = 2;

/// How long a run of the tests takes at most.
const SHORT: Duration = Duration::from_secs(2);

/// Where two servers differ.
struct Difference {
    /// Which step.
    at: usize,
    own: Answers,
    peer: Answers,
    known: Option<&'static str>,
}

/// Both servers.
struct Pair {
    own: Peer,
    peer: Peer,
}

impl Pair {
    /// Holds a conversation with both, from nothing. Says where they first differ, and how many steps were compared.
    fn hold(
        &mut self,
        options: &str,
        steps: &[Step],
        patience: Patience,
    ) -> (usize, Option<Difference>) {
        self.own.clean();
        self.peer.clean();
        for (at, step) in steps.iter().enumerate() {
            for peer in [&mut self.own, &mut self.peer] {
                if !peer.is_connected() {
                    peer.connect(options);
                }
                peer.send(&step.bytes);
            }
            let reply = step.reply.as_deref();
            let own = self.own.answers(reply, patience);
            let peer = self.peer.answers(reply, patience);
            if own.is_like(&peer) {
                if !self.own.is_connected() || !self.peer.is_connected() {
                    self.own.hang_up();
                    self.peer.hang_up();
                }
                continue;
            }
            let known = known::reason(step, &own, &peer);
            self.own.hang_up();
            self.peer.hang_up();
            return (at + 1, Some(Difference { at, own, peer, known }));
        }
        self.own.hang_up();
        self.peer.hang_up();
        (steps.len(), None)
    }

    /// The fewest steps that still show a difference that is not known.
    fn shrink(&mut self, options: &str, mut steps: Vec<Step>) -> Option<(Vec<Step>, Difference)> {
        let mut unknown = |steps: &[Step]| {
            let mut found = None;
            for _ in 0..TIMES {
                let (_, difference) = self.hold(options, steps, Patience::LONG);
                found = Some(difference.filter(|difference| difference.known.is_none())?);
            }
            found
        };
        let mut found = unknown(&steps)?;
        steps.truncate(found.at + 1);
        let mut size = steps.len() / 2;
        while size > 0 {
            let mut at = 0;
            while at + size < steps.len() {
                let fewer = [&steps[..at], &steps[at + size..]].concat();
                match unknown(&fewer) {
                    Some(difference) => (steps, found) = (fewer, difference),
                    None => at += size,
                }
            }
            size /= 2;
        }
        Some((steps, found))
    }
}

impl Answers {
    fn is_like(&self, other: &Self) -> bool {
        self.lines == other.lines
            && self.messages.len() == other.messages.len()
            && self.messages.iter().zip(&other.messages).all(|(own, other)| {
                own.head == other.head
                    && own.headers == other.headers
                    && alike(&own.payload, &other.payload)
            })
    }
}

/// Whether two payloads say the same. What is wrong with JSON is said in other words.
fn alike(own: &Value, other: &Value) -> bool {
    let code = |json: &Value| json["error"]["err_code"].as_u64();
    own == other || (code(own) == Some(10025) && code(other) == Some(10025))
}

/// What a run came to.
#[derive(Default)]
struct Table {
    conversations: u64,
    exchanges: u64,
    kinds: BTreeMap<String, u64>,
    known: BTreeMap<&'static str, u64>,
}

fn run(first: u64, exchanges: u64, limit: Option<Duration>) -> (Table, Vec<String>) {
    let memory = Path::new(MEMORY);
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.unwrap();
    let server = Server::builder().store_dir(folder.path().join("store")).start().unwrap();
    let peer = NatsServer::reference();
    let mut pair = Pair { own: Peer::new(server.local_addr()), peer: Peer::new(peer.address) };
    let (mut table, mut failures) = (Table::default(), Vec::new());
    let begin = Instant::now();
    let most: usize = std::env::var("WATERSHED_FAILURES").map_or(1, |count| count.parse().unwrap());
    for seed in first.. {
        let over = limit.is_some_and(|limit| begin.elapsed() > limit);
        if table.exchanges >= exchanges || over || failures.len() >= most {
            break;
        }
        let Conversation { seed, options, steps } = Conversation::new(seed);
        let (done, difference) = pair.hold(&options, &steps, Patience::SHORT);
        table.conversations += 1;
        table.exchanges += u64::try_from(done).unwrap();
        for kind in steps[..done].iter().flat_map(|step| &step.kinds) {
            *table.kinds.entry(kind.clone()).or_default() += 1;
        }
        match difference.map(|difference| difference.known) {
            None => {}
            Some(Some(known)) => *table.known.entry(known).or_default() += 1,
            Some(None) => {
                let shrunk = pair.shrink(&options, steps);
                failures.extend(shrunk.map(|(steps, found)| shown(seed, &options, &steps, &found)));
            }
        }
    }
    (table, failures)
}

/// A difference, for people.
fn shown(seed: u64, options: &str, steps: &[Step], found: &Difference) -> String {
    let mut text = format!("seed {seed}: {options}\n");
    for step in steps {
        let _ = writeln!(
            text,
            "> {}",
            String::from_utf8_lossy(&step.bytes).trim_end().replace("\r\n", "\\r\\n")
        );
    }
    for (side, answers) in [("nats-server", &found.peer), ("watershed", &found.own)] {
        let _ = writeln!(text, "{side}: {:?}", answers.lines);
        for message in &answers.messages {
            let _ = writeln!(text, "  {} {:?} {}", message.head, message.headers, message.payload);
        }
    }
    text
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn random_conversations_are_answered_alike() {
    let wanted = std::env::var("WATERSHED_EXCHANGES").ok();
    let first = std::env::var("WATERSHED_SEED").map_or(0, |seed| seed.parse().unwrap());
    let exchanges = wanted.as_ref().map_or(u64::MAX, |count| count.parse().unwrap());
    let (table, failures) = run(first, exchanges, wanted.is_none().then_some(SHORT));
    println!(
        "{} exchanges in {} conversations from seed {first}",
        table.exchanges, table.conversations
    );
    for (kind, count) in &table.kinds {
        println!("kind | {kind} | {count}");
    }
    for (reason, count) in &table.known {
        println!("known | {reason} | {count}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
