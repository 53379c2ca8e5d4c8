//! Reading the messages of a stream in order with `STREAM.MSG.GET`, which every server knows: several at a time, and over gaps.

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use serde_json::json;
use watershed_topology::call::CallError;

use crate::backup::Message;
use crate::client::Client;

/// Most sequences that are asked for at once.
const WINDOW: u64 = 128;

/// About how many bytes their messages may be.
const WINDOW_BYTES: u64 = 16 << 20;

/// A stream that is read from one sequence to another one.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    client: &'a Client,
    stream: &'a str,
    next: u64,
    last: u64,
    /// How many sequences are asked for at once: the fewer, the more of them are gone.
    window: u64,
    /// Bytes of the largest message so far.
    largest: u64,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(client: &'a Client, stream: &'a str, first: u64, last: u64) -> Self {
        Self { client, stream, next: first.max(1), last, window: 8, largest: 0 }
    }

    /// The messages are about this large, in bytes, as far as anybody knows yet.
    pub(crate) fn of_size(self, largest: u64) -> Self {
        Self { largest, ..self }
    }

    /// The next messages; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Vec<Message>, CallError> {
        let mut all = Vec::new();
        while all.is_empty() && self.next <= self.last {
            all = self.window().await?;
            if all.is_empty() {
                // Over what is gone.
                let body = json!({"seq": self.next, "next_by_subj": ">"});
                let message = self.client.message(self.stream, &body).await?;
                let Some(message) = message.filter(|message| message.seq <= self.last) else {
                    self.next = self.last.saturating_add(1);
                    return Ok(all);
                };
                self.next = message.seq + 1;
                all.push(message);
            }
        }
        Ok(all)
    }

    async fn window(&mut self) -> Result<Vec<Message>, CallError> {
        let room = (WINDOW_BYTES / self.largest.max(1)).max(1);
        let end = self.next.saturating_add(self.window.min(room)).min(self.last.saturating_add(1));
        let asked = end - self.next;
        let (client, stream) = (self.client, self.stream);
        let some = iter(self.next..end)
            .map(|sequence| async move { client.message(stream, &json!({"seq": sequence})).await });
        let mut some = some.buffered(usize::try_from(WINDOW).unwrap_or(1));
        let mut all = Vec::new();
        while let Some(message) = some.next().await {
            all.extend(message?);
        }
        drop(some);
        self.next = end;
        self.largest = all.iter().map(Message::size).fold(self.largest, u64::max);
        let dense = all.len() as u64 * 2 >= asked;
        self.window = if dense { (self.window * 2).min(WINDOW) } else { (self.window / 2).max(1) };
        Ok(all)
    }
}
