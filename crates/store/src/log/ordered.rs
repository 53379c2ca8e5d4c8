//! The keys in order of their bytes: a row of short sorted runs, about 9 bytes a key.
//!
//! To look at a name is to miss the cache twice, and a key that comes or goes compares itself with
//! twenty names. So a run knows what its names begin with, and beside each key stand the four bytes
//! behind that: few names are looked at.

use std::cmp::Ordering;

use super::keys::KeyId;

/// Keys in one run at most.
const RUN: usize = 512;

/// Keys in a run that was just sorted: some can come without a split.
const RUN_FILLED: usize = 448;

/// Keys that a run grows by.
const RUN_GROWTH: usize = 64;

/// Keys in order. Names are looked up by whoever calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Ordered {
    /// None of them is empty.
    runs: Vec<Run>,
}

/// Some keys in order.
#[derive(Debug, Clone)]
struct Run {
    /// No name in the run is before it, and each name in the run before is.
    start: Box<[u8]>,
    /// As many bytes of the start are the first bytes of each name.
    shared: usize,
    /// Keys, behind the four bytes of their names that follow the shared ones.
    keys: Vec<(u32, KeyId)>,
}

impl Ordered {
    /// Puts keys in order.
    pub(super) fn new<'a>(ids: Vec<KeyId>, name: impl Fn(KeyId) -> &'a [u8]) -> Self {
        let Some(one) = ids.first().map(|id| name(*id)) else { return Self::default() };
        let common = ids.iter().map(|id| shared(one, name(*id))).min().unwrap_or(0);
        // Eight bytes of each name beside its key, so that few names are looked at.
        let signed = ids.into_iter().map(|id| {
            let [high, low] = [0, 4].map(|at| u64::from(bytes_at(name(id), common + at)));
            (high << 32 | low, id)
        });
        let mut signed: Vec<(u64, KeyId)> = signed.collect();
        signed.sort_unstable_by(|(one, id), (other, other_id)| {
            one.cmp(other).then_with(|| name(*id).cmp(name(*other_id)))
        });
        let runs = signed.chunks(RUN_FILLED).map(|keys| {
            let keys: Vec<_> = keys.iter().map(|(_, id)| (0, *id)).collect();
            Run::new(name(keys[0].1), keys, &name)
        });
        Self { runs: runs.collect() }
    }

    /// Adds a key that isn't there.
    pub(super) fn insert<'a>(&mut self, id: KeyId, name: impl Fn(KeyId) -> &'a [u8]) {
        let wanted = name(id);
        let index = self.run_of(wanted);
        let Some(run) = self.runs.get_mut(index) else {
            self.runs.push(Run::new(wanted, vec![(0, id)], &name));
            return;
        };
        run.share(wanted, &name);
        if wanted < &*run.start {
            // Only the first run gets names before its start.
            run.start = wanted.into();
        }
        let place = run.place(wanted, &name);
        if run.keys.len() < RUN {
            run.insert(place, wanted, id);
            return;
        }
        // Names that count upwards fill each run, instead of leaving each half full.
        let at = if place == RUN { RUN } else { RUN / 2 };
        let mut behind = run.keys.split_off(at);
        if place < at {
            run.insert(place, wanted, id);
        } else {
            behind.insert(place - at, (0, id));
        }
        run.keys.shrink_to_fit();
        let start = name(behind[0].1);
        self.runs.insert(index + 1, Run::new(start, behind, &name));
    }

    pub(super) fn remove<'a>(&mut self, id: KeyId, name: impl Fn(KeyId) -> &'a [u8]) {
        let wanted = name(id);
        let index = self.run_of(wanted);
        let Some(run) = self.runs.get_mut(index) else { return };
        let place = run.place(wanted, &name);
        debug_assert_eq!(run.keys.get(place).map(|key| key.1), Some(id), "the key is there");
        run.keys.remove(place);
        if run.keys.is_empty() {
            self.runs.remove(index);
        } else if run.keys.len() < RUN / 4 {
            run.give_back();
            self.join(index, &name);
            if let Some(before) = index.checked_sub(1) {
                self.join(before, &name);
            }
        }
        self.give_back();
    }

    /// Lets every key go that isn't kept.
    pub(super) fn retain<'a>(
        &mut self,
        kept: impl Fn(KeyId) -> bool,
        name: impl Fn(KeyId) -> &'a [u8],
    ) {
        for run in &mut self.runs {
            run.keys.retain(|(_, id)| kept(*id));
            run.give_back();
        }
        self.runs.retain(|run| !run.keys.is_empty());
        let mut index = 0;
        while index + 1 < self.runs.len() {
            if !self.join(index, &name) {
                index += 1;
            }
        }
        self.give_back();
    }

    /// Lets the memory of one run go, for good. Says whether there was one.
    pub(super) fn free_run(&mut self) -> bool {
        self.runs.pop().is_some()
    }

    /// Keys whose names are not before `from`.
    pub(super) fn iter_from<'a>(
        &self,
        from: &[u8],
        name: impl Fn(KeyId) -> &'a [u8],
    ) -> impl Iterator<Item = KeyId> {
        let (run, behind) = match self.runs.get(self.run_of(from)..) {
            Some([run, behind @ ..]) => (&run.keys[run.place(from, &name)..], behind),
            _ => ([].as_slice(), [].as_slice()),
        };
        let behind = behind.iter().flat_map(|run| &run.keys);
        run.iter().chain(behind).map(|(_, id)| *id)
    }

    /// The run that a name belongs into: the last one that does not begin behind it, or the first.
    fn run_of(&self, wanted: &[u8]) -> usize {
        self.runs.partition_point(|run| *run.start <= *wanted).saturating_sub(1)
    }

    /// Lets a run and the next one be one, if both are short. Says whether they are.
    fn join<'a>(&mut self, index: usize, name: &impl Fn(KeyId) -> &'a [u8]) -> bool {
        let (Some(run), Some(next)) = (self.runs.get(index), self.runs.get(index + 1)) else {
            return false;
        };
        if run.keys.len() + next.keys.len() > RUN / 2 {
            return false;
        }
        let next = self.runs.remove(index + 1);
        let run = &mut self.runs[index];
        run.keys.extend(next.keys);
        run.sign(name);
        true
    }

    fn give_back(&mut self) {
        if self.runs.capacity() > 4 * self.runs.len().max(4) {
            self.runs.shrink_to(2 * self.runs.len());
        }
    }
}

impl Run {
    fn new<'a>(start: &[u8], keys: Vec<(u32, KeyId)>, name: &impl Fn(KeyId) -> &'a [u8]) -> Self {
        let mut run = Self { start: start.into(), shared: 0, keys };
        run.sign(name);
        run
    }

    /// Sees what the names share, and notes what of each follows.
    fn sign<'a>(&mut self, name: &impl Fn(KeyId) -> &'a [u8]) {
        let last = self.keys.last().map_or(&[][..], |(_, id)| name(*id));
        self.shared = shared(&self.start, last);
        for (sign, id) in &mut self.keys {
            *sign = bytes_at(name(*id), self.shared);
        }
    }

    /// Sees to it that `wanted` begins with what the names share.
    fn share<'a>(&mut self, wanted: &[u8], name: &impl Fn(KeyId) -> &'a [u8]) {
        let shared = shared(&self.start, wanted);
        if shared < self.shared {
            self.shared = shared;
            for (sign, id) in &mut self.keys {
                *sign = bytes_at(name(*id), shared);
            }
        }
    }

    /// Place of the first name that is not before `wanted`.
    fn place<'a>(&self, wanted: &[u8], name: &impl Fn(KeyId) -> &'a [u8]) -> usize {
        let same = &self.start[..self.shared];
        match wanted[..wanted.len().min(self.shared)].cmp(same) {
            Ordering::Less => return 0,
            Ordering::Greater => return self.keys.len(),
            Ordering::Equal => {}
        }
        let sign = bytes_at(wanted, self.shared);
        self.keys.partition_point(|(other, id)| match other.cmp(&sign) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => name(*id) < wanted,
        })
    }

    fn insert(&mut self, place: usize, wanted: &[u8], id: KeyId) {
        if self.keys.len() == self.keys.capacity() {
            self.keys.reserve_exact(RUN_GROWTH.min(self.keys.len()));
        }
        self.keys.insert(place, (bytes_at(wanted, self.shared), id));
    }

    fn give_back(&mut self) {
        if self.keys.capacity() > 4 * self.keys.len().max(4) {
            self.keys.shrink_to(2 * self.keys.len());
        }
    }
}

/// How many bytes two names share at their starts.
fn shared(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// Four bytes of a name as a number that is ordered as they are; zeroes behind its end.
fn bytes_at(name: &[u8], start: usize) -> u32 {
    let rest = name.get(start..).unwrap_or_default();
    let mut bytes = [0; 4];
    let count = rest.len().min(4);
    bytes[..count].copy_from_slice(&rest[..count]);
    u32::from_be_bytes(bytes)
}
