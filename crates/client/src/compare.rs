//! Whether a copy of a stream has what its origin has.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use watershed_topology::apply::{CompareError, Comparison};
use watershed_topology::call::CallError;

use crate::backup::Message;
use crate::client::Client;
use crate::stretch::{Got, Stretches};

/// Most messages of each stream that are asked for at once.
const WINDOW: usize = 128;

/// About how many bytes these may be.
const WINDOW_BYTES: usize = 16 << 20;

/// How often a message that the copy no longer has is looked for in its origin, where it may go, too, in the
/// same moment: by age, for one.
const LOOKS_MAX: u32 = 50;

/// The same, while publishers wait.
const LOOKS_MAX_PARKED: u32 = 5;

/// Time between two of these looks.
const PAUSE: Duration = Duration::from_millis(100);

impl Client {
    /// Compares subjects, headers, payloads and times of all messages that the origin has between two
    /// sequences. The copy may have more, and some servers leave out of it which state a publisher expected
    /// (`Nats-Expected-…`), which says nothing of a message that is stored.
    pub(crate) async fn compare(&self, comparison: &Comparison) -> Result<(), CompareError> {
        if let Some(from) = comparison.from {
            return self.compare_sourced(comparison, from).await;
        }
        let Comparison { origin, first, last, in_batches, publishers_wait, .. } = comparison;
        let looks = if *publishers_wait { LOOKS_MAX_PARKED } else { LOOKS_MAX };
        let mut next = *first;
        if *in_batches {
            match self.compare_batches(comparison).await? {
                None => return Ok(()),
                Some(sequence) => next = sequence,
            }
        }
        let mut window = WINDOW;
        while next <= *last {
            // Over what is gone.
            let Some(message) = self.message_from(origin, next).await? else { break };
            if message.seq > *last {
                break;
            }
            next = message.seq;
            loop {
                let end = next.saturating_add(window as u64).min(last.saturating_add(1));
                let pairs = iter(next..end).map(|sequence| self.pair(comparison, sequence, looks));
                let mut pairs = pairs.buffered(window);
                let (mut found, mut largest) = (0, 1);
                while let Some(pair) = pairs.next().await {
                    let size = pair?;
                    found += usize::from(size > 0);
                    largest = size.max(largest);
                }
                drop(pairs);
                next = end;
                window = (WINDOW_BYTES / largest).clamp(1, WINDOW);
                if found == 0 || next > *last {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The same, with few requests. From where on it is to be done otherwise; `None` when it is done.
    async fn compare_batches(&self, comparison: &Comparison) -> Result<Option<u64>, CompareError> {
        let Comparison { origin, copy, first, last, publishers_wait, .. } = comparison;
        let looks = if *publishers_wait { LOOKS_MAX_PARKED } else { LOOKS_MAX };
        let (mut theirs, mut ours) =
            (Stretches::of(self, origin).await?, Stretches::of(self, copy).await?);
        let mut next = *first;
        let mut copied = VecDeque::new();
        while next <= *last {
            let Some(batch) = theirs.from(next).await? else { return Ok(Some(next)) };
            for message in batch.iter().take_while(|message| message.sequence <= *last) {
                let sequence = message.sequence;
                if !comparison.takes(message.subject()) {
                    continue;
                }
                while copied.back().is_none_or(|one: &Got| one.sequence < sequence) {
                    let from = copied.back().map_or(sequence, |one| one.sequence + 1);
                    let Some(more) = ours.from(from).await? else { return Ok(Some(next)) };
                    if more.is_empty() {
                        break;
                    }
                    copied.extend(more);
                }
                while copied.front().is_some_and(|one| one.sequence < sequence) {
                    copied.pop_front();
                }
                if copied.front() != Some(message) {
                    self.pair(comparison, sequence, looks).await?;
                }
            }
            let Some(end) = batch.last() else { break };
            next = end.sequence + 1;
        }
        Ok(None)
    }

    /// Compares a message. About its size; 0 if the origin does not have it.
    async fn pair(
        &self,
        comparison: &Comparison,
        sequence: u64,
        looks: u32,
    ) -> Result<usize, CompareError> {
        let Comparison { origin, copy, .. } = comparison;
        let (first, second) =
            tokio::join!(self.message_at(origin, sequence), self.message_at(copy, sequence));
        let (first, second) = (first?, second?);
        let Some(first) = first else { return Ok(0) };
        let size = usize::try_from(first.size()).unwrap_or(usize::MAX).max(1);
        if !comparison.takes(first.subject.as_bytes()) {
            return Ok(size);
        }
        if second.is_some_and(|second| second.is_like(&first)) {
            return Ok(size);
        }
        for _ in 0..looks {
            let (there, copied) =
                (self.message_at(origin, sequence).await?, self.message_at(copy, sequence).await?);
            let alike = match (&there, &copied) {
                (Some(there), Some(copied)) => copied.is_like(there),
                (there, _) => there.is_none(),
            };
            if alike {
                return Ok(size);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(CompareError::Differs(sequence))
    }

    async fn message_at(&self, stream: &str, sequence: u64) -> Result<Option<Message>, CallError> {
        self.message(stream, &serde_json::json!({"seq": sequence})).await
    }

    async fn message_from(&self, stream: &str, first: u64) -> Result<Option<Message>, CallError> {
        self.message(stream, &serde_json::json!({"seq": first, "next_by_subj": ">"})).await
    }
}
