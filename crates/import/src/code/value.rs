//! Values as far as they are known without running a program.

use std::rc::Rc;

use watershed_topology::source::Span;

use super::syntax::{Class, Function};
use crate::word::MARK;

/// Longest text that is put together, in bytes.
pub(super) const TEXT_MAX: usize = 16 << 10;

/// Most items of a list or a mapping.
pub(super) const ITEMS_MAX: usize = 10_000;

/// Values in each other, as lists of lists, or calls on what calls gave.
const DEPTH_MAX: u8 = 120;

/// A value, and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) what: What,
    pub(super) span: Span,
    /// Values in each other.
    depth: u8,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// Not known here. What stands at its place says what it is.
    Unknown,
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// Nanoseconds that are known to be a time.
    Duration(i128),
    /// [`MARK`] stands for each part that is not known; then where the first of them is.
    Text(Rc<str>, Option<Span>),
    List(Rc<Vec<Value>>),
    Made(Rc<Made>),
    /// Something that is not defined in the program: `StorageType`.
    Name(Rc<str>),
    /// A part of such a thing: `StorageType.FILE`.
    Member(Rc<Value>, Rc<str>),
    /// What such a thing returns.
    Called(Rc<Called>),
    Function(Rc<Bound>),
    Class(Rc<Class>, usize),
    Module(usize),
}

/// A mapping, or an object.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    /// What it is one of; nothing for a mapping.
    pub(super) kind: String,
    pub(super) class: Option<(Rc<Class>, usize)>,
    pub(super) fields: Vec<Entry>,
    /// Where it takes in something that is not known.
    pub(super) open: Option<Span>,
}

/// A field of a mapping or an object.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: Rc<str>,
    pub(super) name_span: Span,
    pub(super) value: Value,
}

/// A call of something that is not defined in the program.
#[derive(Debug, Clone)]
pub(super) struct Called {
    pub(super) callee: Value,
    pub(super) arguments: Vec<Given>,
}

/// An argument of a call.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) name: Option<Rc<str>>,
    pub(super) name_span: Span,
    pub(super) value: Value,
}

/// A function, and the module that it stands in.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) function: Rc<Function>,
    pub(super) module: usize,
    /// Whether it sees what is around it.
    pub(super) inner: bool,
    /// The object that it is called on.
    pub(super) this: Option<Value>,
}

impl Value {
    /// A value; one that has too many in each other is not known.
    pub(super) fn new(what: What, span: Span) -> Self {
        let of = |value: &Self| value.depth.saturating_add(1);
        let deepest = |all: &mut dyn Iterator<Item = &Self>| all.map(of).max().unwrap_or(0);
        let depth = match &what {
            What::List(items) => deepest(&mut items.iter()),
            What::Made(made) => deepest(&mut made.fields.iter().map(|entry| &entry.value)),
            What::Member(base, _) => of(base),
            What::Called(called) => {
                let arguments = called.arguments.iter().map(|given| &given.value);
                deepest(&mut arguments.chain([&called.callee]))
            }
            What::Function(bound) => bound.this.as_ref().map_or(0, of),
            _ => 0,
        };
        if depth > DEPTH_MAX {
            return Self::unknown(span);
        }
        Self { what, span, depth }
    }

    pub(super) fn unknown(span: Span) -> Self {
        Self { what: What::Unknown, span, depth: 0 }
    }

    pub(super) fn known(text: &str, span: Span) -> Self {
        Self::new(What::Text(text.into(), None), span)
    }

    /// The text, if all of it is known.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.what {
            What::Text(text, None) => Some(text),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> Option<&[Self]> {
        match &self.what {
            What::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn made(&self) -> Option<&Made> {
        match &self.what {
            What::Made(made) => Some(made),
            _ => None,
        }
    }

    /// The last name of a path or a call: `FILE` of `nats.StorageType.FILE`.
    pub(super) fn last(&self) -> Option<&str> {
        match &self.what {
            What::Name(name) | What::Member(_, name) => Some(name),
            What::Called(called) => called.callee.last(),
            _ => None,
        }
    }

    /// What a member is a part of.
    pub(super) fn base(&self) -> Option<&Self> {
        match &self.what {
            What::Member(base, _) => Some(base),
            _ => None,
        }
    }

    pub(super) fn called(&self) -> Option<&Called> {
        match &self.what {
            What::Called(called) => Some(called),
            _ => None,
        }
    }

    /// A path of names: `a.b.c`.
    pub(super) fn path(&self) -> Option<String> {
        match &self.what {
            What::Name(name) => Some(name.to_string()),
            What::Member(base, name) => Some(format!("{}.{name}", base.path()?)),
            _ => None,
        }
    }

    /// Whether it is more than a name, or nothing.
    pub(super) fn is_concrete(&self) -> bool {
        !matches!(self.what, What::Unknown | What::Null | What::Name(_) | What::Member(..))
    }

    /// What tells objects apart.
    pub(super) fn place(&self) -> usize {
        match &self.what {
            What::Made(made) => Rc::as_ptr(made) as usize,
            _ => 0,
        }
    }

    /// The value as a piece of a text, or a mark.
    pub(super) fn piece(&self) -> (String, Option<Span>) {
        match &self.what {
            What::Text(text, unknown) => (text.to_string(), *unknown),
            What::Int(number) => (number.to_string(), None),
            What::Bool(flag) => (flag.to_string(), None),
            _ => (MARK.to_string(), Some(self.span)),
        }
    }

    /// Whether two values are the same for all that is known.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (&self.what, &other.what) {
            (What::Null, What::Null) => true,
            (What::Bool(one), What::Bool(other)) => one == other,
            (What::Int(one), What::Int(other)) | (What::Duration(one), What::Duration(other)) => {
                one == other
            }
            (What::Text(one, None), What::Text(other, None)) => one == other,
            (What::List(one), What::List(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other.iter()).all(|(one, other)| one.same(other))
            }
            (What::Made(one), What::Made(other)) => Rc::ptr_eq(one, other),
            (What::Called(one), What::Called(other)) => Rc::ptr_eq(one, other),
            (What::Name(one), What::Name(other)) => one == other,
            (What::Member(one, name), What::Member(other, other_name)) => {
                name == other_name && one.same(other)
            }
            (What::Function(one), What::Function(other)) => Rc::ptr_eq(one, other),
            (What::Class(one, _), What::Class(other, _)) => Rc::ptr_eq(one, other),
            (What::Module(one), What::Module(other)) => one == other,
            _ => false,
        }
    }
}

impl Made {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().rfind(|entry| *entry.name == *name).map(|entry| &entry.value)
    }

    pub(super) fn set(&mut self, name: &str, name_span: Span, value: Value) {
        let full = self.fields.len() >= ITEMS_MAX;
        match self.fields.iter_mut().find(|entry| *entry.name == *name) {
            Some(entry) => (entry.name_span, entry.value) = (name_span, value),
            None if full => self.open = Some(name_span),
            None => self.fields.push(Entry { name: name.into(), name_span, value }),
        }
    }

    /// Takes in what another has.
    pub(super) fn take(&mut self, other: &Value) {
        match &other.what {
            What::Made(other) => {
                for entry in &other.fields {
                    self.set(&entry.name, entry.name_span, entry.value.clone());
                }
                self.open = self.open.or(other.open);
            }
            What::Null => {}
            _ => self.open = Some(other.span),
        }
    }
}

/// What a loop over a value goes through; once over something unknown if it is not known.
pub(super) fn each(value: &Value) -> Vec<Value> {
    match &value.what {
        What::List(items) => items.to_vec(),
        What::Made(made) if made.open.is_none() && made.class.is_none() => {
            let key = |entry: &Entry| Value::known(&entry.name, entry.name_span);
            made.fields.iter().map(key).collect()
        }
        _ => vec![Value::unknown(value.span)],
    }
}

/// Keys, or positions, with their values.
pub(super) fn pairs(value: &Value) -> Value {
    let pair = |key: Value, value: &Value| {
        let span = value.span;
        Value::new(What::List(vec![key, value.clone()].into()), span)
    };
    let all: Vec<Value> = match &value.what {
        What::List(items) => {
            let indices = (0_i128..).map(|index| Value::new(What::Int(index), value.span));
            indices.zip(items.iter()).map(|(index, item)| pair(index, item)).collect()
        }
        What::Made(made) if made.open.is_none() => {
            let key = |entry: &Entry| Value::known(&entry.name, entry.name_span);
            made.fields.iter().map(|entry| pair(key(entry), &entry.value)).collect()
        }
        _ => return Value::unknown(value.span),
    };
    Value::new(What::List(all.into()), value.span)
}
