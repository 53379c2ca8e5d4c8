//! A list that comes in pages, while what it lists may change.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value as Json;
use watershed_wire::jetstream::account::Page;

use crate::call::{CallError, answer};
use crate::limits::LIST_BEGUN_MAX;

/// Streams, or consumers of a stream, as far as they have been listed.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Where the next page begins.
    offset: usize,
    /// Entries in all, as every page must say.
    total: Option<usize>,
    /// How often it was begun again.
    begun_again: u32,
    /// Entries by name.
    entries: BTreeMap<String, Json>,
    /// Names whose server did not answer.
    silent: BTreeSet<String>,
}

/// What a list holds.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) entries: BTreeMap<String, Json>,
    pub(super) silent: BTreeSet<String>,
}

/// What there is to do after a page.
#[derive(Debug)]
pub(super) enum Next {
    /// Ask for another one.
    Ask(Listing),
    /// Nothing: it is whole.
    Done(Whole),
}

#[derive(Deserialize)]
struct Reply {
    #[serde(flatten)]
    page: Page,
    #[serde(default)]
    streams: Option<Vec<Json>>,
    #[serde(default)]
    consumers: Option<Vec<Json>>,
    #[serde(default)]
    missing: Option<Vec<String>>,
    /// With the reason of each.
    #[serde(default)]
    offline: Option<BTreeMap<String, Json>>,
}

impl Listing {
    /// Where the next page begins.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Takes the page from [`offset`](Self::offset) on.
    pub(super) fn page(mut self, reply: &[u8]) -> Result<Next, CallError> {
        let reply: Reply = answer(reply)?;
        let total = reply.page.total;
        // Pages of two different lists have gaps, or tell of something twice.
        if self.total.is_some_and(|before| before != total) {
            return self.again();
        }
        self.total = Some(total);
        let entries = reply.streams.into_iter().chain(reply.consumers).flatten();
        let mut count = 0;
        for json in entries {
            count += 1;
            // A consumer's stands beside its configuration.
            let name = json.get("name").or_else(|| json.pointer("/config/name"));
            let name = name.and_then(Json::as_str).unwrap_or_default();
            self.entries.insert(name.to_owned(), json);
        }
        self.silent.extend(reply.missing.unwrap_or_default());
        self.silent.extend(reply.offline.unwrap_or_default().into_keys());
        // What does not answer has a place in its page, too.
        let step = if reply.page.limit > 0 { reply.page.limit } else { count };
        let seen = self.offset.saturating_add(step);
        if step > 0 && seen < total {
            self.offset = seen;
            return Ok(Next::Ask(self));
        }
        // Of some that are offline the configuration is told, and nothing else.
        self.entries.retain(|name, _| !self.silent.contains(name));
        if self.entries.len() + self.silent.len() < total {
            return self.again();
        }
        Ok(Next::Done(Whole { entries: self.entries, silent: self.silent }))
    }

    fn again(self) -> Result<Next, CallError> {
        if self.begun_again == LIST_BEGUN_MAX {
            return Err(CallError::Unsettled);
        }
        Ok(Next::Ask(Self { begun_again: self.begun_again + 1, ..Self::default() }))
    }
}
