//! What was committed is there after a power cut at any call, and nothing else is.

use fastrand::Rng;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_store::{Journal, LogId, Needed, OpenError, Record, Round, RoundBuilder};

/// What a workload was told before the world stopped.
#[derive(Debug, Default)]
struct History {
    /// Last round that was committed.
    committed: u64,
    /// Last round that is durable elsewhere, as its release was asked for.
    checkpoint: u64,
}

/// The content of round `number`, always the same, of very different lengths.
fn round(number: u64) -> Round {
    let mut rng = Rng::with_seed(number);
    let mut builder = RoundBuilder::new(number);
    for sequence in 0..rng.u64(1..4) {
        let longest = if rng.u8(..8) == 0 { 400_000 } else { 300 };
        let body: Vec<u8> = (0..rng.usize(..longest)).map(|_| rng.u8(..)).collect();
        builder.push(&Record {
            log: LogId(rng.u32(1..4)),
            kind: 1,
            sequence,
            time: 5,
            key: b"some.key",
            head: b"",
            body: &body,
        });
    }
    builder.close()
}

/// All rounds but those up to `checkpoint`.
fn upto(checkpoint: u64) -> Needed {
    Needed { older: checkpoint, newest: checkpoint, ..Needed::default() }
}

/// Opens, commits and releases until `rounds` are committed or the disk stops.
fn work(disk: &SimDisk, history: &mut History, rounds: u64) {
    let Ok(recovered) = Journal::open(disk.clone(), upto(history.checkpoint)) else { return };
    let mut journal = recovered.journal;
    while history.committed < rounds {
        let number = journal.next_round();
        if journal.commit(&round(number)).is_err() {
            return;
        }
        history.committed = number;
        // The checkpoint itself is another file's business; here it is always durable.
        if number % 5 == 0 {
            history.checkpoint = number - 2;
            journal.release(history.checkpoint);
        }
    }
}

/// Opens after a crash and compares with what was promised.
fn verify(disk: &SimDisk, history: &History) -> Result<(), String> {
    let recovered = Journal::open(disk.clone(), upto(history.checkpoint))
        .map_err(|error| format!("the journal does not open: {error}"))?;
    let mut expected = history.checkpoint + 1;
    for found in recovered.rounds {
        if found.number() != expected || found.bytes() != round(expected).bytes() {
            return Err(format!("round {} is not what was committed", found.number()));
        }
        expected += 1;
    }
    let last = expected - 1;
    if last < history.committed || last > history.committed + 1 {
        return Err(format!("{} rounds were committed, {last} are there", history.committed));
    }
    if recovered.journal.next_round() != expected {
        return Err(format!("the next round would be {}", recovered.journal.next_round()));
    }
    Ok(())
}

const ROUNDS: u64 = 24;

/// Calls that the whole workload makes on an undisturbed disk.
fn calls() -> u64 {
    let disk = SimDisk::default();
    work(&disk, &mut History::default(), ROUNDS);
    disk.calls()
}

#[test]
fn a_power_cut_at_any_call_loses_nothing_committed() {
    for call in 0..=calls() {
        for survival in Survival::EVERY {
            let seed = call * 10 + survival as u64;
            let mut rng = Rng::with_seed(seed);
            let (disk, mut history) = (SimDisk::default(), History::default());
            disk.kill_after(call);
            work(&disk, &mut history, ROUNDS);
            let disk = disk.power_cut(survival, &mut rng);
            verify(&disk, &history).unwrap_or_else(|found| panic!("seed {seed}: {found}"));
        }
    }
}

#[test]
fn a_second_power_cut_loses_nothing_either() {
    let calls = calls();
    for seed in 0..crate::seeds(600) {
        let mut rng = Rng::with_seed(seed);
        let (mut disk, mut history) = (SimDisk::default(), History::default());
        for _ in 0..3 {
            disk.kill_after(rng.u64(..calls / 2));
            work(&disk, &mut history, ROUNDS);
            let survival = *rng.choice(&Survival::EVERY).unwrap();
            disk = disk.power_cut(survival, &mut rng);
            verify(&disk, &history).unwrap_or_else(|found| panic!("seed {seed}: {found}"));
            // What was seen once stays: opening has made it durable.
            disk = disk.power_cut(Survival::None, &mut rng);
            verify(&disk, &history).unwrap_or_else(|found| panic!("seed {seed}, again: {found}"));
            let recovered = Journal::open(disk.clone(), upto(history.checkpoint)).unwrap();
            history.committed = recovered.journal.next_round() - 1;
        }
    }
}

/// Each sync is needed: without it, some crash loses what was committed.
#[test]
fn a_missing_sync_is_noticed() {
    let disk = SimDisk::default();
    work(&disk, &mut History::default(), ROUNDS);
    let syncs = disk.syncs();
    assert!(syncs > ROUNDS);
    // The first is that of the store's folder, which holds only the journal's own: a journal that
    // has vanished with everything in it is an empty one, and its loss is seen below. The second is
    // for segments of a process that ended before their names were durable: see `history.rs`. The
    // third makes a new segment's zeroes durable, so that no commit changes the file system; nothing
    // that is read in it is needed.
    let mut unnoticed = Vec::new();
    for sync in 3..syncs {
        let noticed = (0..=calls()).any(|call| {
            let (disk, mut history) = (SimDisk::default(), History::default());
            disk.skip_sync(sync);
            disk.kill_after(call);
            work(&disk, &mut history, ROUNDS);
            let disk = disk.power_cut(Survival::None, &mut Rng::with_seed(call));
            verify(&disk, &history).is_err()
        });
        if !noticed {
            unnoticed.push(sync);
        }
    }
    assert!(unnoticed.is_empty(), "nobody missed syncs {unnoticed:?} of {syncs}");
}

#[test]
fn a_failed_call_poisons_and_nothing_is_lost() {
    for call in 1..=calls() {
        let (disk, mut history) = (SimDisk::default(), History::default());
        disk.fail_at(call);
        work(&disk, &mut history, ROUNDS);
        verify(&disk.after_kill(), &history).unwrap_or_else(|found| panic!("call {call}: {found}"));
    }
}

#[test]
fn one_flipped_bit_anywhere_is_repaired_or_harmless() {
    let (disk, mut history) = (SimDisk::default(), History::default());
    work(&disk, &mut history, 9);
    let mut rng = Rng::with_seed(1);
    for path in disk.paths() {
        for _ in 0..400 {
            let bit = rng.usize(..disk.file_len(&path) * 8);
            let disk = disk.after_kill();
            disk.flip(&path, bit);
            verify(&disk, &history).unwrap_or_else(|found| panic!("{path}, bit {bit}: {found}"));
        }
    }
}

#[test]
fn damage_beyond_repair_is_named_and_nothing_changes() {
    let (disk, mut history) = (SimDisk::default(), History::default());
    work(&disk, &mut history, 4);
    // More than a sector of the first round; later rounds are whole.
    let path = disk.paths().remove(0);
    disk.overwrite(&path, 90, &[0; 700]);
    let calls = disk.calls();
    let Err(error) = Journal::open(disk.clone(), upto(0)) else { panic!("it opens") };
    assert!(matches!(error, OpenError::Damaged { round: 1, .. }), "{error}");
    assert!(disk.calls() <= calls + 2, "nothing but folders was touched");
}
