//! Copies by sources: whether they can be made, and whether they have what their origin has.

use std::collections::{HashMap, VecDeque};

use serde_json::json;
use watershed_topology::apply::{CompareError, Comparison, Ids, Repeated};
use watershed_topology::call::CallError;

use crate::backup::Message;
use crate::client::Client;
use crate::walk::Walk;

impl Client {
    /// A message id that is there twice, if any is.
    pub(crate) async fn repeated_id(&self, ids: &Ids) -> Result<Option<Repeated>, CallError> {
        let mut known: HashMap<String, u64> = HashMap::new();
        let mut walk = Walk::new(self, &ids.stream, 1, u64::MAX);
        loop {
            let messages = walk.next().await?;
            if messages.is_empty() {
                return Ok(None);
            }
            for message in messages.iter().filter(|one| ids.takes(one.subject.as_bytes())) {
                let Some(id) = message.id() else { continue };
                let second = message.seq;
                match known.get(&id) {
                    Some(&first) => return Ok(Some(Repeated { id, first, second })),
                    None => drop(known.insert(id, second)),
                }
            }
        }
    }

    /// Compares subjects, headers and payloads of all messages that the origin has between two sequences with those that the
    /// copy has from `from` on, which say where they were.
    pub(crate) async fn compare_sourced(
        &self,
        comparison: &Comparison,
        from: u64,
    ) -> Result<(), CompareError> {
        let Comparison { origin, copy, first, last, .. } = comparison;
        let mut theirs = Walk::new(self, origin, *first, *last);
        let mut ours = Walk::new(self, copy, from, u64::MAX);
        let mut copied: VecDeque<(u64, Message)> = VecDeque::new();
        loop {
            let messages = theirs.next().await?;
            if messages.is_empty() {
                return Ok(());
            }
            for message in &messages {
                if !comparison.takes(message.subject.as_bytes()) {
                    continue;
                }
                while copied.back().is_none_or(|(before, _)| *before < message.seq) {
                    let more = ours.next().await?;
                    if more.is_empty() {
                        break;
                    }
                    let where_it_was = |one: Message| Some((one.sequence_in(origin)?, one));
                    copied.extend(more.into_iter().filter_map(where_it_was));
                }
                while copied.front().is_some_and(|(before, _)| *before < message.seq) {
                    copied.pop_front();
                }
                let own = copied.front().filter(|(before, _)| *before == message.seq);
                if !own.is_some_and(|(_, own)| own.is_copy_of(message)) {
                    self.not_copied(origin, message, own.is_none()).await?;
                }
            }
        }
    }

    /// What the copy does not have may be gone from its origin, too: done, or too old.
    async fn not_copied(
        &self,
        origin: &str,
        message: &Message,
        is_missing: bool,
    ) -> Result<(), CompareError> {
        let there = self.message(origin, &json!({"seq": message.seq})).await?;
        match (there, message.id()) {
            (None, _) => Ok(()),
            (_, Some(id)) if is_missing => Err(CompareError::Repeats(message.seq, id)),
            _ => Err(CompareError::Differs(message.seq)),
        }
    }
}
