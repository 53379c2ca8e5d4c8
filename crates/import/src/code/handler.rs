//! Handlers of messages that never acknowledge one. Only where the whole of a handler can be seen: what hands its
//! message to somebody else may acknowledge there.

use watershed_topology::source::{SourceMap, Span};

use super::syntax::{Argument, Each, Expr, Function, Kind, Stmt, Target};
use super::value::{Value, What};

/// What a handler may ask a message for without it being acknowledged. With anything else it may be.
const READS: &[&str] = &[
    "data",
    "Data",
    "subject",
    "Subject",
    "headers",
    "Headers",
    "header",
    "Header",
    "metadata",
    "Metadata",
    "json",
    "string",
    "info",
    "sid",
    "seq",
    "redelivered",
];

/// Parts of names by which something may acknowledge, in whatever way.
const WORDS: &[&str] = &["ack", "nak", "term", "progress", "respond", "reply"];

/// Whether a handler is known as a whole, and acknowledges nothing on any path.
pub(super) fn never_acknowledges(sources: &SourceMap, handler: &Value) -> bool {
    let What::Function(bound) = &handler.what else { return false };
    let function = &bound.function;
    let [message] = function.parameters.as_slice() else { return false };
    if message.rest || message.name.is_empty() || message.default.is_some() {
        return false;
    }
    let mut look = Look { name: &message.name, escapes: false, place: None };
    look.statements(&function.body);
    let Some(place) = look.place.filter(|_| !look.escapes) else { return false };
    // Whatever was not understood of it stands there as text.
    let text = &sources.file(place.file).text;
    let Some(body) = text.get(place.start as usize..place.end as usize) else { return false };
    !is_decorated(text, function) && !WORDS.iter().any(|word| body.to_lowercase().contains(word))
}

/// Whether something is put around a function that may acknowledge behind it.
fn is_decorated(text: &str, function: &Function) -> bool {
    if function.name.is_empty() {
        return false;
    }
    let definition = format!("def {}(", function.name);
    let mut before = "";
    for line in text.lines().map(str::trim) {
        let plain = line.strip_prefix("async ").unwrap_or(line);
        if plain.starts_with(&definition) && (before.starts_with('@') || before.starts_with(')')) {
            return true;
        }
        if !line.is_empty() {
            before = line;
        }
    }
    false
}

/// Looks for what becomes of a name.
struct Look<'n> {
    name: &'n str,
    /// Whether it goes where it is not followed.
    escapes: bool,
    /// From the first expression to the last one.
    place: Option<Span>,
}

impl Look<'_> {
    fn statements(&mut self, all: &[Stmt]) {
        for one in all {
            self.statement(one);
        }
    }

    fn statement(&mut self, one: &Stmt) {
        match one {
            Stmt::Assign(target, value) => {
                self.target(target);
                self.expr(value);
            }
            Stmt::Add(one, other) => {
                self.expr(one);
                self.expr(other);
            }
            Stmt::Expr(one) | Stmt::Return(Some(one)) => self.expr(one),
            Stmt::For(target, items, body) => {
                self.target(target);
                self.expr(items);
                self.statements(body);
            }
            Stmt::Branches(condition, branches) => {
                if let Some(condition) = condition {
                    self.expr(condition);
                }
                for branch in branches {
                    self.statements(branch);
                }
            }
            Stmt::Block(inner) => self.statements(inner),
            // What is defined in it may take the message anywhere.
            Stmt::Function(_) | Stmt::Class(_) | Stmt::Import(..) => self.escapes = true,
            Stmt::Return(None) => {}
        }
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::One(one) => self.expr(one),
            Target::Several(all) => all.iter().for_each(|one| self.target(one)),
            Target::Nothing => {}
        }
    }

    fn expr(&mut self, one: &Expr) {
        let place = self.place.get_or_insert(one.span);
        if place.file != one.span.file {
            self.escapes = true;
        }
        place.start = place.start.min(one.span.start);
        place.end = place.end.max(one.span.end);
        match &one.kind {
            Kind::Name(name) => self.escapes |= name == self.name,
            Kind::Member(base, word) => match &base.kind {
                Kind::Name(name) if name == self.name => {
                    self.escapes |= !READS.contains(&word.as_str());
                }
                _ => self.expr(base),
            },
            Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) | Kind::Text(_) => {}
            Kind::Joined(all) | Kind::List(all) | Kind::Other(all) => self.all(all),
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    if let Some(key) = key {
                        self.expr(key);
                    }
                    self.expr(value);
                }
            }
            Kind::Make(_, fields) => fields.iter().for_each(|field| self.expr(&field.value)),
            Kind::Index(one, other) | Kind::Binary(_, one, other) | Kind::Otherwise(one, other) => {
                self.expr(one);
                self.expr(other);
            }
            Kind::Call(call) => {
                self.expr(&call.callee);
                for Argument { value, .. } in &call.arguments {
                    self.expr(value);
                }
            }
            Kind::Minus(one) | Kind::Spread(one) => self.expr(one),
            Kind::Choice(condition, one, other) => {
                self.expr(condition);
                self.expr(one);
                self.expr(other);
            }
            Kind::Each(each) => {
                let Each { target, items, value } = each.as_ref();
                self.target(target);
                self.expr(items);
                self.expr(value);
            }
            Kind::Function(_) => self.escapes = true,
        }
    }

    fn all(&mut self, all: &[Expr]) {
        for one in all {
            self.expr(one);
        }
    }
}
