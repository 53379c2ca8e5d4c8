//! The keys in order of their bytes: a row of short sorted runs, 4 to 8 bytes a key.

use std::cmp::Ordering;

use super::keys::KeyId;

/// Keys in one run at most.
const RUN: usize = 512;

/// Keys in order. Names are looked up by whoever calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Ordered {
    /// None of them is empty.
    runs: Vec<Vec<KeyId>>,
}

impl Ordered {
    /// Adds a key that isn't there.
    pub(super) fn insert<'a>(&mut self, id: KeyId, name: impl Fn(KeyId) -> &'a [u8]) {
        let wanted = name(id);
        let index = self.run_of(wanted, &name).min(self.runs.len().saturating_sub(1));
        let Some(run) = self.runs.get_mut(index) else {
            self.runs.push(vec![id]);
            return;
        };
        let place = run.partition_point(|other| name(*other) < wanted);
        if run.len() < RUN {
            run.insert(place, id);
            return;
        }
        // Names that count upwards fill each run, instead of leaving each half full.
        let at = if place == RUN { RUN } else { RUN / 2 };
        let mut behind = run.split_off(at);
        if place < at {
            run.insert(place, id);
        } else {
            behind.insert(place - at, id);
        }
        run.shrink_to_fit();
        self.runs.insert(index + 1, behind);
    }

    pub(super) fn remove<'a>(&mut self, id: KeyId, name: impl Fn(KeyId) -> &'a [u8]) {
        let wanted = name(id);
        let index = self.run_of(wanted, &name);
        let Some(run) = self.runs.get_mut(index) else { return };
        let Ok(place) = run.binary_search_by(|other| name(*other).cmp(wanted)) else { return };
        run.remove(place);
        if run.is_empty() {
            self.runs.remove(index);
        } else if run.len() < RUN / 4 {
            self.join(index);
            index.checked_sub(1).into_iter().for_each(|before| self.join(before));
        }
        if self.runs.capacity() > 4 * self.runs.len().max(4) {
            self.runs.shrink_to(2 * self.runs.len());
        }
    }

    /// Lets every key go that isn't kept.
    pub(super) fn retain(&mut self, kept: impl Fn(KeyId) -> bool) {
        let old = std::mem::take(&mut self.runs);
        for mut run in old {
            run.retain(|id| kept(*id));
            match self.runs.last_mut() {
                Some(last) if last.len() + run.len() <= RUN / 2 => last.extend(run),
                _ if run.is_empty() => {}
                _ => {
                    run.shrink_to_fit();
                    self.runs.push(run);
                }
            }
        }
    }

    /// Keys whose names are not before `from`.
    pub(super) fn iter_from<'a>(
        &self,
        from: &[u8],
        name: impl Fn(KeyId) -> &'a [u8],
    ) -> impl Iterator<Item = KeyId> {
        let index = self.run_of(from, &name);
        let (run, behind) = match self.runs.get(index..) {
            Some([run, behind @ ..]) => (run.as_slice(), behind),
            _ => ([].as_slice(), [].as_slice()),
        };
        let place = run.partition_point(|other| name(*other).cmp(from) == Ordering::Less);
        run[place..].iter().chain(behind.iter().flatten()).copied()
    }

    /// The run that the first name not before `wanted` is in.
    fn run_of<'a>(&self, wanted: &[u8], name: &impl Fn(KeyId) -> &'a [u8]) -> usize {
        self.runs.partition_point(|run| run.last().is_some_and(|last| name(*last) < wanted))
    }

    /// Lets a run and the next one be one, if both are short.
    fn join(&mut self, index: usize) {
        let (Some(run), Some(next)) = (self.runs.get(index), self.runs.get(index + 1)) else {
            return;
        };
        if run.len() + next.len() <= RUN / 2 {
            let next = self.runs.remove(index + 1);
            self.runs[index].extend(next);
        }
    }
}
