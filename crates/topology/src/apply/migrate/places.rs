//! Where a copy has what its origin has. One by a mirror has it at the same sequences; in one by sources each message says
//! where it was, and a search finds it.

use super::hand_over::Way;
use super::search::Search;
use super::state::{Find, Migration};
use crate::migration::{Copied, Side};

impl Migration {
    /// Sequence of the origin up to which it is copied; or what is to be looked for first.
    pub(super) fn reached(&self, way: &Way<'_>, copy: &Side, copied: &Copied) -> Result<u64, Find> {
        if !copied.sources {
            return Ok(copy.info.state.last_seq);
        }
        if copy.info.state.messages == 0 {
            return Ok(0);
        }
        match &self.world.newest_copied {
            Some(found) => Ok(found.sequence_in(way.origin).unwrap_or(0)),
            None => Err(Find::Copied { stream: way.copy.to_owned() }),
        }
    }

    /// Sequence from which on the copy has what its origin has from `sequence` on; or what is to be looked for
    /// first.
    pub(super) fn locate(
        &mut self,
        way: &Way<'_>,
        copy: &Side,
        sequence: u64,
    ) -> Result<u64, Find> {
        let copied = copy.copied.as_ref();
        let last = copied.and_then(|copied| copied.last);
        let end = last.map_or(copy.info.state.last_seq, |last| last.copy) + 1;
        if !copied.is_some_and(|copied| copied.sources) {
            // What comes after the last message of the origin is new, whatever its sequence there would be.
            return Ok(if last.is_some() { sequence.min(end) } else { sequence });
        }
        if last.is_some_and(|last| sequence > last.origin) {
            return Ok(end);
        }
        let key = (way.copy.to_owned(), sequence);
        if let Some(place) = self.located.get(&key) {
            return Ok(*place);
        }
        let search = self.search.take().filter(|search| search.is_of(way.copy, sequence));
        let range = (copy.info.state.first_seq.min(end), end);
        let search = search.unwrap_or_else(|| Search::new(way.copy, way.origin, sequence, range));
        match search.next() {
            Err(place) => {
                self.located.insert(key, place);
                Ok(place)
            }
            Ok(from) => {
                self.search = Some(search);
                Err(Find::Place { stream: way.copy.to_owned(), from })
            }
        }
    }
}
