//! Loops: over words, over numbers, until something is so.

use std::rc::Rc;

use super::state::{Flow, Held, STOPPED, Shell, unknown};
use super::syntax::{List, Unit};
use super::ways::merged;
use super::words;
use crate::word::Word;

impl Shell<'_> {
    pub(super) fn each(
        &mut self,
        unit: &Rc<Unit>,
        name: &str,
        words: Vec<Word>,
        body: &List,
    ) -> Option<bool> {
        for word in words {
            let glob =
                word.unknown.is_none() && word.text.contains(['*', '?']) && word.text.contains('/');
            if word.unknown.is_some() || glob {
                // What it goes over is not known: what depends on it will say so.
                let why = word.unknown.clone().unwrap_or_else(|| unknown(name));
                let one = Word { unknown: Some(why), many: false, ..word };
                self.set(name, Held::One(one));
                self.once(unit, body);
            } else {
                self.set(name, Held::One(word));
                self.list(unit, body);
            }
            if self.steps >= STOPPED || !self.goes_round() {
                break;
            }
        }
        self.status
    }

    /// A body that runs any number of times: what it changes is not known afterwards.
    fn once(&mut self, unit: &Rc<Unit>, body: &List) {
        let before = self.snapshot();
        self.list(unit, body);
        let after = std::mem::take(&mut self.variables);
        self.perhaps(&after);
        self.variables = merged(vec![before, after]);
    }

    /// Behind one run of a body: whether there is another.
    fn goes_round(&mut self) -> bool {
        match self.flow {
            Flow::Break => {
                self.flow = Flow::On;
                false
            }
            Flow::Continue => {
                self.flow = Flow::On;
                true
            }
            Flow::On => true,
            Flow::Return | Flow::Exit => false,
        }
    }

    pub(super) fn count(
        &mut self,
        unit: &Rc<Unit>,
        parts: &[super::syntax::Word; 3],
        body: &List,
    ) -> Option<bool> {
        let [first, condition, step] = parts;
        self.arithmetic(unit, first);
        loop {
            match self.arithmetic(unit, condition) {
                Some(true) => {
                    self.list(unit, body);
                    if self.steps >= STOPPED || !self.goes_round() {
                        return self.status;
                    }
                    self.steps += 1;
                    self.arithmetic(unit, step);
                }
                Some(false) => return self.status,
                None => {
                    self.once(unit, body);
                    return None;
                }
            }
        }
    }

    pub(super) fn repeat(
        &mut self,
        unit: &Rc<Unit>,
        until: bool,
        condition: &List,
        body: &List,
    ) -> Option<bool> {
        loop {
            self.tries += 1;
            self.importer.tool.waits += 1;
            let status = self.list(unit, condition);
            self.importer.tool.waits -= 1;
            self.tries -= 1;
            match status.map(|status| status != until) {
                Some(true) => {
                    self.list(unit, body);
                    if self.steps >= STOPPED || !self.goes_round() {
                        return self.status;
                    }
                    self.steps += 1;
                    // `while true` with nothing that is followed in it.
                    if matches!(condition.as_slice(), [item] if words::is_true(item)) {
                        return None;
                    }
                }
                Some(false) => return self.status,
                _ => {
                    self.importer.tool.waits += 1;
                    self.once(unit, body);
                    self.importer.tool.waits -= 1;
                    return None;
                }
            }
        }
    }
}
