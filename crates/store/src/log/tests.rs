use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Bytes of a block here: small, so that there are many.
const SMALL_BLOCK_BYTES: u32 = 4000;

const SECOND: i64 = 1_000_000_000;

/// A log, the footers of its sealed blocks, and the same as a map.
struct Both {
    log: Log,
    footers: BTreeMap<u32, Vec<u8>>,
    /// Key, time and weight by sequence.
    model: BTreeMap<u64, (Vec<u8>, i64, u32)>,
    last: u64,
    /// Where each record went.
    positions: BTreeMap<u64, Position>,
    /// Blocks that can be deleted.
    dropped: Vec<u32>,
}

impl Both {
    fn new() -> Self {
        Self {
            log: Log::new(LogId(1), 1, SMALL_BLOCK_BYTES),
            footers: BTreeMap::new(),
            model: BTreeMap::new(),
            last: 0,
            positions: BTreeMap::new(),
            dropped: Vec::new(),
        }
    }

    fn append(&mut self, key: u8, time: i64, length: u32) {
        let key = key_name(key);
        let appended = self.log.append(&key, time, length, length / 2);
        // Others go while a footer is made.
        self.seal(3);
        self.dropped.extend(appended.dropped);
        self.last += 1;
        self.model.insert(self.last, (key, time, length / 2));
        self.positions.insert(self.last, appended.position);
    }

    fn seal(&mut self, mut budget: usize) {
        while let Some(sealed) = self.log.seal_some(&mut budget) {
            self.footers.insert(sealed.block, sealed.footer());
        }
    }

    fn skip(&mut self, count: u64) {
        self.log.skip(self.last + 1 + count);
        self.last += count;
    }

    /// A sequence, rarely one that never was.
    fn pick(&self, index: prop::sample::Index) -> u64 {
        let live = self.model.len();
        match index.index(live + 3).checked_sub(3) {
            Some(nth) => self.model.keys().nth(nth).copied().unwrap_or(0),
            None => [0, self.last / 2, self.last + 1][index.index(3)],
        }
    }

    fn remove(&mut self, sequence: u64) {
        let removed = self.log.remove(sequence);
        let expected = self.model.remove(&sequence);
        assert_eq!(removed.map(|removed| removed.weight), expected.map(|(.., weight)| weight));
        self.dropped.extend(removed.and_then(|removed| removed.dropped));
    }

    fn remove_before(&mut self, end: u64, budget: usize, seen: bool) {
        loop {
            let mut visited = Vec::new();
            let progress = if seen {
                self.log.remove_before_each(end, budget, |sequence, _, key| {
                    visited.push((sequence, key.name().to_vec()));
                })
            } else {
                self.log.remove_before(end, budget)
            };
            let going: Vec<u64> = self.model.range(..end).map(|(sequence, _)| *sequence).collect();
            let count = usize::try_from(progress.records).unwrap();
            let gone = going[..count].iter().map(|sequence| {
                let (key, _, weight) = self.model.remove(sequence).unwrap();
                (*sequence, key, u64::from(weight))
            });
            let gone: Vec<_> = gone.collect();
            assert_eq!(progress.weight, gone.iter().map(|(.., weight)| weight).sum::<u64>());
            assert_eq!(progress.done, going.len() == count);
            if seen {
                let gone: Vec<_> = gone.into_iter().map(|(found, key, _)| (found, key)).collect();
                assert_eq!(visited, gone);
            }
            self.dropped.extend(progress.dropped);
            self.check();
            if progress.done {
                return;
            }
            assert!(count > 0, "every call gets further");
        }
    }

    fn remove_key_before(&mut self, key: u8, end: u64, budget: usize) {
        let name = key_name(key);
        let Some(id) = self.log.key_id(&name) else { return };
        loop {
            let of_key = self.model.range(..end).filter(|(_, (key, ..))| *key == name);
            let going: Vec<u64> = of_key.map(|(sequence, _)| *sequence).collect();
            let mut visited = Vec::new();
            let progress =
                self.log.remove_key_before_each(id, end, budget, |found| visited.push(found));
            assert_eq!(visited, going[..visited.len()]);
            assert!(visited.len() <= budget && progress.records == visited.len() as u64);
            assert_eq!(progress.done, visited.len() == going.len());
            let weights = visited.iter().map(|found| self.model.remove(found).unwrap().2);
            assert_eq!(progress.weight, weights.map(u64::from).sum::<u64>());
            self.dropped.extend(progress.dropped);
            if progress.done {
                return;
            }
        }
    }

    fn clear(&mut self) {
        let cleared = self.log.clear();
        assert_eq!(cleared.records, self.model.len() as u64);
        self.dropped.extend(cleared.dropped);
        let mut remains = cleared.remains;
        while !remains.free(3) {}
        self.model.clear();
        self.last = self.log.last();
    }

    fn restart(&mut self) {
        self.seal(usize::MAX);
        let mut state = Vec::new();
        self.log.checkpoint(&mut state);
        let (mut pieces, mut writing) = (Vec::new(), Writing::default());
        while !self.log.checkpoint_some(&mut writing, &mut 1, &mut pieces) {}
        assert_eq!(pieces, state);
        let mut reader = Reader(&state);
        let restored = Log::restore::<BadState>(&mut reader, SMALL_BLOCK_BYTES, |id, block| {
            assert_eq!(id, LogId(1));
            self.footers.get(&block).cloned().ok_or(BadState)
        });
        self.log = restored.unwrap();
        assert!(reader.0.is_empty(), "all of the state was read");
    }

    fn check(&self) {
        let first = self.model.keys().next().copied().unwrap_or(self.last + 1);
        assert_eq!((self.log.first(), self.log.last()), (first, self.last));
        assert_eq!(self.log.records(), self.model.len() as u64);
        let weight = self.model.values().map(|(.., weight)| u64::from(*weight)).sum::<u64>();
        assert_eq!(self.log.weight(), weight);
        self.check_keys();
        // Some sequences next to each record, and the ends.
        let near = |sequence: &u64| [sequence.saturating_sub(1), *sequence, sequence + 1];
        let ends = [0, first, self.last, self.last + 1, u64::MAX];
        let mut probed: Vec<u64> = self.model.keys().flat_map(near).chain(ends).collect();
        probed.dedup();
        for sequence in probed {
            self.check_sequence(sequence);
        }
        let mut live = self.model.keys().copied().peekable();
        let mut gone = (first..=self.last).filter(|sequence| live.next_if_eq(sequence).is_none());
        let mut gaps = self.log.gaps();
        assert!(gaps.by_ref().take(10_000).eq(gone.by_ref().take(10_000)));
        self.check_blocks();
    }

    fn check_keys(&self) {
        let mut by_key: BTreeMap<&[u8], Vec<u64>> = BTreeMap::new();
        for (sequence, (key, ..)) in &self.model {
            by_key.entry(key).or_default().push(*sequence);
        }
        assert_eq!(self.log.key_count(), by_key.len());
        assert_eq!(self.log.keys().count(), by_key.len());
        for prefix in ["", "k", "k1", "k12", "l"] {
            let found = self.log.keys_with_prefix(prefix.as_bytes()).map(|(_, key)| key.name());
            let expected = by_key.keys().copied();
            let expected = expected.filter(|key| key.starts_with(prefix.as_bytes()));
            assert!(found.eq(expected), "keys that begin with {prefix}");
        }
        for (key, sequences) in by_key {
            let id = self.log.key_id(key).unwrap();
            let state = self.log.key_state(id).unwrap();
            let last = sequences[sequences.len() - 1];
            assert_eq!((state.name(), state.count()), (key, sequences.len() as u64));
            assert_eq!((state.first(), state.last()), (sequences[0], last));
            assert_eq!(self.log.last_where(self.last, |other| other == id), Some(last));
            for probe in sequences.iter().flat_map(|found| [found - 1, *found, found + 1]) {
                let behind = sequences.partition_point(|found| *found < probe);
                assert_eq!(self.log.next_of(id, probe), sequences.get(behind).copied());
                assert_eq!(
                    self.log.next_where(probe, |other| other == id),
                    self.log.next_of(id, probe)
                );
                let upto = sequences[..sequences.partition_point(|found| *found <= probe)].last();
                assert_eq!(self.log.prev_of(id, probe), upto.copied());
                let count = (sequences.len() - behind) as u64;
                assert_eq!(self.log.count_key_from(id, probe), count);
                assert_eq!(self.log.count_where(probe, |other| other == id), count);
            }
            for (nth, sequence) in (1..).zip(sequences.iter().rev()) {
                assert_eq!(state.nth_last(nth), *sequence);
            }
            assert_eq!(state.nth_last(u64::MAX), sequences[0]);
        }
    }

    fn check_sequence(&self, sequence: u64) {
        let record = self.model.get(&sequence);
        let next = self.model.range(sequence..).next().map(|(found, _)| *found);
        let prev = self.model.range(..=sequence).next_back().map(|(found, _)| *found);
        let log = &self.log;
        assert_eq!((log.next(sequence), log.prev(sequence)), (next, prev), "near {sequence}");
        assert_eq!(log.count_from(sequence), self.model.range(sequence..).count() as u64);
        let position = record.map(|_| self.positions[&sequence]);
        assert_eq!(log.position(sequence), position, "position of {sequence}");
        let key = log.key_of(sequence).map(|state| state.name().to_vec());
        assert_eq!(key, record.map(|(key, ..)| key.clone()));
        assert_eq!(log.time_of(sequence), record.map(|(_, time, _)| *time));
        if let Some((_, time, _)) = record {
            for time in [time.saturating_sub(1), *time, time.saturating_add(1)] {
                let found = self.model.iter().find(|(_, (_, other, _))| *other >= time);
                assert_eq!(log.at_time(time), found.map(|(found, _)| *found), "at {time}");
            }
        }
    }

    /// A block is there as long as it has a record, and is said to be deleted once.
    fn check_blocks(&self) {
        let held: Vec<u32> = self.log.block_numbers().collect();
        for sequence in self.model.keys() {
            assert!(held.contains(&self.positions[sequence].block));
        }
        let mut ended = self.dropped.clone();
        ended.sort_unstable();
        ended.dedup();
        assert_eq!(ended.len(), self.dropped.len(), "deleted once");
        let ever = self.positions.values().map(|position| position.block).max().unwrap_or(0);
        let mut all: Vec<u32> = held.iter().copied().chain(ended).collect();
        all.sort_unstable();
        assert_eq!(all, (1..=ever).collect::<Vec<_>>(), "no block is lost");
        let records = self.model.len() as u64;
        for nth in [1, 2, records / 2, records, records + 1].into_iter().filter(|nth| *nth > 0) {
            let back = usize::try_from(nth.min(records)).unwrap();
            let expected = back.checked_sub(1).and_then(|back| self.model.keys().nth_back(back));
            assert_eq!(self.log.nth_last(nth), expected.copied());
        }
    }
}

fn key_name(key: u8) -> Vec<u8> {
    format!("k{key}").into_bytes()
}

#[derive(Debug, Clone)]
enum Step {
    /// Key, time, length, and how often.
    Append(u8, i64, u32, usize),
    Skip(u64),
    Remove(prop::sample::Index),
    RemoveFirst(usize),
    /// Once in this many records.
    RemoveEach(usize),
    RemoveBefore(prop::sample::Index, usize, bool),
    RemoveKeyBefore(u8, prop::sample::Index, usize),
    Clear,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let time = prop_oneof![
        8 => (0..20_i64, 0..3_i64).prop_map(|(seconds, nanos)| seconds * SECOND + nanos),
        1 => Just(-SECOND),
        1 => Just(i64::MAX - 1),
        1 => Just(i64::MIN + 1),
    ];
    let key = prop_oneof![Just(1_u8), 0..40_u8];
    let length = prop_oneof![4 => 45..60_u32, 1 => Just(SMALL_BLOCK_BYTES * 2)];
    let budget = prop_oneof![1..20_usize, Just(1000)];
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => (key.clone(), time, length, 1..150_usize)
            .prop_map(|(key, time, length, count)| Step::Append(key, time, length, count)),
        1 => prop_oneof![0..5_u64, Just(300), Just(1 << 33)].prop_map(Step::Skip),
        2 => index().prop_map(Step::Remove),
        1 => (1..100_usize).prop_map(Step::RemoveFirst),
        1 => (2..5_usize).prop_map(Step::RemoveEach),
        1 => (index(), budget.clone(), any::<bool>())
            .prop_map(|(index, budget, seen)| Step::RemoveBefore(index, budget, seen)),
        1 => (key, index(), budget)
            .prop_map(|(key, index, budget)| Step::RemoveKeyBefore(key, index, budget)),
        1 => Just(Step::Clear),
        2 => Just(Step::Restart),
    ]
}

impl Both {
    fn take(&mut self, step: &Step) {
        match *step {
            Step::Append(key, time, length, count) => {
                for nth in 0..count {
                    // Most of a run has keys of its own or one key, and a clock that goes on.
                    let key =
                        if key % 2 == 0 { key + u8::try_from(nth % 100).unwrap() } else { key };
                    self.append(key, time.saturating_add(i64::try_from(nth).unwrap()), length);
                }
            }
            Step::Skip(count) => self.skip(count),
            Step::Remove(index) => self.remove(self.pick(index)),
            Step::RemoveFirst(count) => (0..count).for_each(|_| self.remove(self.log.first())),
            Step::RemoveEach(nth) => {
                let all: Vec<u64> = self.model.keys().copied().collect();
                let gone = all.into_iter().enumerate().filter(|(index, _)| index % nth != 0);
                gone.for_each(|(_, sequence)| self.remove(sequence));
            }
            Step::RemoveBefore(index, budget, seen) => {
                self.remove_before(self.pick(index), budget, seen);
            }
            Step::RemoveKeyBefore(key, index, budget) => {
                self.remove_key_before(key, self.pick(index), budget);
            }
            Step::Clear => self.clear(),
            Step::Restart => self.restart(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The log agrees with a map, whatever is removed and however often it is restarted.
    #[test]
    fn a_log_agrees_with_a_map(steps in proptest::collection::vec(step(), 1..25)) {
        let mut both = Both::new();
        for step in steps {
            both.take(&step);
            both.check();
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_restored(bytes: Vec<u8>) {
        let _ = Log::restore::<BadState>(&mut Reader(&bytes), BLOCK_BYTES, |_, _| Err(BadState));
        let _ = Log::restore::<BadState>(&mut Reader(&bytes), BLOCK_BYTES, |_, _| Ok(bytes.clone()));
    }

    /// A state with some bytes changed is refused, or makes a log that can be used.
    #[test]
    fn a_damaged_state_is_refused_or_harmless(
        steps in proptest::collection::vec(step(), 1..8),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        in_footer: bool,
    ) {
        let mut both = Both::new();
        for step in &steps {
            both.take(step);
        }
        let mut state = Vec::new();
        both.seal(usize::MAX);
        both.log.checkpoint(&mut state);
        if !in_footer {
            hurt(&mut state, &damage);
        }
        let restored = Log::restore::<BadState>(&mut Reader(&state), BLOCK_BYTES, |_, block| {
            let mut footer = both.footers.get(&block).cloned().ok_or(BadState)?;
            if in_footer {
                // A footer of someone who knows checksums.
                let body = footer.len() - FOOTER_TRAILER_BYTES;
                hurt(&mut footer[..body], &damage);
                let crc = crate::checksum::checksum(&[&footer[..body]]);
                footer[body..body + 8].copy_from_slice(&crc.to_le_bytes());
            }
            Ok(footer)
        });
        if let Ok(log) = restored {
            use_all(log);
        }
    }
}

fn hurt(bytes: &mut [u8], damage: &[(prop::sample::Index, u8)]) {
    for (index, byte) in damage {
        *index.get_mut(bytes) = *byte;
    }
}

/// Asks everything, and removes everything.
fn use_all(mut log: Log) {
    for sequence in [0, 1, log.first(), log.last(), u64::MAX] {
        let _ = (log.next(sequence), log.prev(sequence), log.count_from(sequence));
        let _ = (log.position(sequence), log.key_of(sequence), log.time_of(sequence));
        log.append(b"another", i64::MAX, 100, u32::MAX);
    }
    let _ = (log.at_time(0), log.gaps().take(1000).count(), log.nth_last(3));
    log.checkpoint(&mut Vec::new());
    let half = log.nth_last(log.records() / 2).unwrap_or(0);
    log.remove_before(half, usize::MAX);
    while !log.remove_before(u64::MAX, 10).done {}
    assert_eq!((log.records(), log.weight(), log.key_count()), (0, 0, 0));
}

#[test]
fn records_are_found_by_time_to_the_nanosecond() {
    let mut log = Log::new(LogId(1), 1, BLOCK_BYTES);
    for time in [10 * SECOND, 10 * SECOND + 1, 20 * SECOND, 15 * SECOND, 30 * SECOND + 999] {
        log.append(b"k", time, 100, 1);
    }
    for (time, expected) in [
        (0, Some(1)),
        (10 * SECOND, Some(1)),
        (10 * SECOND + 1, Some(2)),
        (10 * SECOND + 2, Some(3)),
        (20 * SECOND, Some(3)),
        (20 * SECOND + 1, Some(5)),
        (30 * SECOND + 999, Some(5)),
        (30 * SECOND + 1000, None),
    ] {
        assert_eq!(log.at_time(time), expected, "{time}");
    }
    assert_eq!(log.time_of(5), Some(30 * SECOND + 999));
}

#[test]
fn an_emptied_log_goes_on_where_it_was() {
    let mut log = Log::new(LogId(1), 1, BLOCK_BYTES);
    log.append(b"k", 0, 100, 1);
    log.remove(1);
    assert_eq!((log.first(), log.last()), (2, 1));
    log.skip_to(10);
    assert_eq!((log.first(), log.last()), (11, 10));
    log.append(b"k", 0, 100, 1);
    assert_eq!((log.first(), log.last(), log.next(0)), (11, 11, Some(11)));
}

#[test]
fn sequences_never_wrap() {
    for first in [SEQUENCE_MAX - 1, SEQUENCE_MAX, SEQUENCE_MAX + 1, u64::MAX] {
        let mut log = Log::new(LogId(1), first, BLOCK_BYTES);
        log.append(b"k", 0, 100, 1);
        log.skip(u64::MAX);
        log.append(b"k", 0, 100, 1);
        log.clear();
        log.skip_to(u64::MAX);
        log.append(b"k", 0, 100, 1);
        assert!(log.last() > SEQUENCE_MAX && log.last() < SEQUENCE_MAX + 4);
        let mut state = Vec::new();
        log.checkpoint(&mut state);
        let restored =
            Log::restore::<BadState>(&mut Reader(&state), BLOCK_BYTES, |_, _| Err(BadState));
        assert_eq!(restored.map(|log| log.last()), Ok(log.last()), "what was told is restored");
    }
}

/// Numbers of blocks that are still to come would be used twice.
#[test]
fn a_state_with_blocks_that_are_still_to_come_is_refused() {
    let mut log = Log::new(LogId(1), 1, BLOCK_BYTES);
    log.append(b"k", 0, 100, 1);
    let mut state = Vec::new();
    log.checkpoint(&mut state);
    let restore = |state: &[u8]| {
        Log::restore::<BadState>(&mut Reader(state), BLOCK_BYTES, |_, _| Err(BadState)).is_ok()
    };
    assert!(restore(&state));
    // The number of the next block stands behind the log's, its first and its last sequence.
    assert_eq!(state[20..24], 2_u32.to_le_bytes());
    state[20] = 1;
    assert!(!restore(&state));
}

/// Many skips of a few thousand cost what the records cost.
#[test]
fn what_is_skipped_costs_nothing() {
    let mut log = Log::new(LogId(1), 1, BLOCK_BYTES);
    for _ in 0..1000 {
        log.append(b"k", 0, 100, 1);
        log.skip(log.last() + 4096);
    }
    let mut state = Vec::new();
    log.checkpoint(&mut state);
    assert!(state.len() < 100 * 1000, "{} bytes", state.len());
    assert_eq!(log.gap_ranges().count(), 1000);
}

/// A block of a thousand keys is sealed while others are served, and records go meanwhile.
#[test]
fn a_footer_is_made_in_pieces() {
    let mut log = Log::new(LogId(1), 1, 100_000);
    while !log.append(format!("key {}", log.last()).as_bytes(), 0, 100, 1).sealed {}
    let (mut pieces, mut made) = (0, None);
    while made.is_none() {
        assert!(log.is_sealing());
        made = log.seal_some(&mut 300);
        log.remove(1 + 2 * pieces);
        pieces += 1;
    }
    assert!(pieces > 5, "it is made in {pieces} pieces");
    assert!(!log.is_sealing());
    let (mut state, footer) = (Vec::new(), made.unwrap().footer());
    log.checkpoint(&mut state);
    let footer = |_, _| Ok::<_, BadState>(footer.clone());
    let restored = Log::restore(&mut Reader(&state), 100_000, footer).unwrap();
    assert!(restored.gap_ranges().eq(log.gap_ranges()));
    let keys = |log: &Log| {
        (1..=log.last())
            .map(|own| log.key_of(own).map(|key| key.name().to_vec()))
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&restored), keys(&log));
}
