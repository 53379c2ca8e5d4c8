//! The state of a node against a model that is simple enough to be right: what clients are told and
//! shown, while everything works, and after kills, power cuts, calls that the disk refused, and a disk
//! that was full. After a fault a stream is what it was after some of its operations, and all that
//! were answered are among them.

mod api;
mod client;
mod consumer;
mod operation;
mod outcome;
mod past;
mod peer;
mod stream;

use std::collections::BTreeMap;

use fastrand::Rng;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_sim::node::Node;

use self::api::StreamView;
use self::client::{Client, Pace};
use self::operation::{STREAMS, Taste};
use self::past::{Past, Restarts, find};
use crate::coverage::{Coverage, check_all};

/// Operations of a history, over all lives of the node.
const OPERATIONS: u64 = 220;

/// Lives of the node; each but the last ends with a restart.
const LIVES: u64 = 4;

/// Whether `filter` takes `subject`, by its tokens.
fn matches(filter: &str, subject: &str) -> bool {
    let (mut filter, mut subject) = (filter.split('.'), subject.split('.'));
    loop {
        match (filter.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Small enough that a short history seals blocks and makes checkpoints.
fn settings() -> JetStreamSettings {
    JetStreamSettings {
        journal_bytes_per_checkpoint: 9_000,
        block_bytes: 2_500,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    }
}

/// For one life: in some of them checkpoints are so rare that the journal needs several segments.
fn settings_of_life(seed: u64, rng: &mut Rng) -> JetStreamSettings {
    let usual = settings();
    let rare = rng.u8(..4) == 0;
    let journal_bytes_per_checkpoint =
        if rare { 3_000_000 } else { usual.journal_bytes_per_checkpoint };
    // Large enough to become shorter by being compressed. A store keeps the length of its blocks.
    let block_bytes = if seed.is_multiple_of(3) { 6_000 } else { usual.block_bytes };
    JetStreamSettings { journal_bytes_per_checkpoint, block_bytes, ..usual }
}

/// How a life of the node ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// Everything is done, and the process is killed.
    Settled,
    /// The process is killed in the middle.
    Killed,
    /// The power goes in the middle.
    Cut,
    /// The disk refuses a call, and the process is killed later.
    Failed,
    /// The disk is full for a while, and the process is killed later.
    Full,
}

const ENDS: [End; 5] = [End::Settled, End::Killed, End::Cut, End::Failed, End::Full];

/// What a node with a full disk publishes needs more than the journal's first segment, and that of some
/// others, too.
fn taste(rng: &mut Rng, end: End) -> Taste {
    let large = end == End::Full || rng.u8(..8) == 0;
    let payload = if large { 60_000 } else { 200 };
    Taste { time: true, payload, bursts: !large, push: true, apart: true }
}

/// One life. Gives back what may be on disk then.
fn live(
    node: Node,
    rng: &mut Rng,
    end: End,
    disk: &SimDisk,
    world: BTreeMap<&'static str, Past>,
    coverage: &mut Coverage<End>,
    done: u64,
) -> Result<(Node, BTreeMap<&'static str, Past>, u64), String> {
    let dies = matches!(end, End::Killed | End::Cut);
    let pace = if rng.u8(..3) == 0 { Pace::Stepwise } else { Pace::Hasty };
    match end {
        End::Killed | End::Cut => disk.kill_after(rng.u64(1..300)),
        End::Failed => disk.fail_at(rng.u64(1..150)),
        End::Full => disk.limit(Some(disk.used() + rng.usize(..2_000_000))),
        End::Settled => {}
    }
    let frees = rng.u64(20..OPERATIONS / LIVES);
    let taste = taste(rng, end);
    let mut client = Client::new(node, rng, taste, pace, dies, world, done);
    let until = client.operations + OPERATIONS / LIVES;
    while client.operations < until && !client.is_dead() {
        client.act()?;
        if client.operations > until - frees {
            disk.limit(None);
        }
        if !client.works() && client.rng.u8(..8) == 0 {
            client.heal()?;
        }
        if client.works() && client.rng.u8(..25) == 0 {
            client.compare()?;
        }
    }
    disk.limit(None);
    if end == End::Settled {
        client.compare()?;
        client.settle()?;
    }
    for ((operation, retention), count) in client.tried {
        *coverage.entry((operation, retention, end)).or_default() += count;
    }
    Ok((client.node, client.world, client.operations))
}

/// One history of a node's several lives. Says what is not as the model says.
fn check(seed: u64, coverage: &mut Coverage<End>) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let mut disk = SimDisk::default();
    let mut node = Node::start(&disk, settings_of_life(seed, &mut rng), seed)?;
    let mut world: BTreeMap<_, _> = STREAMS.map(|name| (name, Past::of(0, None))).into();
    let mut done = 0;
    for life in 0..LIVES {
        let end = ENDS[rng.usize(..ENDS.len())];
        let told = |error: String| format!("life {life}, {end:?}: {error}");
        (node, world, done) =
            live(node, &mut rng, end, &disk, world, coverage, done).map_err(told)?;
        let (now, state) = (node.now(), node.state());
        drop(node);
        disk = match end {
            End::Cut => disk.power_cut(Survival::EVERY[rng.usize(..4)], &mut rng),
            _ => disk.after_kill(),
        };
        let settings = settings_of_life(seed, &mut rng);
        node = Node::start_at(now, &disk, settings, rng.u64(..)).map_err(told)?;
        if end == End::Settled && node.state() != state {
            return Err(told("the state differs after a restart".into()));
        }
        node.settle()?;
        for (name, past) in &mut world {
            let seen = StreamView::seen(&mut node, name)?;
            let (operation, state) = find(past, now.wall.0, Restarts::Yes, seen.as_ref())
                .map_err(|error| told(format!("{name} after the restart: {error}")))?;
            *past = Past::of(operation, state);
        }
    }
    Ok(())
}

#[test]
fn a_node_is_what_the_model_says() {
    let retentions = |operation: &str| match operation {
        "count" => &["limits"][..],
        _ => &["limits", "interest", "workqueue"],
    };
    check_all(40, 100, &ENDS, retentions, check);
}
