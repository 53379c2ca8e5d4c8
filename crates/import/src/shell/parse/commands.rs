//! Commands: lists, pipelines, loops, conditions, functions.

use std::rc::Rc;

use super::super::syntax::{
    Command, Direction, Item, Kind, List, Part, Pipeline, Redirect, Set, Then, Value, Word,
};
use super::reader::{DEPTH_MAX, Parser, Pending, is_name};
use super::words::Ends;

/// Words that end the list that they stand in, where they are expected.
const CLOSING: &[&str] = &["then", "else", "elif", "fi", "do", "done", "esac", "}"];

impl Parser<'_> {
    /// The whole text.
    pub(super) fn script(&mut self) -> List {
        let mut list = Vec::new();
        while self.at < self.end && !self.is_stopped() {
            let before = self.at;
            list.append(&mut self.list(&[]));
            if self.at < self.end {
                self.fault(self.at, "this closes what is not open");
                self.at += 1;
                if self.at == before {
                    break;
                }
            }
        }
        list
    }

    /// Items until one of these words, or a sign that ends a list.
    pub(super) fn list(&mut self, ends: &[&str]) -> List {
        let mut list = Vec::new();
        loop {
            self.separators();
            if self.peek().is_none() || self.sees(";;") || self.sees(";&") {
                return list;
            }
            if self.peek() == Some(b')') {
                return list;
            }
            if ends.iter().any(|end| self.sees_word(end)) {
                return list;
            }
            if let Some(word) = CLOSING.iter().find(|word| self.sees_word(word)) {
                // Somebody further out waits for it, or nobody does.
                if self.depth > 0 {
                    return list;
                }
                self.fault(self.at, "this closes what is not open");
                self.at += word.len();
                continue;
            }
            let before = self.at;
            match self.item() {
                Some(item) => list.push(item),
                None if self.at == before => {
                    self.fault(self.at, "this is not understood as shell");
                    self.at += self.width();
                    self.skip_line();
                }
                None => {}
            }
        }
    }

    /// Line ends and `;`, `&`, and the documents that come with a line end.
    fn separators(&mut self) {
        loop {
            self.blanks();
            match self.peek() {
                Some(b'\n') => self.line_end(),
                Some(b';') if !self.sees(";;") && !self.sees(";&") => self.at += 1,
                Some(b'&') if !self.sees("&&") && !self.sees("&>") => self.at += 1,
                _ => return,
            }
        }
    }

    pub(super) fn line_end(&mut self) {
        self.at += 1;
        for pending in std::mem::take(&mut self.pending) {
            self.document(&pending);
        }
    }

    fn line_ends(&mut self) {
        loop {
            self.blanks();
            if self.peek() != Some(b'\n') {
                return;
            }
            self.line_end();
        }
    }

    /// The body of a here-document, which begins here.
    fn document(&mut self, pending: &Pending) {
        let start = self.at;
        let (mut at, mut end) = (start, self.end);
        loop {
            let rest = self.slice(at, self.end);
            let line = rest.split('\n').next().unwrap_or_default();
            let shown = if pending.tabs { line.trim_start_matches('\t') } else { line };
            let next = at + line.len() + 1;
            if shown.trim_end_matches('\r') == pending.end {
                end = at;
                self.at = next.min(self.end);
                break;
            }
            if next > self.end || rest.is_empty() {
                self.fault(start, "a here-document that is not closed");
                self.at = self.end;
                break;
            }
            at = next;
        }
        let mut parts = if pending.literal {
            vec![Part::Plain(self.slice(start, end).to_owned())]
        } else {
            self.within(start, end)
        };
        if pending.tabs {
            for part in &mut parts {
                if let Part::Bare(text) | Part::Plain(text) = part {
                    let lines: Vec<&str> =
                        text.split('\n').map(|line| line.trim_start_matches('\t')).collect();
                    *text = lines.join("\n");
                }
            }
        }
        if let Some(document) = self.documents.get_mut(pending.number) {
            *document = Word { parts, start, end };
        }
    }

    fn item(&mut self) -> Option<Item> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            let then = if self.eat("&&") {
                Then::And
            } else if self.eat("||") {
                Then::Or
            } else {
                return Some(Item { first, rest });
            };
            self.line_ends();
            match self.pipeline() {
                Some(pipeline) => rest.push((then, pipeline)),
                None => return Some(Item { first, rest }),
            }
        }
    }

    fn pipeline(&mut self) -> Option<Pipeline> {
        self.blanks();
        let mut negated = false;
        loop {
            if self.eat_word("!") {
                negated = !negated;
            } else if self.sees_word("time") {
                self.at += 4;
            } else {
                break;
            }
            self.blanks();
        }
        let mut commands = vec![self.command()?];
        loop {
            self.blanks();
            if self.peek() != Some(b'|') || self.sees("||") {
                return Some(Pipeline { negated, commands });
            }
            self.at += 1;
            self.eat("&");
            self.line_ends();
            match self.command() {
                Some(command) => commands.push(command),
                None => return Some(Pipeline { negated, commands }),
            }
        }
    }

    fn command(&mut self) -> Option<Command> {
        self.blanks();
        let start = self.at;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.depth -= 1;
            self.too_deep();
            return None;
        }
        let mut redirects = Vec::new();
        let kind = self.compound().or_else(|| self.simple(&mut redirects));
        self.depth -= 1;
        let kind = kind?;
        loop {
            self.blanks();
            match self.redirect(false) {
                Some(redirect) => redirects.push(redirect),
                None => return Some(Command { kind, redirects, start, end: self.at }),
            }
        }
    }

    fn compound(&mut self) -> Option<Kind> {
        let start = self.at;
        let list = |parser: &mut Self, ends: &[&str]| parser.list(ends);
        if self.sees("((") {
            self.at += 2;
            if let Some(parts) = self.sum() {
                return Some(Kind::Arithmetic(Word { parts, start, end: self.at }));
            }
            self.at = start;
        }
        if self.eat("(") {
            let inner = list(self, &[")"]);
            self.close(")", start);
            return Some(Kind::Subshell(inner));
        }
        if self.eat_word("{") {
            let inner = list(self, &["}"]);
            self.close("}", start);
            return Some(Kind::Group(inner));
        }
        if self.eat_word("[[") {
            return Some(self.test());
        }
        if self.eat_word("if") {
            return Some(self.condition(start));
        }
        if self.sees_word("while") || self.sees_word("until") {
            let until = self.sees("until");
            self.at += 5;
            let condition = list(self, &["do"]);
            return Some(Kind::While { until, condition, body: self.body(start) });
        }
        if self.eat_word("for") || self.eat_word("select") {
            return Some(self.each(start));
        }
        if self.eat_word("case") {
            return self.case(start);
        }
        self.function()
    }

    fn close(&mut self, word: &str, opened: usize) {
        let closes = if word == ")" { self.eat(word) } else { self.eat_word(word) };
        if !closes {
            self.fault(opened, "this is not closed");
        }
    }

    /// `do … done`.
    fn body(&mut self, opened: usize) -> List {
        self.separators();
        if self.sees_word("{") {
            self.at += 1;
            let body = self.list(&["}"]);
            self.close("}", opened);
            return body;
        }
        if !self.eat_word("do") {
            self.fault(opened, "a loop without `do`");
            return Vec::new();
        }
        let body = self.list(&["done"]);
        self.close("done", opened);
        body
    }

    fn condition(&mut self, opened: usize) -> Kind {
        let (mut arms, mut otherwise) = (Vec::new(), None);
        loop {
            let condition = self.list(&["then"]);
            if !self.eat_word("then") {
                self.fault(opened, "a condition without `then`");
                break;
            }
            let body = self.list(&["elif", "else", "fi"]);
            arms.push((condition, body));
            if self.eat_word("elif") {
                continue;
            }
            if self.eat_word("else") {
                otherwise = Some(self.list(&["fi"]));
            }
            self.close("fi", opened);
            break;
        }
        Kind::If { arms, otherwise }
    }

    fn each(&mut self, opened: usize) -> Kind {
        self.blanks();
        if self.sees("((") {
            let start = self.at;
            self.at += 2;
            let inner = self.slice(self.at, self.end).find("))").unwrap_or(0);
            let mut parts: Vec<Word> = Vec::new();
            let mut at = self.at;
            for piece in self.slice(self.at, self.at + inner).split(';') {
                let end = at + piece.len();
                parts.push(Word { parts: self.within(at, end), start: at, end });
                at = end + 1;
            }
            self.at += inner;
            if !self.eat("))") {
                self.fault(start, "this is not closed");
            }
            parts.resize_with(3, Word::default);
            let body = self.body(opened);
            let mut parts = parts.into_iter();
            let mut next = || parts.next().unwrap_or_default();
            return Kind::Count { parts: [next(), next(), next()], body };
        }
        let start = self.at;
        self.word();
        let name = self.slice(start, self.at).to_owned();
        self.line_ends();
        let mut words = None;
        if self.eat_word("in") {
            words = Some(self.words());
        }
        Kind::For { name, words, body: self.body(opened) }
    }

    /// Words up to the end of the command.
    fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        loop {
            self.blanks();
            match self.word() {
                Some(word) => words.push(word),
                None => return words,
            }
        }
    }

    fn case(&mut self, opened: usize) -> Option<Kind> {
        self.blanks();
        let word = self.word()?;
        self.line_ends();
        self.eat_word("in");
        let mut arms = Vec::new();
        loop {
            self.separators();
            if self.eat_word("esac") {
                return Some(Kind::Case { word, arms });
            }
            self.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                patterns.extend(self.word());
                self.blanks();
                if !self.eat("|") {
                    break;
                }
            }
            if !self.eat(")") {
                self.fault(opened, "a `case` that is not closed");
                return Some(Kind::Case { word, arms });
            }
            let body = self.list(&["esac"]);
            arms.push((patterns, body));
            let _ = self.eat(";;&") || self.eat(";;") || self.eat(";&");
        }
    }

    /// `[[ … ]]`: words, and signs as words.
    fn test(&mut self) -> Kind {
        let mut words = Vec::new();
        loop {
            self.blanks();
            let start = self.at;
            if self.eat_word("]]") || self.at >= self.end {
                return Kind::Test(words);
            }
            if self.peek() == Some(b'\n') {
                self.line_end();
                continue;
            }
            if let Some(word) = self.word() {
                words.push(word);
                continue;
            }
            // A sign, or a part of a regular expression.
            while self.peek().is_some_and(|byte| b"<>&|();".contains(&byte)) {
                self.at += 1;
            }
            if self.at == start {
                return Kind::Test(words);
            }
            let parts = vec![Part::Plain(self.slice(start, self.at).to_owned())];
            words.push(Word { parts, start, end: self.at });
        }
    }

    /// `name() …` or `function name …`.
    fn function(&mut self) -> Option<Kind> {
        let start = self.at;
        let keyword = self.eat_word("function");
        self.blanks();
        let from = self.at;
        while self.peek().is_some_and(|byte| {
            byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte) || byte >= 0x80
        }) {
            self.at += 1;
        }
        let name = self.slice(from, self.at).to_owned();
        self.blanks();
        let brackets = self.eat("(") && {
            self.blanks();
            self.eat(")")
        };
        if name.is_empty() || !(keyword || brackets) {
            self.at = start;
            return None;
        }
        self.line_ends();
        if let Some(body) = self.command() {
            Some(Kind::Function { name, body: Rc::new(body) })
        } else {
            self.at = if self.is_stopped() { self.end } else { start };
            None
        }
    }

    fn simple(&mut self, redirects: &mut Vec<Redirect>) -> Option<Kind> {
        let (mut sets, mut words) = (Vec::new(), Vec::new());
        loop {
            self.blanks();
            let touching = self
                .at
                .checked_sub(1)
                .and_then(|at| self.bytes.get(at))
                .is_some_and(|byte| !byte.is_ascii_whitespace() && !b";&|()".contains(byte))
                && !words.is_empty();
            if let Some(redirect) = self.redirect(touching) {
                redirects.push(redirect);
                continue;
            }
            if words.is_empty()
                && let Some(set) = self.set()
            {
                sets.push(set);
                continue;
            }
            let declares = words.first().is_some_and(|first: &Word| {
                let first = self.slice(first.start, first.end);
                matches!(first, "local" | "export" | "readonly" | "declare" | "typeset")
            });
            if declares && let Some(set) = self.set() {
                sets.push(set);
                continue;
            }
            match self.word() {
                Some(word) => words.push(word),
                None => break,
            }
        }
        let nothing = sets.is_empty() && words.is_empty() && redirects.is_empty();
        (!nothing).then_some(Kind::Simple { sets, words })
    }

    /// `NAME=value`, `NAME+=value`, `NAME=(…)`, `NAME[i]=value`.
    fn set(&mut self) -> Option<Set> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            self.at += 1;
        }
        let name = self.slice(start, self.at).to_owned();
        if is_name(&name) && self.peek() == Some(b'[') {
            // One item of a list: which one is not followed.
            while self.peek().is_some_and(|byte| byte != b']' && !byte.is_ascii_whitespace()) {
                self.at += 1;
            }
            if self.sees("]=") || self.sees("]+=") {
                self.eat("]");
                self.eat("+");
                self.eat("=");
                let from = self.at;
                self.parts(Ends::Word);
                let parts = vec![Part::Other("an item of a list")];
                let value = Value::Word(Word { parts, start: from, end: self.at });
                return Some(Set { name, append: false, value });
            }
            self.at = start;
            return None;
        }
        let append = self.sees("+=");
        if !is_name(&name) || !(append || self.peek() == Some(b'=')) {
            self.at = start;
            return None;
        }
        self.at += 1 + usize::from(append);
        let from = self.at;
        if self.eat("(") {
            let mut items = Vec::new();
            loop {
                self.line_ends();
                match self.word() {
                    Some(word) => items.push(word),
                    None => break,
                }
            }
            self.close(")", from);
            return Some(Set { name, append, value: Value::List(items) });
        }
        let parts = self.parts(Ends::Word);
        let value = Value::Word(Word { parts, start: from, end: self.at });
        Some(Set { name, append, value })
    }

    fn redirect(&mut self, touching: bool) -> Option<Redirect> {
        let start = self.at;
        let mut digits = 0;
        while self.ahead(digits).is_some_and(|byte| byte.is_ascii_digit()) {
            digits += 1;
        }
        let numbered = digits == 1 && matches!(self.ahead(digits), Some(b'<' | b'>'));
        let number = self.ahead(0).filter(|_| numbered).map(|byte| byte - b'0');
        self.at += usize::from(numbered);
        let both = self.sees("&>");
        if self.sees("<(") || self.sees(">(") {
            self.at = start;
            return None;
        }
        let kind = if both {
            self.at += 2;
            let append = self.eat(">");
            self.target().map(|to| Direction::Out { to, append, both: true })
        } else if self.eat("<<<") {
            self.target().map(Direction::Text)
        } else if self.sees("<<") {
            Some(self.here())
        } else if self.eat(">&") || self.eat("<&") {
            self.target().map(|_| Direction::Same)
        } else if self.eat(">>") {
            self.target().map(|to| Direction::Out { to, append: true, both: false })
        } else if self.eat(">") {
            self.eat("|");
            self.target().map(|to| Direction::Out { to, append: false, both: false })
        } else if self.eat("<") {
            self.eat(">");
            self.target().map(Direction::In)
        } else {
            None
        };
        let Some(kind) = kind else {
            self.at = start;
            return None;
        };
        Some(Redirect { from: number, kind, start, touching })
    }

    fn target(&mut self) -> Option<Word> {
        self.blanks();
        self.word()
    }

    /// `<<END`, whose body comes after this line.
    fn here(&mut self) -> Direction {
        self.at += 2;
        let tabs = self.eat("-");
        self.blanks();
        let start = self.at;
        self.word();
        let written = self.slice(start, self.at);
        let literal = written.contains(['\'', '"', '\\']);
        let end = written.replace(['\'', '"', '\\'], "");
        let number = self.documents.len();
        self.documents.push(Word::default());
        self.pending.push(Pending { number, end, tabs, literal });
        Direction::Document(number)
    }
}
