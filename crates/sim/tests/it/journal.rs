//! What was committed is there after a power cut at any call, and nothing else is.

use fastrand::Rng;
use watershed_sim::disk::{SimDisk, Survival};
use watershed_store::{
    CommitError, Journal, LogId, Needed, OpenError, Record, Round, RoundBuilder,
};

/// What a workload was told before the world stopped.
#[derive(Debug, Default)]
struct History {
    /// Attempts that each committed round took, the first round first.
    committed: Vec<u64>,
    /// Attempts at the next one that were refused.
    refused: u64,
    /// Last round that is durable elsewhere, as its release was asked for.
    checkpoint: u64,
}

impl History {
    fn last(&self) -> u64 {
        self.committed.len() as u64
    }

    fn commit(&mut self) {
        self.committed.push(std::mem::take(&mut self.refused));
    }

    /// The content of a round that was committed, or of the one that may have been on its way.
    fn round(&self, number: u64, longest: usize) -> Round {
        let mut committed = (1..).zip(&self.committed);
        let refused = committed.find(|(own, _)| *own == number).map(|(_, refused)| *refused);
        let refused = refused.unwrap_or(self.refused);
        round(number, refused, longest)
    }
}

/// Rounds of very different lengths.
const ANY: usize = 400_000;

/// The content of round `number` after `refused` attempts, always the same, of very different lengths.
fn round(number: u64, refused: u64, longest: usize) -> Round {
    let mut rng = Rng::with_seed(number * 1000 + refused);
    let mut builder = RoundBuilder::new(number);
    for sequence in 0..rng.u64(1..4) {
        let longest = if rng.u8(..8) == 0 { longest } else { 300 };
        let mut body = vec![0; rng.usize(..longest)];
        rng.fill(&mut body);
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

/// Opens, commits and releases until `rounds` are committed or the disk stops. What is refused is
/// tried again with another content, as soon as the journal is healed.
fn work(disk: &SimDisk, history: &mut History, rounds: u64) {
    let Ok(recovered) = Journal::open(disk.clone(), upto(history.checkpoint)) else { return };
    let mut journal = recovered.journal;
    while history.last() < rounds {
        let number = journal.next_round();
        if journal.commit(&history.round(number, ANY)).is_err() {
            if journal.heal().is_err() {
                return;
            }
            history.refused += 1;
            continue;
        }
        history.commit();
        // The checkpoint itself is another file's business; here it is always durable.
        if number % 5 == 0 {
            history.checkpoint = number - 2;
            journal.release(history.checkpoint);
        }
    }
}

/// Opens after a crash and compares with what was promised.
fn verify(disk: &SimDisk, history: &History, longest: usize) -> Result<(), String> {
    let recovered = Journal::open(disk.clone(), upto(history.checkpoint))
        .map_err(|error| format!("the journal does not open: {error}"))?;
    let mut expected = history.checkpoint + 1;
    for found in recovered.rounds {
        if found.number() != expected || found.bytes() != history.round(expected, longest).bytes() {
            return Err(format!("round {} is not what was committed", found.number()));
        }
        expected += 1;
    }
    let (last, committed) = (expected - 1, history.last());
    if last < committed || last > committed + 1 {
        return Err(format!("{committed} rounds were committed, {last} are there"));
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
            verify(&disk, &history, ANY).unwrap_or_else(|found| panic!("seed {seed}: {found}"));
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
            verify(&disk, &history, ANY).unwrap_or_else(|found| panic!("seed {seed}: {found}"));
            // What was seen once stays: opening has made it durable.
            disk = disk.power_cut(Survival::None, &mut rng);
            verify(&disk, &history, ANY)
                .unwrap_or_else(|found| panic!("seed {seed}, again: {found}"));
            let recovered = Journal::open(disk.clone(), upto(history.checkpoint)).unwrap();
            if recovered.journal.next_round() - 1 > history.last() {
                history.commit();
            }
            history.refused = 0;
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
    // for segments of a process that ended before their names were durable: see `history.rs`. Four
    // are for what is spare, whose names that of the first ordinary segment covers, and one makes its
    // zeroes durable, so that no commit changes the file system; nothing that is read in it is needed.
    let mut unnoticed = Vec::new();
    for sync in 7..syncs {
        let noticed = (0..=calls()).any(|call| {
            let (disk, mut history) = (SimDisk::default(), History::default());
            disk.skip_sync(sync);
            disk.kill_after(call);
            work(&disk, &mut history, ROUNDS);
            let disk = disk.power_cut(Survival::None, &mut Rng::with_seed(call));
            verify(&disk, &history, ANY).is_err()
        });
        if !noticed {
            unnoticed.push(sync);
        }
    }
    // So do those of the second one.
    assert!(unnoticed.len() <= 1, "nobody missed syncs {unnoticed:?} of {syncs}");
}

/// Commits small rounds until the disk is full and what is spare is used up.
fn work_until_full(disk: &SimDisk, history: &mut History) {
    let Ok(recovered) = Journal::open(disk.clone(), upto(0)) else { return };
    let mut journal = recovered.journal;
    loop {
        match journal.commit(&history.round(journal.next_round(), SMALL)) {
            Ok(()) => history.commit(),
            // What it needs for an ordinary segment is not there; what is spare is.
            Err(CommitError::Full(_)) if history.refused == 0 => history.refused = 1,
            Err(_) => return,
        }
        disk.limit(Some(disk.used()));
    }
}

const SMALL: usize = 200_000;

#[test]
fn what_is_spare_is_used_when_the_disk_is_full_and_is_as_durable() {
    let (disk, mut history) = (SimDisk::default(), History::default());
    work_until_full(&disk, &mut history);
    let bytes: usize =
        (1..=history.last()).map(|number| history.round(number, SMALL).bytes().len()).sum();
    assert!(bytes > 1_200_000, "{bytes} bytes were committed");
    let calls = disk.calls();
    for call in 0..=calls {
        for survival in Survival::EVERY {
            let mut rng = Rng::with_seed(call);
            let (disk, mut history) = (SimDisk::default(), History::default());
            disk.kill_after(call);
            work_until_full(&disk, &mut history);
            let disk = disk.power_cut(survival, &mut rng);
            verify(&disk, &history, SMALL).unwrap_or_else(|found| panic!("{call}: {found}"));
        }
    }
}

#[test]
fn what_was_refused_is_gone_when_the_journal_is_healed() {
    for call in 1..=calls() {
        for survival in Survival::EVERY {
            let (disk, mut history) = (SimDisk::default(), History::default());
            disk.fail_at(call);
            work(&disk, &mut history, ROUNDS);
            let told = |found| panic!("call {call}, {survival:?}: {found}");
            verify(&disk.after_kill(), &history, ANY).unwrap_or_else(told);
            let disk = disk.power_cut(survival, &mut Rng::with_seed(call));
            verify(&disk, &history, ANY).unwrap_or_else(told);
        }
    }
}

#[test]
fn a_full_disk_is_given_back_what_the_journal_needs_no_more() {
    let (disk, mut history) = (SimDisk::default(), History::default());
    work(&disk, &mut history, ROUNDS);
    let mut journal = Journal::open(disk.clone(), upto(history.checkpoint)).unwrap().journal;
    disk.limit(Some(disk.used()));
    while journal.commit(&round(journal.next_round(), 0, ANY)).is_ok() {}
    let before = disk.used();
    journal.release(journal.next_round() - 1);
    assert!(disk.used() < before, "{} of {before} bytes are used", disk.used());
    journal.heal().unwrap();
    journal.commit(&round(journal.next_round(), 0, ANY)).unwrap();
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
            verify(&disk, &history, ANY)
                .unwrap_or_else(|found| panic!("{path}, bit {bit}: {found}"));
        }
    }
}

#[test]
fn damage_beyond_repair_is_named_and_nothing_changes() {
    let (disk, mut history) = (SimDisk::default(), History::default());
    work(&disk, &mut history, 4);
    // More than a sector of the first round; later rounds are whole.
    let path = disk.paths().into_iter().max_by_key(|path| disk.file_len(path)).unwrap();
    disk.overwrite(&path, 90, &[0; 700]);
    let calls = disk.calls();
    let Err(error) = Journal::open(disk.clone(), upto(0)) else { panic!("it opens") };
    assert!(matches!(error, OpenError::Damaged { round: 1, .. }), "{error}");
    assert!(disk.calls() <= calls + 2, "nothing but folders was touched");
}

/// The newest checkpoint may turn out to be damaged at the next opening; then the older one needs the
/// rounds between them.
#[test]
fn rounds_between_two_checkpoints_are_kept_at_an_opening() {
    let large = |number| {
        let mut builder = RoundBuilder::new(number);
        let body = vec![7; 300_000];
        let (log, key) = (LogId(1), b"k".as_slice());
        builder.push(&Record {
            log,
            kind: 1,
            sequence: number,
            time: 0,
            key,
            head: b"",
            body: &body,
        });
        builder.close()
    };
    let disk = SimDisk::default();
    let between = Needed { older: 2, newest: 12, ..Needed::default() };
    for (needed, rounds) in [(upto(0), 1..=12), (between, 13..=40)] {
        let mut journal = Journal::open(disk.clone(), needed).unwrap().journal;
        rounds.into_iter().for_each(|number| journal.commit(&large(number)).unwrap());
    }
    let recovered = Journal::open(disk, upto(2)).unwrap();
    let numbers: Vec<u64> = recovered.rounds.map(|round| round.number()).collect();
    assert_eq!(numbers, (3..=40).collect::<Vec<_>>());
}
