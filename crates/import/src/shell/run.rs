//! A script is followed: commands in their order, branches, loops, functions.
//!
//! What is followed is what happens on an empty server. Where a condition is not decided here, every
//! branch is followed from the same point, and what they set differently is not known afterwards.

use std::rc::Rc;

use watershed_topology::source::Span;

use super::parse::parse;
use super::state::{Flow, Held, Input, Output, STEP_BYTES, STOPPED, Shell, unknown};
use super::syntax::{
    Command, Direction, Item, Kind, List, Origin, Part, Pipeline, Redirect, Set, Then, Unit, Value,
    Word as Written,
};
use super::ways::merged;
use super::words;
use crate::word::Word;

/// Work that one script may be: commands that run, long ones counting more. A script that is more
/// than that is another kind of script.
const STEPS_MAX: usize = 50_000;

/// Calls inside calls.
const DEPTH_MAX: usize = 24;

impl Shell<'_> {
    /// Commands in their order; the exit code of the last one.
    pub(super) fn list(&mut self, unit: &Rc<Unit>, list: &List) -> Option<bool> {
        for item in list {
            if self.flow != Flow::On || self.steps >= STOPPED {
                break;
            }
            self.status = self.item(unit, item);
        }
        self.status
    }

    fn item(&mut self, unit: &Rc<Unit>, item: &Item) -> Option<bool> {
        if item.rest.is_empty() {
            return self.pipeline(unit, &item.first);
        }
        let condition = self.conditions;
        self.conditions += 1;
        let asked = self.asked;
        let mut status = self.tried(unit, item, condition);
        let (arms, never) = (self.arms.clone(), self.never);
        for (number, (then, pipeline)) in item.rest.iter().enumerate() {
            if self.flow != Flow::On {
                break;
            }
            let runs = status.map(|status| status == (*then == Then::And));
            if runs == Some(false) {
                // It does not run on an empty server: only what is wrong with it is of interest.
                if self.asked > asked {
                    self.never(|shell| shell.pipeline(unit, pipeline));
                }
                continue;
            }
            let quiet = hides(item, number + 1);
            self.tries += usize::from(quiet);
            if runs == Some(true) {
                status = self.pipeline(unit, pipeline);
            } else {
                if *then == Then::Or {
                    self.arms.push((condition, 1));
                }
                let before = self.snapshot();
                let result = self.pipeline(unit, pipeline);
                let after = std::mem::take(&mut self.variables);
                let away = self.perhaps(&after);
                self.variables = if away { before } else { merged(vec![before, after]) };
                self.arms.clone_from(&arms);
                status = (result == Some(true) && *then == Then::Or).then_some(true);
            }
            self.tries -= usize::from(quiet);
        }
        self.never = never;
        self.arms = arms;
        status
    }

    /// The first of several: whether it fails is somebody else's business.
    fn tried(&mut self, unit: &Rc<Unit>, item: &Item, condition: usize) -> Option<bool> {
        let hidden = item
            .rest
            .first()
            .is_some_and(|(then, pipeline)| *then == Then::Or && words::says_only(pipeline));
        let before = self.importer.tool.hidden;
        self.importer.tool.hidden |= hidden;
        let has_or = item.rest.iter().any(|(then, _)| *then == Then::Or);
        self.tries += usize::from(has_or && !hidden);
        if has_or {
            self.arms.push((condition, 0));
        }
        let status = self.pipeline(unit, &item.first);
        if has_or {
            self.arms.pop();
        }
        self.tries -= usize::from(has_or && !hidden);
        self.importer.tool.hidden = before;
        status
    }

    fn pipeline(&mut self, unit: &Rc<Unit>, pipeline: &Pipeline) -> Option<bool> {
        let [rest @ .., last] = pipeline.commands.as_slice() else { return None };
        let mut fed = false;
        for command in rest {
            let before = self.snapshot();
            let (_, output) = self.capture(|shell| shell.command(unit, command));
            self.variables = before;
            let span = unit.place(command.start, command.end);
            if fed {
                self.inputs.pop();
            }
            self.inputs.push(Some(Input { whole: output, at: 0, span }));
            fed = true;
        }
        let status = self.command(unit, last);
        if fed {
            self.inputs.pop();
        }
        // What a filter says is not known.
        let status = if rest.is_empty() { status } else { piped(last, status) };
        if pipeline.negated { status.map(|status| !status) } else { status }
    }

    /// Runs something, and takes what it writes.
    pub(super) fn capture<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> (T, Output) {
        self.outputs.push(Output::default());
        let result = run(self);
        (result, self.outputs.pop().unwrap_or_default())
    }

    /// What `$(…)` writes, without line ends behind it.
    pub(super) fn captured(&mut self, unit: &Rc<Unit>, list: &List) -> Output {
        let variables = self.snapshot();
        let (flow, depth) = (self.flow, self.depth);
        self.depth += 1;
        self.tries += 1;
        let (_, mut output) = self
            .capture(|shell| if shell.depth <= DEPTH_MAX { shell.list(unit, list) } else { None });
        self.tries -= 1;
        self.variables = variables;
        (self.flow, self.depth) = (flow, depth);
        output.text.truncate(output.text.trim_end_matches('\n').len());
        output
    }

    /// What back quotes write.
    pub(super) fn captured_text(
        &mut self,
        unit: &Rc<Unit>,
        text: &str,
        at: Option<usize>,
    ) -> Output {
        let origin = match (unit.origin, at) {
            (Origin::At(by), Some(at)) => Origin::At(by + at),
            (Origin::Within(span), _) => Origin::Within(span),
            (Origin::At(_), None) => Origin::Within(unit.place(0, 0)),
        };
        if self.depth > DEPTH_MAX {
            return Output { text: String::new(), unknown: Some(unknown("`…`")) };
        }
        let inner = Rc::new(parse(unit.file, text, origin));
        self.captured(&inner, &inner.list)
    }

    /// Another text is run as a script in this one.
    pub(super) fn inner(
        &mut self,
        text: &str,
        origin: Origin,
        unit: &Rc<Unit>,
        why: Option<String>,
    ) -> Option<bool> {
        self.steps += 1 + text.len() / STEP_BYTES;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let inner = Rc::new(parse(unit.file, text, origin));
        self.faults(&inner);
        self.depth += 1;
        let before = std::mem::replace(&mut self.why, why);
        let status = self.list(&inner, &inner.list);
        self.why = before;
        self.depth -= 1;
        status
    }

    /// Reports the syntax errors of a text.
    pub(super) fn faults(&mut self, unit: &Unit) {
        for (at, what) in &unit.errors {
            let span = unit.place(*at, *at);
            self.importer.findings.skipped(span, format!("{what}: this was not read"));
        }
    }

    /// Follows what does not run on an empty server.
    pub(super) fn never<T>(&mut self, run: impl FnOnce(&mut Self) -> T) {
        let before = (self.snapshot(), self.never, self.flow);
        self.never = true;
        self.tries += 1;
        self.outputs.push(Output::default());
        run(self);
        self.outputs.pop();
        self.tries -= 1;
        (self.variables, self.never, self.flow) = before;
    }

    fn command(&mut self, unit: &Rc<Unit>, command: &Command) -> Option<bool> {
        self.steps += 1 + (command.end - command.start) / STEP_BYTES;
        if self.steps > STEPS_MAX || self.depth > DEPTH_MAX {
            self.too_much(unit.place(command.start, command.end));
            return None;
        }
        let mut input = None;
        let mut target = None;
        for redirect in &command.redirects {
            match &redirect.kind {
                Direction::Out { to, append, both: _ }
                    if redirect.from.is_none_or(|from| from == 1) =>
                {
                    let to = self.whole(unit, to);
                    target = Some((to, *append));
                }
                _ => input = self.input(unit, redirect).or(input),
            }
        }
        let fed = input.is_some();
        if fed {
            self.inputs.push(input);
        }
        let status = match target {
            None => self.kind(unit, command),
            Some((to, append)) => {
                let (status, output) = self.capture(|shell| shell.kind(unit, command));
                self.write(&to, output, append);
                status
            }
        };
        if fed {
            self.inputs.pop();
        }
        status
    }

    /// Says, once, that the script is more than is followed.
    fn too_much(&mut self, span: Span) {
        if self.steps < STOPPED {
            let message = "the script does more than is followed: nothing from here on was read";
            self.importer.findings.skipped(span, message.to_owned());
            self.importer.incomplete = true;
        }
        // Whoever called this has no steps left either.
        self.steps = STOPPED;
    }

    /// Where a command reads from.
    fn input(&mut self, unit: &Rc<Unit>, redirect: &Redirect) -> Option<Input> {
        let (whole, span) = match &redirect.kind {
            Direction::Document(number) => {
                let document = unit.documents.get(*number)?;
                let whole = self.text(unit, &document.parts);
                (whole, unit.place(document.start, document.end))
            }
            Direction::Text(word) => {
                let mut whole = self.text(unit, &word.parts);
                whole.text.push('\n');
                (whole, unit.place(word.start, word.end))
            }
            Direction::In(word) => {
                let span = unit.place(word.start, word.end);
                let path = self.whole(unit, word);
                let read = path.get().and_then(|path| self.read_file(path));
                let missing = Output { text: String::new(), unknown: Some(unknown(&path.text)) };
                match read {
                    Some((whole, at)) => (whole, at.unwrap_or(span)),
                    None => (missing, span),
                }
            }
            _ => return None,
        };
        Some(Input { whole, at: 0, span })
    }

    fn write(&mut self, to: &Word, output: Output, append: bool) {
        let Some(path) = to.get() else { return };
        match path {
            "/dev/null" => {}
            "/dev/stdout" => self.print(&output.text, output.unknown.as_ref()),
            "/dev/stderr" => {}
            _ if append => {
                self.written
                    .entry(path.to_owned())
                    .or_default()
                    .add(&output.text, output.unknown.as_ref());
            }
            _ => {
                self.written.insert(path.to_owned(), output);
            }
        }
    }

    fn kind(&mut self, unit: &Rc<Unit>, command: &Command) -> Option<bool> {
        match &command.kind {
            Kind::Simple { sets, words } => {
                if words.is_empty() {
                    self.sets(unit, sets);
                    return Some(true);
                }
                let status = self.simple(unit, command, sets, words);
                self.offers |= is_test(words) && words.iter().any(|word| self.stands_in(word));
                status
            }
            Kind::Group(list) => self.list(unit, list),
            Kind::Subshell(list) => {
                let variables = self.snapshot();
                let status = self.list(unit, list);
                self.variables = variables;
                if self.flow == Flow::Exit {
                    self.flow = Flow::On;
                    None
                } else {
                    status
                }
            }
            Kind::If { arms, otherwise } => self.choose(unit, arms, otherwise.as_ref()),
            Kind::For { name, words, body } => {
                let words = match words {
                    Some(words) => self.words(unit, words),
                    None => self.arguments.clone().unwrap_or_else(|| {
                        vec![Word { unknown: Some(unknown("$@")), many: true, ..Word::default() }]
                    }),
                };
                self.around(|shell| shell.each(unit, name, words, body))
            }
            Kind::Count { parts, body } => self.around(|shell| shell.count(unit, parts, body)),
            Kind::While { until, condition, body } => {
                self.around(|shell| shell.repeat(unit, *until, condition, body))
            }
            Kind::Case { word, arms } => {
                let offers = self.stands_in(word);
                let word = self.whole(unit, word);
                self.case(unit, &word, offers, arms)
            }
            Kind::Function { name, body } => {
                self.functions.insert(name.clone(), (Rc::clone(unit), Rc::clone(body)));
                Some(true)
            }
            Kind::Test(words) => {
                self.offers |= words.iter().any(|word| self.stands_in(word));
                self.test(unit, words)
            }
            Kind::Arithmetic(word) => self.arithmetic(unit, word),
        }
    }

    /// Sets variables.
    pub(super) fn sets(&mut self, unit: &Rc<Unit>, sets: &[Set]) {
        for set in sets {
            if matches!(&set.value, Value::Word(word) if self.stands_in(word)) {
                self.offered.insert(set.name.clone());
            } else {
                self.offered.remove(&set.name);
            }
            let held = match &set.value {
                Value::Word(word) => {
                    let added = self.whole(unit, word);
                    match self.variables.get(&set.name) {
                        Some(Held::One(before)) if set.append => {
                            let text = format!("{}{}", before.text, added.text);
                            let why = before.unknown.clone().or(added.unknown);
                            let mut sum = Output::default();
                            sum.add(&text, why.as_ref());
                            Held::One(Word { text: sum.text, unknown: sum.unknown, ..added })
                        }
                        None if set.append => Held::One(Word {
                            unknown: Some(unknown(&set.name)),
                            many: true,
                            ..added
                        }),
                        _ => Held::One(added),
                    }
                }
                Value::List(items) => {
                    let mut words = self.words(unit, items);
                    match self.variables.get(&set.name) {
                        Some(Held::Many(before)) if set.append => {
                            words.splice(0..0, before.iter().cloned());
                            words.truncate(super::state::WORDS_MAX);
                            Held::Many(words)
                        }
                        Some(Held::One(before)) if set.append && before.unknown.is_some() => {
                            Held::One(before.clone())
                        }
                        _ => Held::Many(words),
                    }
                }
            };
            self.set(&set.name, held);
        }
    }

    /// Whether a word has what stands in for an argument that the script was not given: with another one it runs
    /// otherwise.
    fn stands_in(&self, written: &Written) -> bool {
        fn any(parts: &[Part], is: &dyn Fn(&str) -> bool) -> bool {
            parts.iter().any(|part| match part {
                Part::Variable(parameter) => is(&parameter.name),
                Part::Double(inner) => any(inner, is),
                _ => false,
            })
        }
        let is_argument = |name: &str| {
            self.arguments.is_none()
                && name.bytes().all(|byte| byte.is_ascii_digit())
                && name != "0"
        };
        any(&written.parts, &|name| is_argument(name) || self.offered.contains(name))
    }

    /// Runs a function with these arguments.
    pub(super) fn call(&mut self, name: &str, arguments: Vec<Word>) -> Option<bool> {
        let (unit, body) = self.functions.get(name).cloned()?;
        if self.depth > DEPTH_MAX {
            self.too_much(unit.place(body.start, body.start));
            return None;
        }
        let before = self.arguments.replace(arguments);
        self.locals.push(Vec::new());
        self.depth += 1;
        let status = self.within(|shell| shell.command(&unit, &body));
        self.depth -= 1;
        for (name, held) in self.locals.pop().unwrap_or_default().into_iter().rev() {
            match held {
                Some(held) => self.variables.insert(name, held),
                None => self.variables.remove(&name),
            };
        }
        self.arguments = before;
        status
    }
}

/// Whether a command is `[ … ]`.
fn is_test(words: &[Written]) -> bool {
    let first = words.first().map(|word| word.parts.as_slice());
    matches!(first, Some([Part::Bare(text) | Part::Plain(text)]) if text == "[" || text == "test")
}

/// Whether what follows is there only to hide a failure, or to say that there was one.
fn hides(item: &Item, behind: usize) -> bool {
    item.rest
        .get(behind)
        .is_some_and(|(then, pipeline)| *then == Then::Or && !words::says_only(pipeline))
}

/// What the last command of several says: what a filter says is not known.
fn piped(last: &Command, status: Option<bool>) -> Option<bool> {
    status.filter(|_| words::calls_tool(last) || matches!(last.kind, Kind::While { .. }))
}
