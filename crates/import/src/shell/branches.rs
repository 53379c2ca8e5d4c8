//! Branches: the one that is taken, and every one where that is not decided here.

use std::rc::Rc;

use super::pattern;
use super::state::{Flow, Shell};
use super::syntax::{List, Unit};
use super::ways::{Variables, merged};
use crate::word::Word;

impl Shell<'_> {
    pub(super) fn choose(
        &mut self,
        unit: &Rc<Unit>,
        arms: &[(List, List)],
        otherwise: Option<&List>,
    ) -> Option<bool> {
        let condition = self.conditions;
        self.conditions += 1;
        let mut ends: Vec<Variables> = Vec::new();
        let mut undecided = false;
        let before = self.arms.clone();
        let mut decided = false;
        let (mut asks, mut offers) = (false, false);
        for (number, (test, body)) in arms.iter().enumerate() {
            if decided {
                self.otherwise(unit, body, asks, offers, (condition, number));
                continue;
            }
            self.tries += 1;
            let asked = self.asked;
            self.offers = false;
            let status = self.list(unit, test);
            offers |= std::mem::take(&mut self.offers);
            asks |= self.asked > asked;
            self.tries -= 1;
            match status {
                Some(true) if !undecided => {
                    self.list(unit, body);
                    decided = true;
                }
                Some(false) => self.otherwise(unit, body, asks, offers, (condition, number)),
                status => {
                    undecided = true;
                    ends.extend(self.branch(unit, body, (condition, number)));
                    decided = status == Some(true);
                }
            }
        }
        match otherwise {
            Some(body) if decided => {
                self.otherwise(unit, body, asks, offers, (condition, arms.len()));
            }
            Some(body) if undecided => {
                ends.extend(self.branch(unit, body, (condition, arms.len())));
                decided = true;
            }
            Some(body) => {
                self.list(unit, body);
            }
            None => {}
        }
        self.arms = before;
        if undecided {
            if !decided {
                ends.push(self.snapshot());
            }
            if !ends.is_empty() {
                self.variables = merged(ends);
            }
            return None;
        }
        self.status
    }

    /// One branch of several of which it is not known which one runs. What it comes to, unless it
    /// leads away.
    fn branch(&mut self, unit: &Rc<Unit>, body: &List, arm: (usize, usize)) -> Option<Variables> {
        let before = self.snapshot();
        self.arms.push(arm);
        self.list(unit, body);
        self.arms.pop();
        let after = std::mem::replace(&mut self.variables, before);
        (!self.perhaps(&after)).then_some(after)
    }

    /// A branch that is not taken here. With another argument of the script it is.
    fn otherwise(
        &mut self,
        unit: &Rc<Unit>,
        body: &List,
        asks: bool,
        offers: bool,
        arm: (usize, usize),
    ) {
        if offers {
            self.aside(unit, body, arm);
        } else {
            self.elsewhere(unit, body, asks);
        }
    }

    /// A branch that is taken with other arguments of the script: what it sets is forgotten.
    fn aside(&mut self, unit: &Rc<Unit>, body: &List, arm: (usize, usize)) {
        let flow = std::mem::replace(&mut self.flow, Flow::On);
        let ways = std::mem::take(&mut self.ways);
        self.branch(unit, body, arm);
        self.ways = ways;
        self.flow = flow;
    }

    pub(super) fn case(
        &mut self,
        unit: &Rc<Unit>,
        word: &Word,
        offers: bool,
        arms: &[(Vec<super::syntax::Word>, List)],
    ) -> Option<bool> {
        let condition = self.conditions;
        self.conditions += 1;
        let (mut ends, mut undecided, mut decided) = (Vec::new(), false, false);
        for (number, (patterns, body)) in arms.iter().enumerate() {
            if decided {
                if offers {
                    self.aside(unit, body, (condition, number));
                }
                continue;
            }
            let mut found = Some(false);
            for one in patterns {
                let one = self.whole(unit, one);
                match (one.get(), word.get()) {
                    (Some("*"), _) => found = Some(true),
                    (Some(one), Some(text)) if pattern::matches(one, text) => found = Some(true),
                    (Some(_), Some(_)) => {}
                    _ if found == Some(true) => {}
                    _ => found = None,
                }
            }
            match found {
                Some(true) if !undecided => {
                    self.list(unit, body);
                    decided = true;
                }
                Some(false) if offers => self.aside(unit, body, (condition, number)),
                Some(false) => {}
                found => {
                    undecided = true;
                    ends.extend(self.branch(unit, body, (condition, number)));
                    decided = found == Some(true);
                }
            }
        }
        if !undecided {
            return self.status;
        }
        if !decided {
            ends.push(self.snapshot());
        }
        if !ends.is_empty() {
            self.variables = merged(ends);
        }
        None
    }

    /// A branch that is not taken here; it is on another server, if something of a server decides.
    fn elsewhere(&mut self, unit: &Rc<Unit>, body: &List, asks: bool) {
        if asks {
            self.never(|shell| shell.list(unit, body));
        }
    }
}
