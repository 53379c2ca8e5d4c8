//! One damaged bit or sector anywhere in a store: it opens, and every answer is what it was. Only a
//! sector of a block takes messages with it, those that lie in it, and whoever asks for one is told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use fastrand::Rng;
use watershed_engine::{JetStreamSettings, Now};
use watershed_sim::disk::SimDisk;
use watershed_sim::node::Node;
use watershed_store::Record;
use watershed_store::limits::SPARE_SEGMENT_BYTES;

use crate::coverage::seeds;

const SECTOR: usize = 512;

/// What a message that cannot be read is answered with.
const DAMAGED: &str = "message is damaged on disk";

const STREAMS: [&str; 3] = ["A", "B", "C"];

/// How a store came to be.
#[derive(Debug, Clone)]
struct Shape {
    name: &'static str,
    messages: usize,
    payload: Range<usize>,
    /// Messages that streams keep.
    kept: usize,
    journal_bytes_per_checkpoint: usize,
    block_bytes: u32,
    /// Checkpoints that it must have.
    checkpoints: usize,
    /// Whether its blocks are compressed.
    compressed: bool,
}

const SHAPES: [Shape; 6] = [
    Shape {
        name: "before the first checkpoint",
        messages: 30,
        payload: 0..200,
        kept: 40,
        journal_bytes_per_checkpoint: usize::MAX,
        block_bytes: 2_000,
        checkpoints: 0,
        compressed: false,
    },
    Shape {
        name: "one checkpoint",
        messages: 60,
        payload: 0..200,
        kept: 40,
        journal_bytes_per_checkpoint: 40_000,
        block_bytes: 2_000,
        checkpoints: 1,
        compressed: false,
    },
    Shape {
        name: "two checkpoints",
        messages: 60,
        payload: 0..200,
        kept: 40,
        journal_bytes_per_checkpoint: 12_000,
        block_bytes: 2_000,
        checkpoints: 2,
        compressed: false,
    },
    Shape {
        name: "large blocks",
        messages: 80,
        payload: 0..900,
        kept: 40,
        journal_bytes_per_checkpoint: 12_000,
        block_bytes: 20_000,
        checkpoints: 2,
        compressed: false,
    },
    Shape {
        name: "compressed blocks",
        messages: 150,
        payload: 300..900,
        kept: 40,
        journal_bytes_per_checkpoint: 9_000,
        block_bytes: 6_000,
        checkpoints: 2,
        compressed: true,
    },
    Shape {
        name: "a journal that was used again",
        messages: 80,
        payload: 40_000..70_000,
        kept: 3,
        journal_bytes_per_checkpoint: 400_000,
        block_bytes: 200_000,
        checkpoints: 2,
        compressed: false,
    },
];

impl Shape {
    fn settings(&self) -> JetStreamSettings {
        JetStreamSettings {
            journal_bytes_per_checkpoint: self.journal_bytes_per_checkpoint,
            block_bytes: self.block_bytes,
            ..JetStreamSettings::new(1 << 40, 1 << 40)
        }
    }
}

fn call(node: &mut Node, subject: &str, body: &str) -> Vec<String> {
    node.send(format!("PUB {subject} r.0 {}\r\n{body}\r\n", body.len()).as_bytes());
    node.settle().unwrap();
    node.received().into_iter().map(|message| message.payload).collect()
}

/// A store with streams of each kind, consumers that are somewhere in between, and gaps.
fn build(shape: &Shape, seed: u64) -> (SimDisk, Now) {
    let disk = SimDisk::default();
    let mut rng = Rng::with_seed(seed);
    let mut node = Node::start(&disk, shape.settings(), seed).unwrap();
    let kept = shape.kept;
    for (stream, rest) in STREAMS.iter().zip([
        format!("\"max_msgs\":{kept}"),
        format!("\"retention\":\"workqueue\",\"max_msgs\":{kept}"),
        format!("\"max_msgs_per_subject\":{},\"allow_direct\":true", kept.min(3) / 2 + 1),
    ]) {
        let compression = if shape.compressed { "s2" } else { "none" };
        let config = format!(
            "{{\"name\":\"{stream}\",\"subjects\":[\"{stream}.>\"],\"compression\":\"{compression}\",{rest}}}"
        );
        call(&mut node, &format!("$JS.API.STREAM.CREATE.{stream}"), &config);
        let config = "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\"}";
        let body = format!("{{\"stream_name\":\"{stream}\",\"config\":{config}}}");
        call(&mut node, &format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.c"), &body);
    }
    for number in 0..shape.messages {
        let stream = STREAMS[rng.usize(..STREAMS.len())];
        let payload = format!("{number}-{}", "x".repeat(rng.usize(shape.payload.clone())));
        call(&mut node, &format!("{stream}.{}", rng.u8(..5)), &payload);
        if rng.u8(..4) == 0 {
            acknowledge(&mut node, stream, &mut rng);
        }
        if rng.u8(..12) == 0 {
            let body = format!("{{\"seq\":{}}}", rng.usize(1..=number + 1));
            call(&mut node, &format!("$JS.API.STREAM.MSG.DELETE.{stream}"), &body);
        }
    }
    let now = node.now();
    let paths = disk.paths();
    let checkpoints = paths.iter().filter(|path| path.starts_with("checkpoint-")).count();
    assert_eq!(checkpoints, shape.checkpoints, "{}: {paths:?}", shape.name);
    let is_compressed = |path: &&String| disk.bytes(path).starts_with(b"WCmp");
    let compressed = paths.iter().filter(is_compressed).count();
    assert_eq!(compressed > 5, shape.compressed, "{}: {compressed} of {paths:?}", shape.name);
    (disk, now)
}

fn acknowledge(node: &mut Node, stream: &str, rng: &mut Rng) {
    let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.c");
    let body = "{\"batch\":3,\"no_wait\":true}";
    node.send(format!("PUB {subject} r.0 {}\r\n{body}\r\n", body.len()).as_bytes());
    node.settle().unwrap();
    let replies = node.received().into_iter().filter_map(|message| message.reply);
    for reply in replies.collect::<Vec<_>>() {
        if rng.bool() {
            call(node, &reply, "+ACK");
        }
    }
}

/// What a client asked for: the stream and the sequence, if it was one message.
type Question = (String, Option<u64>, String);

/// All that a client can ask, and what it is told.
fn answers(node: &mut Node) -> BTreeMap<Question, Vec<String>> {
    let mut all = BTreeMap::new();
    let mut ask = |node: &mut Node, stream: &str, sequence, subject: String, body: String| {
        let answer = call(node, &subject, &body);
        all.insert((stream.to_owned(), sequence, subject + " " + &body), answer);
    };
    for stream in STREAMS {
        ask(node, stream, None, format!("$JS.API.STREAM.INFO.{stream}"), String::new());
        ask(node, stream, None, format!("$JS.API.CONSUMER.INFO.{stream}.c"), String::new());
        let get = format!("$JS.API.STREAM.MSG.GET.{stream}");
        for sequence in 1..=45 {
            let body = format!("{{\"seq\":{sequence}}}");
            ask(node, stream, Some(sequence), get.clone(), body);
        }
        for subject in 0..5 {
            let body = format!("{{\"last_by_subj\":\"{stream}.{subject}\"}}");
            ask(node, stream, None, get.clone(), body);
        }
    }
    all
}

/// One thing that happens to a file.
#[derive(Debug, Clone)]
enum Damage {
    Bit(usize),
    Zeroes(Range<usize>),
    Noise(Range<usize>, u64),
    Lost,
}

impl Damage {
    fn on(&self, disk: &SimDisk, path: &str) {
        match self {
            Self::Bit(bit) => disk.flip(path, *bit),
            Self::Zeroes(range) => disk.overwrite(path, range.start, &vec![0; range.len()]),
            Self::Noise(range, seed) => {
                let mut rng = Rng::with_seed(*seed);
                let noise: Vec<u8> = range.clone().map(|_| rng.u8(..)).collect();
                disk.overwrite(path, range.start, &noise);
            }
            Self::Lost => disk.lose(path),
        }
    }

    /// Bytes that may be beyond repair.
    fn range(&self) -> Range<usize> {
        match self {
            Self::Zeroes(range) | Self::Noise(range, _) => range.clone(),
            Self::Bit(_) | Self::Lost => 0..0,
        }
    }
}

/// What is tried on a file: `count` of its sectors and of its bits, at its start more often than
/// elsewhere.
fn damages(path: &str, bytes: &[u8], rng: &mut Rng, count: usize) -> Vec<Damage> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let used = used.max(1).min(bytes.len());
    let mut all = Vec::new();
    for _ in 0..count {
        let early = rng.u8(..4) == 0;
        let begin = if early { 0 } else { rng.usize(..used) / SECTOR * SECTOR };
        let sector = begin..(begin + SECTOR).min(bytes.len());
        let zeroes = rng.bool();
        all.push(if zeroes { Damage::Zeroes(sector) } else { Damage::Noise(sector, rng.u64(..)) });
        let early = rng.u8(..4) == 0;
        all.push(Damage::Bit(rng.usize(..8 * if early { used.min(64) } else { used })));
    }
    // A checkpoint that is gone is damaged beyond anything; so is what says what the folder is.
    if path == "FORMAT" || path.starts_with("checkpoint-") {
        all.push(Damage::Lost);
    }
    all
}

/// The messages of a block that have bytes in `range`.
fn touched(path: &str, bytes: &[u8], range: &Range<usize>) -> BTreeSet<(String, u64)> {
    let mut touched = BTreeSet::new();
    let mut at = 16;
    while path.starts_with("blocks/")
        && let Ok((record, length)) = Record::decode(&bytes[at.min(bytes.len())..])
    {
        if at < range.end && range.start < at + length {
            let stream = STREAMS[record.log.0 as usize - 1];
            touched.insert((stream.to_owned(), record.sequence));
        }
        at += length;
    }
    touched
}

/// Damages a store once, and says what is wrong with what it says then.
fn check(
    shape: &Shape,
    (disk, now): (&SimDisk, Now),
    expected: &(Vec<u8>, BTreeMap<Question, Vec<String>>),
    path: &str,
    damage: &Damage,
) -> Result<usize, String> {
    let touched = touched(path, &disk.bytes(path), &damage.range());
    let disk = disk.after_kill();
    damage.on(&disk, path);
    let mut node = Node::start_at(now, &disk, shape.settings(), 1)?;
    if node.state() != expected.0 {
        return Err("the state differs".into());
    }
    let mut lost = 0;
    for ((stream, sequence, question), answer) in answers(&mut node) {
        let told = &expected.1[&(stream.clone(), sequence, question.clone())];
        if answer == *told {
            continue;
        }
        let is_said = answer.len() == 1 && answer[0].contains(DAMAGED);
        let is_it = |(name, lost): &(String, u64)| {
            let own = format!("\"seq\":{lost},");
            *name == stream && told.iter().any(|told| told.contains(&own))
        };
        if !is_said || !touched.iter().any(is_it) {
            return Err(format!("{question}: {answer:.300?} where {told:.300?} was told"));
        }
        lost += 1;
    }
    // It goes on as any other.
    let stored = call(&mut node, "A.0", "one more");
    if !stored.iter().any(|answer| answer.contains("\"seq\"")) {
        return Err(format!("it stores nothing more: {stored:?}"));
    }
    let state = node.state();
    drop(node);
    let node = Node::start_at(now, &disk.after_kill(), shape.settings(), 1)?;
    if node.state() != state {
        return Err("the state differs after another start".into());
    }
    let seen: Vec<String> = node.findings().iter().map(ToString::to_string).collect();
    let still = seen.iter().filter(|finding| !finding.starts_with("checkpoint-"));
    match still.collect::<Vec<_>>().as_slice() {
        [] => Ok(lost),
        found => Err(format!("the next start finds {found:?}")),
    }
}

/// Damages a store in many ways, each time anew. Says how many, and how many answers said that a
/// message is damaged.
fn check_shape(shape: &Shape, seed: u64) -> (usize, usize) {
    let (disk, now) = build(shape, seed);
    let (state, told) = {
        let mut node = Node::start_at(now, &disk.after_kill(), shape.settings(), 1).unwrap();
        assert!(node.findings().is_empty(), "{:?}", node.findings());
        (node.state(), answers(&mut node))
    };
    let expected = (state, told);
    // There are many blocks.
    let count = |path: &str| if path.starts_with("blocks/") { 1 } else { 3 };
    let mut rng = Rng::with_seed(seed);
    let (mut tried, mut lost) = (0, 0);
    for path in disk.paths() {
        for damage in damages(&path, &disk.bytes(&path), &mut rng, count(&path)) {
            tried += 1;
            lost += check(shape, (&disk, now), &expected, &path, &damage).unwrap_or_else(|found| {
                panic!("{}, seed {seed}: {path}, {damage:?}: {found}", shape.name)
            });
        }
    }
    (tried, lost)
}

#[test]
fn one_damaged_place_changes_no_answer() {
    for seed in seeds(1) {
        let mut all = 0;
        for shape in &SHAPES[..5] {
            let (tried, lost) = check_shape(shape, seed);
            println!("{}, seed {seed}: {tried} damages, {lost} answers that say so", shape.name);
            all += lost;
        }
        assert!(all > 0, "no message was ever damaged");
    }
}

#[test]
fn one_damaged_place_in_a_journal_that_was_used_again_changes_no_answer() {
    for seed in seeds(1) {
        let shape = &SHAPES[5];
        let (disk, _) = build(shape, seed);
        let journal = disk.paths().into_iter().filter(|path| path.starts_with("journal/"));
        let spare = usize::try_from(SPARE_SEGMENT_BYTES).unwrap();
        let ordinary = journal.map(|path| disk.file_len(&path)).filter(|length| *length > spare);
        let segments: usize = ordinary.sum();
        assert!(segments < shape.messages * shape.payload.start, "{segments}");
        let (tried, lost) = check_shape(shape, seed);
        println!("{}, seed {seed}: {tried} damages, {lost} answers that say so", shape.name);
    }
}
