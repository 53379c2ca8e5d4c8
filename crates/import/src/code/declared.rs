//! What a call of a client library declares.

use watershed_topology::diagnostic::Diagnostic;
use watershed_topology::model::StreamKind;
use watershed_topology::source::{Span, Spanned};

use super::fields::Taken;
use super::value::Value;
use crate::word::Arms;

/// What a call does, depending on whether the asset exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// It creates it, or fails.
    Add,
    /// It updates it, or fails; fields that are not given go back to their defaults.
    Update,
    /// It updates it, or fails; fields that are not given stay as they are.
    Change,
    /// It creates it, or updates it.
    Put,
}

/// A name, as far as it is known.
#[derive(Debug)]
pub(super) enum Naming {
    Known(Spanned<String>),
    Computed(Value),
    /// None is given.
    Missing,
}

/// The stream of a consumer.
#[derive(Debug)]
pub(super) enum Of {
    Named(Naming),
    /// The one that stores this; the client asks the server which.
    Storing(Vec<String>),
}

#[derive(Debug)]
pub(super) struct StreamCall {
    pub(super) name: Naming,
    /// A bucket has its own name, without a prefix.
    pub(super) kind: StreamKind,
    pub(super) taken: Taken,
    pub(super) verb: Verb,
}

#[derive(Debug)]
pub(super) struct ConsumerCall {
    pub(super) stream: Of,
    pub(super) name: Naming,
    pub(super) taken: Taken,
    /// Whether the client is delivered to; `None` if that is not its business.
    pub(super) push: Option<bool>,
    /// Whether it takes a consumer as it is if there is one.
    pub(super) binds: bool,
}

#[derive(Debug)]
pub(super) enum What {
    Stream(StreamCall),
    Consumer(ConsumerCall),
    /// Reads a consumer that is made elsewhere.
    Reads(Spanned<String>, Spanned<String>),
    /// Takes a stream away, or its messages alone.
    Deletes(Naming, bool),
    /// Publishes on this subject; whether it waits until a stream has stored it.
    Publishes(Value, bool),
    /// Handles the messages of a consumer of this stream, and acknowledges none.
    Silent(Of, Naming),
    Said(Diagnostic),
}

/// What a call declares, and where it stands.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) what: What,
    pub(super) span: Span,
    pub(super) arms: Arms,
    pub(super) module: usize,
    pub(super) library: &'static str,
}

impl Naming {
    /// The name that a value is.
    pub(super) fn of(value: Option<&Value>) -> Self {
        match value {
            None => Self::Missing,
            Some(Value { what: super::value::What::Null, .. }) => Self::Missing,
            Some(value) => match value.text() {
                Some("") => Self::Missing,
                Some(text) => Self::Known(Spanned::new(text.to_owned(), value.span)),
                None => Self::Computed(value.clone()),
            },
        }
    }
}
