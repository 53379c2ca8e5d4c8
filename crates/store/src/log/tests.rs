use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A log, the footers of its sealed blocks, and the same as a map.
struct Both {
    log: Log,
    footers: BTreeMap<u32, Vec<u8>>,
    /// Key, time and weight by sequence.
    model: BTreeMap<u64, (Vec<u8>, i64, u32)>,
    last: u64,
    /// Where each record went.
    positions: BTreeMap<u64, Position>,
}

impl Both {
    fn new() -> Self {
        Self {
            log: Log::new(LogId(1), 1, BLOCK_BYTES),
            footers: BTreeMap::new(),
            model: BTreeMap::new(),
            last: 0,
            positions: BTreeMap::new(),
        }
    }

    fn keep(&mut self, sealed: Option<Sealed>) {
        if let Some(sealed) = sealed {
            self.footers.insert(sealed.block, sealed.footer);
        }
    }

    fn append(&mut self, key: u8, time: i64, length: u32) {
        let key = vec![b'k', key];
        let appended = self.log.append(&key, time, length, length / 2);
        self.keep(appended.sealed);
        self.last += 1;
        self.model.insert(self.last, (key, time, length / 2));
        self.positions.insert(self.last, appended.position);
    }

    fn skip(&mut self, count: u64) {
        let sealed = self.log.skip(self.last + 1 + count);
        self.keep(sealed);
        self.last += count;
    }

    fn remove(&mut self, sequence: u64) {
        let removed = self.log.remove(sequence);
        let expected = self.model.remove(&sequence);
        assert_eq!(removed.map(|removed| removed.weight), expected.map(|(.., weight)| weight));
    }

    fn restart(&mut self) {
        let mut state = Vec::new();
        self.log.checkpoint(&mut state);
        let restored = Log::restore::<BadState>(&mut Reader(&state), BLOCK_BYTES, |id, block| {
            assert_eq!(id, LogId(1));
            self.footers.get(&block).cloned().ok_or(BadState)
        });
        self.log = restored.unwrap();
    }

    fn check(&mut self) {
        let first = self.model.keys().next().copied().unwrap_or(self.last + 1);
        assert_eq!((self.log.first(), self.log.last()), (first, self.last));
        assert_eq!(self.log.records(), self.model.len() as u64);
        let weight = self.model.values().map(|(.., weight)| u64::from(*weight)).sum::<u64>();
        assert_eq!(self.log.weight(), weight);
        let mut by_key: BTreeMap<&[u8], Vec<u64>> = BTreeMap::new();
        for (sequence, (key, ..)) in &self.model {
            by_key.entry(key).or_default().push(*sequence);
        }
        assert_eq!(self.log.key_count(), by_key.len());
        for (key, sequences) in by_key {
            let state = self.log.key(key).unwrap();
            assert_eq!(state.count(), sequences.len() as u64);
            assert!(
                state.first() <= sequences[0] && state.last() >= sequences[sequences.len() - 1]
            );
            assert_eq!(self.log.first_of(key), Some(sequences[0]));
            let id = self.log.keys.find(key).unwrap();
            let last = self.log.last_where(self.last, |other| other == id);
            assert_eq!(last, sequences.last().copied());
        }
        for sequence in 1..=self.last + 1 {
            let next = self.model.range(sequence..).next().map(|(sequence, _)| *sequence);
            assert_eq!(self.log.next(sequence), next);
            let expected = self.model.get(&sequence);
            assert_eq!(
                self.log.position(sequence),
                expected.map(|_| self.positions[&sequence]),
                "position of {sequence}"
            );
            assert_eq!(
                self.log.key_of(sequence).map(|state| state.name().to_vec()),
                expected.map(|(key, ..)| key.clone())
            );
        }
        let gone = (first..=self.last).filter(|sequence| !self.model.contains_key(sequence));
        assert_eq!(self.log.gaps().collect::<Vec<_>>(), gone.collect::<Vec<_>>());
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append(u8, i64, u32),
    Skip(u64),
    Remove(prop::sample::Index),
    RemoveFirst,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_u8, 0..10_i64, prop_oneof![50..200_u32, Just(BLOCK_BYTES / 3)])
            .prop_map(|(key, seconds, length)| Step::Append(key, seconds * 1_000_000_000, length)),
        1 => prop_oneof![0..5_u64, Just(SKIPPED_MAX + 1)].prop_map(Step::Skip),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
        1 => Just(Step::RemoveFirst),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    /// The log agrees with a map, whatever is removed and however often it is restarted.
    #[test]
    fn a_log_agrees_with_a_map(steps in proptest::collection::vec(step(), 1..60)) {
        let mut both = Both::new();
        for step in steps {
            match step {
                Step::Append(key, time, length) => both.append(key, time, length),
                Step::Skip(count) => both.skip(count),
                Step::Remove(index) if both.last > 0 => {
                    let sequence = index.index(usize::try_from(both.last).unwrap()) as u64 + 1;
                    both.remove(sequence);
                }
                Step::Remove(_) => {}
                Step::RemoveFirst => both.remove(both.log.first()),
                Step::Restart => both.restart(),
            }
            both.check();
        }
    }

    #[test]
    fn any_bytes_are_refused_or_restored(bytes: Vec<u8>) {
        let _ = Log::restore::<BadState>(&mut Reader(&bytes), BLOCK_BYTES, |_, _| Err(BadState));
        let _ = Log::restore::<BadState>(&mut Reader(&bytes), BLOCK_BYTES, |_, _| Ok(bytes.clone()));
    }
}

#[test]
fn records_are_found_by_time() {
    let mut log = Log::new(LogId(1), 1, BLOCK_BYTES);
    for second in [10, 20, 20, 30_i64] {
        log.append(b"k", second * 1_000_000_000, 100, 1);
    }
    for (second, expected) in
        [(0, Some(1)), (10, Some(1)), (11, Some(2)), (20, Some(2)), (30, Some(4)), (31, None)]
    {
        assert_eq!(log.at_time(second * 1_000_000_000), expected, "{second}");
    }
    assert_eq!(log.time_of(4), Some(30_000_000_000));
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
