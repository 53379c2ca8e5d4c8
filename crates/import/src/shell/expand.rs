//! Words become what a command is given: variables put in, split where the shell splits.

use std::rc::Rc;

use watershed_topology::source::Span;

use super::arithmetic::evaluate;
use super::pattern;
use super::state::{
    COMMAND_BYTES_MAX, Held, Output, STEP_BYTES, STOPPED, Shell, WORD_BYTES_MAX, WORDS_MAX, unknown,
};
use super::syntax::{Change, Index, Parameter, Part, Unit, Word as Written};
use crate::word::{MARK, Word};

/// Bytes of a text that something is cut off or replaced in.
const CHANGED_BYTES_MAX: usize = 1024;

/// Items of `{1..9}`.
const RANGE_MAX: i64 = 1000;

/// Words while one is put together.
struct Fields {
    done: Vec<Word>,
    open: Option<Word>,
    span: Span,
}

impl Fields {
    fn add(&mut self, text: &str, why: Option<&String>) {
        let span = self.span;
        let open = self.open.get_or_insert_with(|| Word::known("", span));
        open.many &= text.is_empty();
        if open.text.len() + text.len() > WORD_BYTES_MAX {
            open.text.clear();
            open.text.push(MARK);
            open.unknown = Some("this is a long text".to_owned());
        } else {
            open.text.push_str(text);
        }
        if let Some(why) = why {
            if !text.contains(MARK) {
                open.text.push(MARK);
            }
            open.unknown.get_or_insert_with(|| why.clone());
        }
    }

    fn close(&mut self) {
        if self.done.len() < WORDS_MAX {
            self.done.extend(self.open.take());
        }
    }

    /// A value without quotes around it.
    fn split(&mut self, word: &Word, separators: &str) {
        let marked = word.unknown.is_none() || word.text.contains(MARK);
        let mut whole = word.text.clone();
        if !marked {
            whole.push(MARK);
        }
        let mut rest = whole.as_str();
        let is_separator = |c: char| separators.contains(c);
        if rest.starts_with(is_separator) {
            self.close();
            rest = rest.trim_start_matches(is_separator);
        }
        while let Some(at) = rest.find(is_separator) {
            self.piece(rest.get(..at).unwrap_or_default(), word.unknown.as_ref());
            self.close();
            rest = rest.get(at..).unwrap_or_default().trim_start_matches(is_separator);
        }
        if !rest.is_empty() {
            self.piece(rest, word.unknown.as_ref());
        }
    }

    fn piece(&mut self, text: &str, why: Option<&String>) {
        let alone = self.open.is_none() && text.chars().all(|c| c == MARK);
        self.add(text, why.filter(|_| text.contains(MARK)));
        if let Some(open) = self.open.as_mut().filter(|_| alone) {
            open.many = true;
        }
    }

    /// Several values, each a word of its own: `"$@"`.
    fn each(&mut self, words: &[Word]) {
        for (index, word) in words.iter().enumerate() {
            if index > 0 {
                self.close();
            }
            let fresh = self.open.is_none();
            self.add(&word.text, word.unknown.as_ref());
            if let Some(open) = self.open.as_mut().filter(|_| fresh) {
                open.span = word.span;
                open.many = word.many;
            }
        }
    }
}

impl Shell<'_> {
    /// The words that several written ones are.
    pub(super) fn words(&mut self, unit: &Rc<Unit>, written: &[Written]) -> Vec<Word> {
        let mut words = Vec::new();
        let mut bytes = 0;
        for one in written {
            let mut fields = self.fields(unit, one);
            bytes += fields.iter().map(|word| word.text.len() + 1).sum::<usize>();
            words.append(&mut fields);
            if words.len() > WORDS_MAX || bytes > COMMAND_BYTES_MAX {
                // Nobody's command: the script is given up.
                self.steps = self.steps.saturating_add(STOPPED / 2);
                words.truncate(WORDS_MAX);
                break;
            }
        }
        self.steps = self.steps.saturating_add(bytes / STEP_BYTES);
        words
    }

    /// The words that a written one is.
    pub(super) fn fields(&mut self, unit: &Rc<Unit>, written: &Written) -> Vec<Word> {
        let span = unit.place(written.start, written.end);
        let Some((which, choices)) = braces(&written.parts) else {
            return self.split_parts(unit, &written.parts, span, None);
        };
        let mut words = Vec::new();
        for choice in &choices {
            words.append(&mut self.split_parts(unit, &written.parts, span, Some((which, choice))));
        }
        words
    }

    fn split_parts(
        &mut self,
        unit: &Rc<Unit>,
        parts: &[Part],
        span: Span,
        choice: Option<(usize, &str)>,
    ) -> Vec<Word> {
        let separators = self.separators();
        let mut fields = Fields { done: Vec::new(), open: None, span };
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Bare(text) => {
                    let text = choice
                        .filter(|(which, _)| *which == index)
                        .map_or(text.as_str(), |one| one.1);
                    let why = self.marked(text);
                    fields.add(text, why.as_ref());
                }
                Part::Plain(text) => {
                    let why = self.marked(text);
                    fields.add(text, why.as_ref());
                }
                Part::Double(inner) => self.quoted(unit, inner, &mut fields),
                Part::Variable(parameter) => match self.parameter(unit, parameter) {
                    Held::One(word) => fields.split(&word, &separators),
                    Held::Many(words) => {
                        for (index, word) in words.iter().enumerate() {
                            if index > 0 {
                                fields.close();
                            }
                            fields.split(word, &separators);
                        }
                    }
                },
                other => {
                    let output = self.part(unit, other);
                    let word =
                        Word { text: output.text, unknown: output.unknown, span, many: false };
                    fields.split(&word, &separators);
                }
            }
        }
        fields.close();
        let mut words = fields.done;
        // A variable and nothing else stands where its value was written.
        if let Some(place) = self.place_of(parts)
            && words.len() == 1
            && let Some(word) = words.first_mut()
        {
            word.span = place;
        }
        words
    }

    /// Where the value of a word was written that is one variable and nothing else.
    fn place_of(&self, parts: &[Part]) -> Option<Span> {
        let parameter = match parts {
            [Part::Variable(parameter)] => parameter,
            [Part::Double(inner)] => match inner.as_slice() {
                [Part::Variable(parameter)] => parameter,
                _ => return None,
            },
            _ => return None,
        };
        if !matches!(parameter.change, Change::None | Change::Instead { .. }) {
            return None;
        }
        let span = match self.held(&parameter.name)? {
            Held::One(word) => word.span,
            Held::Many(_) => return None,
        };
        (span != Span::default()).then_some(span)
    }

    /// Why a part of a text is not known that was put together before.
    fn marked(&self, text: &str) -> Option<String> {
        let why = || self.why.clone().unwrap_or_else(|| unknown("…"));
        text.contains(MARK).then(why)
    }

    fn separators(&self) -> String {
        match self.variables.get("IFS") {
            Some(Held::One(word)) if word.unknown.is_none() => word.text.clone(),
            _ => " \t\n".to_owned(),
        }
    }

    /// What stands in double quotes.
    fn quoted(&mut self, unit: &Rc<Unit>, parts: &[Part], fields: &mut Fields) {
        fields_start(fields, parts);
        for part in parts {
            if let Part::Variable(parameter) = part {
                match self.parameter(unit, parameter) {
                    Held::Many(words) if !is_joined(parameter) => fields.each(&words),
                    Held::One(word) if word.many && !is_joined(parameter) => fields.each(&[word]),
                    held => {
                        let word = joined(&held);
                        fields.add(&word.text, word.unknown.as_ref());
                    }
                }
                continue;
            }
            let output = self.part(unit, part);
            fields.add(&output.text, output.unknown.as_ref());
        }
    }

    /// Parts as one text, which is not split.
    pub(super) fn text(&mut self, unit: &Rc<Unit>, parts: &[Part]) -> Output {
        let mut all = Output::default();
        for part in parts {
            let output = self.part(unit, part);
            all.add(&output.text, output.unknown.as_ref());
        }
        all
    }

    /// A written word as one word, which is not split.
    pub(super) fn whole(&mut self, unit: &Rc<Unit>, written: &Written) -> Word {
        let Output { text, unknown } = self.text(unit, &written.parts);
        let place = self.place_of(&written.parts);
        let span = place.unwrap_or_else(|| unit.place(written.start, written.end));
        Word { text, unknown, span, many: false }
    }

    fn part(&mut self, unit: &Rc<Unit>, part: &Part) -> Output {
        match part {
            Part::Bare(text) | Part::Plain(text) => {
                Output { text: text.clone(), unknown: self.marked(text) }
            }
            Part::Double(parts) => self.text(unit, parts),
            Part::Variable(parameter) => {
                let held = self.parameter(unit, parameter);
                let word = joined(&held);
                Output { text: word.text, unknown: word.unknown }
            }
            Part::Command(list) => self.captured(unit, list),
            Part::Backquoted { text, at } => self.captured_text(unit, text, *at),
            Part::Arithmetic(parts) => {
                let sum = self.text(unit, parts);
                if let Some(number) = self.sum(&sum) {
                    Output { text: number.to_string(), unknown: None }
                } else {
                    let why = sum.unknown.unwrap_or_else(|| unknown("$((…))"));
                    Output { text: MARK.to_string(), unknown: Some(why) }
                }
            }
            Part::Other(what) => {
                Output { text: MARK.to_string(), unknown: Some(format!("{what} is not followed")) }
            }
        }
    }

    /// The value of a sum whose variables were put in.
    pub(super) fn sum(&self, sum: &Output) -> Option<i64> {
        let lookup = |name: &str| match self.variables.get(name)? {
            Held::One(word) => word.get()?.trim().parse().ok(),
            Held::Many(_) => None,
        };
        if sum.unknown.is_some() {
            return None;
        }
        evaluate(&sum.text, &lookup)
    }

    /// What a variable holds, if it is set in the script.
    fn held(&self, name: &str) -> Option<Held> {
        if name == "@" || name == "*" {
            return self.arguments.clone().map(Held::Many);
        }
        if name == "#" {
            let arguments = self.arguments.as_ref()?;
            if arguments.iter().any(|word| word.many) {
                return None;
            }
            return Some(Held::One(Word::known(arguments.len().to_string(), Span::default())));
        }
        match name.parse::<usize>() {
            Ok(0) => self.variables.get("0").cloned(),
            Ok(number) => {
                let arguments = self.arguments.as_ref()?;
                let before = arguments.get(..number).unwrap_or(arguments);
                if let Some(many) = before.iter().find(|word| word.many) {
                    return Some(Held::One(many.clone()));
                }
                let word = arguments.get(number - 1).cloned();
                Some(Held::One(word.unwrap_or_default()))
            }
            Err(_) => self.variables.get(name).cloned(),
        }
    }

    fn parameter(&mut self, unit: &Rc<Unit>, parameter: &Parameter) -> Held {
        let name = parameter.name.as_str();
        let not_known =
            || Held::One(Word { unknown: Some(unknown(&shown(name))), ..Word::default() });
        let held = self.indexed(unit, parameter);
        match &parameter.change {
            Change::None => held.unwrap_or_else(|| {
                let Held::One(word) = not_known() else { return not_known() };
                let many = matches!(name, "@" | "*");
                Held::One(Word { many, ..word })
            }),
            Change::Length => match held {
                Some(Held::Many(words)) => length(words.len()),
                Some(Held::One(Word { text, unknown: None, .. })) => length(text.chars().count()),
                _ => not_known(),
            },
            Change::Indirect => match held {
                Some(Held::One(Word { text, unknown: None, .. })) => {
                    self.held(&text).unwrap_or_else(|| {
                        Held::One(Word { unknown: Some(unknown(&text)), ..Word::default() })
                    })
                }
                _ => not_known(),
            },
            Change::Instead { sign, empty, with } => {
                self.instead(unit, name, held, (*sign, *empty), with)
            }
            Change::Unknown => not_known(),
            change => {
                let Some(held) = held else { return not_known() };
                self.changed(unit, held, change)
            }
        }
    }

    /// A variable, or the items of a list that are meant.
    fn indexed(&mut self, unit: &Rc<Unit>, parameter: &Parameter) -> Option<Held> {
        let held = self.held(&parameter.name);
        let at = match &parameter.index {
            None => {
                // A list without an index is its first item, as `$@` is not.
                return match held {
                    Some(Held::Many(words)) if !matches!(parameter.name.as_str(), "@" | "*") => {
                        Some(Held::One(words.first().cloned().unwrap_or_default()))
                    }
                    held => held,
                };
            }
            Some(Index::Each | Index::Joined) => {
                return match held {
                    Some(Held::One(word)) if word.unknown.is_none() => Some(Held::Many(vec![word])),
                    Some(Held::One(word)) => Some(Held::One(Word { many: true, ..word })),
                    held => held,
                };
            }
            Some(Index::At(parts)) => self.text(unit, parts),
        };
        let index = self.sum(&at);
        match (held?, index) {
            (Held::Many(words), Some(index)) => {
                let index = usize::try_from(index).ok()?;
                Some(Held::One(words.get(index).cloned().unwrap_or_default()))
            }
            (Held::One(word), Some(0)) => Some(Held::One(word)),
            _ => None,
        }
    }

    /// `${x:-y}` and its kin.
    fn instead(
        &mut self,
        unit: &Rc<Unit>,
        name: &str,
        held: Option<Held>,
        (sign, empty): (u8, bool),
        with: &[Part],
    ) -> Held {
        let there = match &held {
            None => false,
            Some(Held::One(word)) => word.unknown.is_some() || !(empty && word.text.is_empty()),
            Some(Held::Many(words)) => !words.is_empty(),
        };
        // Arguments that are not given are not set.
        let there =
            there && !matches!(&held, Some(Held::One(word)) if !empty && word == &Word::default());
        let other = |shell: &mut Self| {
            let Output { text, unknown } = shell.text(unit, with);
            Word { text, unknown, ..Word::default() }
        };
        match (sign, there) {
            (b'+', true) => Held::One(other(self)),
            (b'+', false) => Held::One(Word::default()),
            (b'?', false) => Held::One(Word { unknown: Some(unknown(name)), ..Word::default() }),
            (b'=', false) => {
                let word = other(self);
                self.set(name, Held::One(word.clone()));
                Held::One(word)
            }
            (b'-', false) => Held::One(other(self)),
            (_, _) => held.unwrap_or(Held::One(Word::default())),
        }
    }

    /// What a change makes of a value, or of each of several.
    fn changed(&mut self, unit: &Rc<Unit>, held: Held, change: &Change) -> Held {
        if let (Held::Many(words), Change::Slice { from, length }) = (&held, change) {
            let from = self.text(unit, from);
            let length = length.as_ref().map(|length| self.text(unit, length));
            let (Some(from), length) = (self.sum(&from), length.map(|one| self.sum(&one))) else {
                return Held::One(Word {
                    unknown: Some(unknown("${…:…}")),
                    many: true,
                    ..Word::default()
                });
            };
            let from = usize::try_from(from).unwrap_or(0).saturating_sub(1);
            let length = length.flatten().and_then(|length| usize::try_from(length).ok());
            let words = words.iter().skip(from).take(length.unwrap_or(WORDS_MAX)).cloned();
            return Held::Many(words.collect());
        }
        match held {
            Held::One(word) => Held::One(self.changed_word(unit, word, change)),
            Held::Many(words) => Held::Many(
                words.into_iter().map(|word| self.changed_word(unit, word, change)).collect(),
            ),
        }
    }

    fn changed_word(&mut self, unit: &Rc<Unit>, word: Word, change: &Change) -> Word {
        if word.unknown.is_some() {
            return word;
        }
        let mut why = None;
        let mut text = |shell: &mut Self, parts: &[Part]| {
            let output = shell.text(unit, parts);
            why = why.take().or(output.unknown);
            output.text
        };
        if word.text.len() > CHANGED_BYTES_MAX {
            return Word { unknown: Some("this is a long text".to_owned()), ..word };
        }
        let changed = match change {
            Change::Trim { front, longest, pattern } => {
                let mut pattern = text(self, pattern);
                pattern.truncate(short(&pattern));
                self.steps += (word.text.len() * word.text.len() * (pattern.len() + 1)) >> 16;
                pattern::trim(&pattern, &word.text, *front, *longest).to_owned()
            }
            Change::Replace { all, pattern, with } => {
                let (mut pattern, with) = (text(self, pattern), text(self, with));
                pattern.truncate(short(&pattern));
                self.steps += (word.text.len() * word.text.len() * (pattern.len() + 1)) >> 16;
                pattern::replace(&pattern, &word.text, &with, *all)
            }
            Change::Slice { from, length } => {
                let from = text(self, from);
                let length = length.as_ref().map(|length| text(self, length));
                let number = |text: &str| evaluate(text, &|_| None);
                let length = match length.as_deref() {
                    None => Ok(None),
                    Some(text) => number(text).map(Some).ok_or(()),
                };
                let slice = slice(&word.text, number(&from), length);
                slice.unwrap_or_else(|| {
                    why = Some(unknown("${…:…}"));
                    String::new()
                })
            }
            Change::Case { upper, all } => case(&word.text, *upper, *all),
            _ => word.text.clone(),
        };
        Word { text: changed, unknown: why, ..word }
    }
}

/// How a variable is shown.
fn shown(name: &str) -> String {
    if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
    {
        name.to_owned()
    } else {
        format!("${name}")
    }
}

/// What is in quotes is a word, if it is not just `"$@"`, which may be none.
fn fields_start(fields: &mut Fields, parts: &[Part]) {
    let several = |part: &Part| match part {
        Part::Variable(one) => one.name == "@" || matches!(one.index, Some(Index::Each)),
        _ => false,
    };
    if !(parts.len() == 1 && parts.iter().all(several)) {
        fields.add("", None);
    }
}

/// As much of a pattern as is used.
fn short(pattern: &str) -> usize {
    let ends = pattern.char_indices().map(|(at, _)| at).chain([pattern.len()]);
    ends.take_while(|at| *at <= 128).last().unwrap_or(0)
}

fn is_joined(parameter: &Parameter) -> bool {
    parameter.name == "*" || matches!(parameter.index, Some(Index::Joined))
}

/// Several words as one, with spaces between them.
fn joined(held: &Held) -> Word {
    match held {
        Held::One(word) => Word { many: false, ..word.clone() },
        Held::Many(words) => {
            let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            let unknown = words.iter().find_map(|word| word.unknown.clone());
            Word { text: texts.join(" "), unknown, ..Word::default() }
        }
    }
}

fn length(number: usize) -> Held {
    Held::One(Word::known(number.to_string(), Span::default()))
}

fn slice(text: &str, from: Option<i64>, length: Result<Option<i64>, ()>) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    let count = i64::try_from(chars.len()).ok()?;
    let from = from?;
    let from = if from < 0 { (count + from).max(0) } else { from.min(count) };
    let to = match length.ok()? {
        None => count,
        Some(length) => {
            if length < 0 {
                count + length
            } else {
                from.saturating_add(length).min(count)
            }
        }
    };
    let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
    Some(chars.get(from..to.max(from))?.iter().collect())
}

fn case(text: &str, upper: bool, all: bool) -> String {
    let change = |text: &str| if upper { text.to_uppercase() } else { text.to_lowercase() };
    if all {
        return change(text);
    }
    let width = text.chars().next().map_or(0, char::len_utf8);
    let (first, rest) = text.split_at(width);
    change(first) + rest
}

/// The first `{a,b}` or `{1..3}` of a word: in which part, and what that part may be.
fn braces(parts: &[Part]) -> Option<(usize, Vec<String>)> {
    for (index, part) in parts.iter().enumerate() {
        let Part::Bare(text) = part else { continue };
        let Some((before, rest)) = text.split_once('{') else { continue };
        let Some((inner, behind)) = rest.split_once('}') else { continue };
        let choices: Vec<String> = if let Some((low, high)) = inner.split_once("..") {
            let (Ok(low), Ok(high)) = (low.parse::<i64>(), high.parse::<i64>()) else { continue };
            if high.checked_sub(low).is_none_or(|count| !(0..RANGE_MAX).contains(&count)) {
                continue;
            }
            (low..=high).map(|number| number.to_string()).collect()
        } else if inner.contains(',') {
            inner.split(',').map(str::to_owned).collect()
        } else {
            continue;
        };
        return Some((
            index,
            choices.iter().map(|choice| format!("{before}{choice}{behind}")).collect(),
        ));
    }
    None
}
