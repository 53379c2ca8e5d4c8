//! Simple commands: functions, what the shell itself does, filters, and other programs.

use std::rc::Rc;

use watershed_topology::source::{FileId, Span};

use super::condition::judge;
use super::filters::{cut, escaped, translate};
use super::state::{Flow, Held, Output, Shell, unknown};
use super::syntax::{Command, Direction, Origin, Set, Unit, Word as Written};
use crate::word::{MARK, Word};

/// What the shell itself makes of a command.
enum Done {
    /// It was done, with this exit code as far as it is known.
    Here(Option<bool>),
    /// It is another program.
    No,
}

/// Words that stand in front of a command without being it.
const PREFIXES: &[&str] = &["exec", "command", "builtin", "sudo", "nohup", "time", "then", "do"];

impl Shell<'_> {
    pub(super) fn simple(
        &mut self,
        unit: &Rc<Unit>,
        command: &Command,
        sets: &[Set],
        written: &[Written],
    ) -> Option<bool> {
        let span = unit.place(command.start, command.end);
        self.redirected(unit, command);
        let mut words = self.words(unit, written);
        while words.len() > 1
            && words.first().is_some_and(|word| PREFIXES.contains(&word.text.as_str()))
        {
            words.remove(0);
        }
        let first = words.first().cloned()?;
        let name = first.get().unwrap_or_default().to_owned();
        if matches!(name.as_str(), "local" | "export" | "readonly" | "declare" | "typeset") {
            self.declare(unit, &name, sets, &words);
            return Some(true);
        }
        // Variables before a command hold for it alone.
        let mut saved = Vec::new();
        for set in sets {
            saved.push((set.name.clone(), self.variables.get(&set.name).cloned()));
        }
        self.sets(unit, sets);
        let status = if self.functions.contains_key(&name) {
            self.call(&name, words.get(1..).unwrap_or_default().to_vec())
        } else {
            match self.builtin(unit, &name, &words) {
                Done::Here(status) => status,
                Done::No => self.program(unit, command, written, &words, span),
            }
        };
        for (name, held) in saved {
            match held {
                Some(held) => self.variables.insert(name, held),
                None => self.variables.remove(&name),
            };
        }
        status
    }

    /// A sign that was not quoted: `--subjects=a.>`.
    fn redirected(&mut self, unit: &Rc<Unit>, command: &Command) {
        for redirect in &command.redirects {
            if let Direction::Out { append: false, both: false, .. } = &redirect.kind
                && redirect.touching
                && redirect.from.is_none()
            {
                let span = unit.place(redirect.start, redirect.start + 1);
                self.importer.tool.unquoted.push(span);
            }
        }
    }

    fn declare(&mut self, unit: &Rc<Unit>, name: &str, sets: &[Set], words: &[Word]) {
        let bare = words.iter().skip(1).filter(|word| !word.text.starts_with('-'));
        let bare: Vec<String> = bare.map(|word| word.text.clone()).collect();
        if name == "local" || name == "declare" || name == "typeset" {
            let names: Vec<String> =
                sets.iter().map(|set| set.name.clone()).chain(bare.iter().cloned()).collect();
            for name in names {
                let before = self.variables.get(&name).cloned();
                if let Some(locals) = self.locals.last_mut() {
                    locals.push((name, before));
                }
            }
            for name in bare {
                self.variables.insert(name, Held::One(Word::default()));
            }
        }
        self.sets(unit, sets);
    }

    /// What the shell itself does, and filters. `None` for other programs.
    fn builtin(&mut self, unit: &Rc<Unit>, name: &str, words: &[Word]) -> Done {
        let rest = words.get(1..).unwrap_or_default();
        let known = |index: usize| rest.get(index).and_then(Word::get);
        Done::Here(match name {
            "true" | ":" => Some(true),
            "false" => Some(false),
            "sleep" | "cd" | "mkdir" | "chmod" | "trap" | "umask" | "wait" | "hash" => Some(true),
            "echo" => Some(self.echo(rest)),
            "printf" => self.printf(rest),
            "cat" => Some(self.cat(rest)),
            "[" | "test" => {
                let inner = rest.split_last().filter(|(last, _)| last.text == "]");
                judge(inner.map_or(rest, |(_, inner)| inner), false)
            }
            "set" => Some(self.arguments_set(rest)),
            "shift" => self.shift(known(0)),
            "unset" => {
                for word in rest {
                    self.variables.insert(word.text.clone(), Held::One(Word::default()));
                }
                Some(true)
            }
            "read" => self.read(rest),
            "mapfile" | "readarray" => self.lines(rest),
            "getopts" => {
                for name in rest.iter().skip(1).map(|word| word.text.as_str()).chain(["OPTARG"]) {
                    let why = Some(unknown(name));
                    self.variables.insert(
                        name.to_owned(),
                        Held::One(Word { unknown: why, ..Word::default() }),
                    );
                }
                None
            }
            "break" | "continue" => {
                self.leave(if name == "break" { Flow::Break } else { Flow::Continue });
                Some(true)
            }
            "return" | "exit" => {
                let status = known(0).map_or(self.status, |code| Some(code == "0"));
                self.leave(if name == "return" { Flow::Return } else { Flow::Exit });
                self.status = status;
                status
            }
            "eval" => self.eval(unit, rest),
            "source" | "." => self.source(rest),
            "basename" | "dirname" | "cut" | "tr" | "seq" | "tee" | "head" => {
                self.filter(name, rest)
            }
            "sh" | "bash" | "ash" | "/bin/sh" | "/bin/bash" | "zsh" if rest.is_empty() => {
                let Some(Some(input)) = self.inputs.last().cloned() else {
                    return Done::Here(None);
                };
                if input.whole.unknown.is_some() {
                    return Done::Here(None);
                }
                self.inner(&input.whole.text, Origin::Within(input.span), unit, None)
            }
            _ => return Done::No,
        })
    }

    fn echo(&mut self, words: &[Word]) -> bool {
        let mut words = words;
        let mut line = true;
        let mut escapes = false;
        while let [first, rest @ ..] = words
            && matches!(first.text.as_str(), "-n" | "-e" | "-ne" | "-en" | "-E")
        {
            line &= !first.text.contains('n');
            escapes |= first.text.contains('e');
            words = rest;
        }
        for (index, word) in words.iter().enumerate() {
            let text = if escapes { escaped(&word.text) } else { word.text.clone() };
            self.print(if index > 0 { " " } else { "" }, None);
            self.print(&text, word.unknown.as_ref());
        }
        self.print(if line { "\n" } else { "" }, None);
        true
    }

    /// The format is used again while there are words.
    fn printf(&mut self, words: &[Word]) -> Option<bool> {
        if let [flag, name, rest @ ..] = words
            && flag.text == "-v"
        {
            let (_, output) = self.capture(|shell| shell.printf(rest));
            let word = Word { text: output.text, unknown: output.unknown, ..name.clone() };
            self.set(&name.text, Held::One(word));
            return Some(true);
        }
        let skip = usize::from(words.first().is_some_and(|word| word.text == "--"));
        let (format, mut rest) = words.get(skip..)?.split_first()?;
        if let Some(why) = &format.unknown {
            self.print("", Some(why));
            return Some(true);
        }
        loop {
            let before = rest.len();
            let mut chars = format.text.chars().peekable();
            let mut plain = String::new();
            while let Some(c) = chars.next() {
                if c != '%' {
                    plain.push(c);
                    continue;
                }
                self.print(&escaped(&plain), None);
                plain.clear();
                while chars.peek().is_some_and(|c| c.is_ascii_digit() || "-.+ ".contains(*c)) {
                    chars.next();
                }
                match chars.next() {
                    Some('%') | None => plain.push('%'),
                    Some(_) => {
                        if let Some((word, behind)) = rest.split_first() {
                            self.print(&word.text, word.unknown.as_ref());
                            rest = behind;
                        }
                    }
                }
            }
            self.print(&escaped(&plain), None);
            if rest.is_empty() || rest.len() == before {
                return Some(true);
            }
            self.steps += 1;
        }
    }

    fn input_rest(&mut self) -> Option<Output> {
        let input = self.inputs.last_mut()?.as_mut()?;
        let text = input.whole.text.get(input.at..).unwrap_or_default().to_owned();
        input.at = input.whole.text.len();
        Some(Output { text, unknown: input.whole.unknown.clone() })
    }

    fn cat(&mut self, words: &[Word]) -> bool {
        let files: Vec<&Word> =
            words.iter().filter(|word| !word.text.starts_with('-') || word.text == "-").collect();
        if files.is_empty() || files.iter().any(|file| file.text == "-") {
            let output = self
                .input_rest()
                .unwrap_or_else(|| Output { unknown: Some(unknown("stdin")), ..Output::default() });
            self.print(&output.text, output.unknown.as_ref());
        }
        for file in files.iter().filter(|file| file.text != "-") {
            match file.get().and_then(|path| self.read_file(path)) {
                Some((output, _)) => self.print(&output.text, output.unknown.as_ref()),
                None => self.print("", Some(&unknown(&file.text))),
            }
        }
        true
    }

    /// A file that the script wrote, or that was given beside it.
    pub(super) fn read_file(&self, path: &str) -> Option<(Output, Option<Span>)> {
        if let Some(output) = self.written.get(path) {
            return Some((output.clone(), None));
        }
        let file = self.beside(path)?;
        let text = self.sources.file(file).text.clone();
        Some((Output { text, unknown: None }, Some(Span { file, start: 0, end: 0 })))
    }

    /// The file that a path leads to: one whose name ends like it, if there is just one.
    fn beside(&self, path: &str) -> Option<FileId> {
        let path = path.trim_start_matches("./").rsplit("../").next()?;
        let ends = |file: &&FileId| {
            let name = &self.sources.file(**file).name;
            name == path || name.strip_suffix(path).is_some_and(|front| front.ends_with('/'))
        };
        let mut found = self.given.iter().filter(ends);
        found.next().copied().filter(|_| found.next().is_none())
    }

    fn arguments_set(&mut self, rest: &[Word]) -> bool {
        if let Some(at) = rest.iter().position(|word| word.text == "--") {
            self.arguments = Some(rest.get(at + 1..).unwrap_or_default().to_vec());
        } else if rest.first().is_some_and(|word| !word.text.starts_with(['-', '+'])) {
            self.arguments = Some(rest.to_vec());
        }
        true
    }

    fn shift(&mut self, by: Option<&str>) -> Option<bool> {
        let by = by.map_or(1, |by| by.parse().unwrap_or(0));
        let arguments = self.arguments.as_mut()?;
        if arguments.iter().take(by).any(|word| word.many) {
            return None;
        }
        if by > arguments.len() {
            return Some(false);
        }
        arguments.drain(..by);
        Some(true)
    }

    fn read(&mut self, words: &[Word]) -> Option<bool> {
        let names: Vec<&Word> = words.iter().filter(|word| !word.text.starts_with('-')).collect();
        let list = words.iter().any(|word| word.text.starts_with('-') && word.text.contains('a'));
        let separators = match self.variables.get("IFS") {
            Some(Held::One(word)) if word.unknown.is_none() => word.text.clone(),
            _ => " \t\n".to_owned(),
        };
        let input = self.inputs.last_mut().and_then(Option::as_mut);
        let line = match input {
            Some(input)
                if input.whole.text.contains(|c: char| c != MARK && !c.is_whitespace())
                    || input.whole.unknown.is_none() =>
            {
                let rest = input.whole.text.get(input.at..).unwrap_or_default();
                if rest.is_empty() {
                    return Some(false);
                }
                let line = rest.split('\n').next().unwrap_or_default().to_owned();
                input.at = (input.at + line.len() + 1).min(input.whole.text.len());
                Some((line, input.span, input.whole.unknown.clone()))
            }
            _ => None,
        };
        let Some((line, span, why)) = line else {
            for name in names {
                let word = Word { unknown: Some(unknown(&name.text)), ..Word::default() };
                self.variables.insert(name.text.clone(), Held::One(word));
            }
            return None;
        };
        let trimmed = if separators.contains(' ') { line.trim() } else { line.as_str() };
        if list {
            let items = trimmed.split(|c| separators.contains(c)).filter(|item| !item.is_empty());
            let items = items.map(|item| Word::known(item, span)).collect();
            if let Some(name) = names.first() {
                self.variables.insert(name.text.clone(), Held::Many(items));
            }
            return Some(true);
        }
        let mut rest = trimmed;
        for (index, name) in names.iter().enumerate() {
            let end = rest.find(|c| separators.contains(c)).filter(|_| index + 1 < names.len());
            let (value, behind) = rest.split_at(end.unwrap_or(rest.len()));
            let width = behind.chars().next().map_or(0, char::len_utf8);
            rest = behind.get(width..).unwrap_or_default();
            if separators.contains(' ') {
                rest = rest.trim_start();
            }
            let unknown = why.clone().filter(|_| value.contains(MARK));
            self.set(&name.text, Held::One(Word { unknown, ..Word::known(value, span) }));
        }
        Some(true)
    }

    /// `mapfile -t LIST`.
    fn lines(&mut self, words: &[Word]) -> Option<bool> {
        let name = words.iter().rfind(|word| !word.text.starts_with('-'))?.text.clone();
        let span = words.first()?.span;
        let held = match self.input_rest() {
            Some(Output { text, unknown: None }) => {
                Held::Many(text.lines().map(|line| Word::known(line, span)).collect())
            }
            _ => Held::One(Word { unknown: Some(unknown(&name)), many: true, ..Word::default() }),
        };
        self.variables.insert(name, held);
        Some(true)
    }

    fn eval(&mut self, unit: &Rc<Unit>, words: &[Word]) -> Option<bool> {
        let span = words.first()?.span;
        if let [word] = words
            && word.text.chars().all(|c| c == MARK)
        {
            return None;
        }
        let why = words.iter().find_map(|word| word.unknown.clone());
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        self.inner(&texts.join(" "), Origin::Within(span), unit, why)
    }

    fn source(&mut self, words: &[Word]) -> Option<bool> {
        let word = words.first()?;
        let path = match word.unknown {
            None => word.text.clone(),
            // A folder that is not known: the name is.
            Some(_) => word.text.rsplit('/').next()?.to_owned(),
        };
        let Some(file) = self.beside(&path).filter(|_| !path.is_empty()) else {
            let message = format!(
                "`{path}` is not among the files that were given: what it sets is not known"
            );
            if !self.importer.tool.sourced.contains(&path) {
                self.importer.tool.sourced.push(path);
                self.importer.findings.skipped(word.span, message);
            }
            return None;
        };
        let text = self.sources.file(file).text.clone();
        self.steps += 1 + text.len() / 1024;
        if self.depth > 16 {
            return None;
        }
        let inner = Rc::new(super::parse::parse(file, &text, Origin::At(0)));
        self.depth += 1;
        let status = self.within(|shell| shell.list(&inner, &inner.list));
        self.depth -= 1;
        status
    }

    /// Filters that scripts build lists with.
    fn filter(&mut self, name: &str, words: &[Word]) -> Option<bool> {
        let why = words.iter().find_map(|word| word.unknown.clone());
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let made = match (name, texts.as_slice()) {
            ("basename", [path, end @ ..]) => {
                let base = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                Some(
                    base.strip_suffix(end.first().copied().unwrap_or_default())
                        .unwrap_or(base)
                        .to_owned(),
                )
            }
            ("dirname", [path]) => Some(
                path.trim_end_matches('/')
                    .rsplit_once('/')
                    .map_or(".", |(front, _)| front)
                    .to_owned(),
            ),
            ("seq", numbers) => {
                let numbers: Option<Vec<i64>> =
                    numbers.iter().map(|one| one.parse().ok()).collect();
                let (low, high) = match numbers?.as_slice() {
                    [high] => (1, *high),
                    [low, high] => (*low, *high),
                    _ => (0, i64::MAX),
                };
                let fits = high.checked_sub(low).is_some_and(|count| count < 1000);
                fits.then(|| (low..=high).map(|one| one.to_string()).collect::<Vec<_>>().join("\n"))
            }
            ("cut" | "tr", arguments) => {
                let input = self.input_rest()?;
                if input.unknown.is_some() {
                    self.print("", input.unknown.as_ref());
                    return Some(true);
                }
                let input = input.text.trim_end_matches('\n').to_owned();
                if name == "cut" { cut(&input, arguments) } else { translate(&input, arguments) }
            }
            ("tee" | "head", _) => {
                self.input_rest().filter(|one| one.unknown.is_none()).map(|one| one.text)
            }
            _ => None,
        };
        match (made, why) {
            (Some(text), None) => self.print(&(text + "\n"), None),
            (_, why) => {
                self.print("", Some(&why.unwrap_or_else(|| unknown(&format!("$({name} …)")))));
            }
        }
        Some(true)
    }
}
