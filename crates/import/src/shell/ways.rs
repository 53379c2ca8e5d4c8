//! Ways out of loops, functions and scripts, and what is known behind those that may have been taken.

use std::collections::{BTreeMap, BTreeSet};

use watershed_topology::source::Span;

use super::state::{Flow, Held, Shell, Ways, unknown};
use crate::word::Word;

/// Variables by name.
pub(super) type Variables = BTreeMap<String, Held>;

/// Places where one loop may be left.
const WAYS_MAX: usize = 64;

impl Shell<'_> {
    /// Leads away from here. What stands behind a way out that may have been taken runs only if it was not: the script
    /// goes on where that leads to.
    pub(super) fn leave(&mut self, flow: Flow) {
        self.flow = match flow {
            Flow::Return | Flow::Exit if self.ways.looped => Flow::Break,
            Flow::Exit if self.ways.returned => Flow::Return,
            flow => flow,
        };
    }

    /// Goes on behind a branch that may have run, and came to these variables. Whether it leads away.
    pub(super) fn perhaps(&mut self, after: &Variables) -> bool {
        match std::mem::replace(&mut self.flow, Flow::On) {
            Flow::On => return false,
            Flow::Break => {
                self.ways.looped = true;
                if self.ways.ends.len() < WAYS_MAX {
                    self.ways.ends.push(after.clone());
                }
            }
            Flow::Continue => self.ways.looped = true,
            Flow::Return => self.ways.returned = true,
            Flow::Exit => {}
        }
        true
    }

    /// Runs a loop: what variables are behind it, wherever it was left.
    pub(super) fn around(&mut self, run: impl FnOnce(&mut Self) -> Option<bool>) -> Option<bool> {
        let returned = self.ways.returned;
        let outer = std::mem::replace(&mut self.ways, Ways { returned, ..Ways::default() });
        let status = run(self);
        let inner = std::mem::replace(&mut self.ways, outer);
        self.ways.returned |= inner.returned;
        if inner.ends.is_empty() {
            return status;
        }
        let mut ends = inner.ends;
        ends.push(std::mem::take(&mut self.variables));
        self.variables = merged(ends);
        None
    }

    /// Runs a function, or a file: what it returns is not known if it may have returned before.
    pub(super) fn within(&mut self, run: impl FnOnce(&mut Self) -> Option<bool>) -> Option<bool> {
        let outer = std::mem::take(&mut self.ways);
        let status = run(self);
        let inner = std::mem::replace(&mut self.ways, outer);
        let status = if self.flow == Flow::Return {
            self.flow = Flow::On;
            self.status
        } else {
            status
        };
        status.filter(|_| !inner.returned)
    }
}

/// What is known of variables after branches that each came to something.
pub(super) fn merged(mut ends: Vec<Variables>) -> Variables {
    let Some(mut first) = ends.pop() else { return Variables::new() };
    for other in ends {
        let names: BTreeSet<String> = first.keys().chain(other.keys()).cloned().collect();
        for name in names {
            let (one, two) = (first.get(&name), other.get(&name));
            if one == two {
                continue;
            }
            let held = both(&name, one, two);
            first.insert(name, held);
        }
    }
    first
}

fn both(name: &str, one: Option<&Held>, two: Option<&Held>) -> Held {
    let shown = |held: Option<&Held>| match held {
        Some(Held::One(word)) => word.get().map(str::to_owned),
        _ => None,
    };
    let why = match (shown(one), shown(two)) {
        (Some(one), Some(two)) if one == two => {
            return Held::One(Word::known(one, Span::default()));
        }
        (Some(one), Some(two)) if one.len() + two.len() < 80 => {
            format!("`{name}` may be `{two}` or `{one}`")
        }
        _ => unknown(name),
    };
    Held::One(Word { unknown: Some(why), many: true, ..Word::default() })
}
