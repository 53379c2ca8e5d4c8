//! How many messages were given up. A stream of dead letters may hold two things about one of them: the
//! message itself, and the server's record.

use std::collections::BTreeSet;

use watershed_client::{Client, stored};
use watershed_topology::call::CallError;
use watershed_wire::jetstream::stream::StreamState;

use super::case::case;

/// Most messages that are told apart. What is beyond that is counted no more.
const CASES_MAX: usize = 100_000;

/// A count of the messages that one stream of dead letters is about. It reads what is new at each look.
#[derive(Debug, Default)]
pub struct Tally {
    /// The first sequence that was not looked at.
    next: u64,
    /// Messages that were read.
    read: u64,
    cases: BTreeSet<(String, String, u64)>,
    /// What the last count that came to its end says.
    whole: Option<u64>,
}

impl Tally {
    /// Looks at no more than `most` messages of the stream `kept_in`, which is in this state. Where that
    /// is not all of it, the next look goes on.
    pub async fn look(
        &mut self,
        client: &Client,
        kept_in: &str,
        state: &StreamState,
        most: usize,
    ) -> Result<(), CallError> {
        let is_through = self.next > state.last_seq;
        if is_through && self.read == state.messages {
            return Ok(());
        }
        // Something is gone, or the stream is another one: nobody says what it was.
        if is_through || self.read > state.messages {
            *self = Self { whole: self.whole, ..Self::default() };
        }
        for _ in 0..most {
            if self.cases.len() >= CASES_MAX {
                return Ok(());
            }
            let found = stored::next(client, kept_in, self.next.max(1), ">").await?;
            let Some(message) = found else {
                self.next = state.last_seq + 1;
                break;
            };
            self.next = message.sequence + 1;
            self.read += 1;
            if let Some(case) = case(kept_in, message) {
                let sequence = case.sequence();
                self.cases.insert((case.stream().to_owned(), case.consumer().to_owned(), sequence));
            }
        }
        if self.next > state.last_seq {
            self.whole = Some(self.cases.len() as u64);
        }
        Ok(())
    }

    /// How many there are, as far as that is known: at least these where the count is under way.
    pub fn count(&self) -> u64 {
        let so_far = self.cases.len() as u64;
        let is_whole = self.whole.is_some_and(|whole| whole >= so_far);
        if is_whole { self.whole.unwrap_or(so_far) } else { so_far }
    }
}
