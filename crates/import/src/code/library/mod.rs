//! The client libraries: which call means what, what fields are called, and what the library itself
//! sends for those that are not given.

pub(super) mod async_nats;
pub(super) mod jnats;
pub(super) mod nats_go;
pub(super) mod nats_js;
pub(super) mod nats_py;

use watershed_topology::schema::Field;
use watershed_topology::source::SourceMap;

use super::fields::{Library, Reader, Taken};
use super::value::{Entry, Given, Value, What};

/// Arguments by the names or the places that a function gives them.
pub(super) struct Arguments<'g> {
    given: &'g [Given],
    /// The names, in their order.
    order: &'static [&'static str],
}

impl<'g> Arguments<'g> {
    pub(super) fn new(given: &'g [Given], order: &'static [&'static str]) -> Self {
        Self { given, order }
    }

    /// The argument of this name.
    pub(super) fn get(&self, name: &str) -> Option<&'g Value> {
        let named = self.given.iter().find(|one| one.name.as_deref() == Some(name));
        let found = named.or_else(|| {
            let at = self.order.iter().position(|one| *one == name)?;
            let mut places = self.given.iter().filter(|one| one.name.is_none());
            places.nth(at)
        });
        found.map(|one| &one.value).filter(|value| !matches!(value.what, What::Null))
    }

    /// Whether it is given as true.
    pub(super) fn is_true(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value { what: What::Bool(true), .. }))
    }

    /// Whether any of these is given.
    pub(super) fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.get(name).is_some())
    }

    /// Named arguments that are none of the function's own, and where some are not known.
    pub(super) fn others(&self) -> (Vec<Entry>, Option<&'g Value>) {
        let own = |name: &str| self.order.contains(&name) || name.is_empty();
        let all = self.given.iter().filter_map(|one| {
            let name = one.name.clone().filter(|name| !own(name))?;
            Some(Entry { name, name_span: one.name_span, value: one.value.clone() })
        });
        let open = self.given.iter().find(|one| one.name.as_deref() == Some(""));
        (all.collect(), open.map(|one| &one.value))
    }
}

/// The fields of a configuration that is given as a value, and where it is not all known.
pub(super) fn entries(value: &Value) -> (Vec<Entry>, Option<Value>) {
    match value.made() {
        Some(made) => (made.fields.clone(), made.open.map(Value::unknown)),
        None => (Vec::new(), Some(value.clone())),
    }
}

/// The last entry of this name.
pub(super) fn find<'e>(entries: &'e [Entry], name: &str) -> Option<&'e Value> {
    entries.iter().rfind(|entry| *entry.name == *name).map(|entry| &entry.value)
}

/// What is read of a configuration.
pub(super) fn taken(
    sources: &SourceMap,
    library: &'static Library,
    entries: &[Entry],
    open: Option<&Value>,
    table: &'static [Field],
    others: &[&str],
) -> Taken {
    let mut reader = Reader { sources, library, taken: Taken::default() };
    reader.take(entries, table, others);
    if let Some(value) = open {
        let shown = super::fields::shown(sources, value.span);
        reader.not_read(value.span, format!("`{shown}` is not known here, and has more of it"));
    }
    reader.taken
}
