//! Checksums of what a stream holds, by which streams of two servers are compared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};
use watershed_wire::jetstream::stream::StreamState;

use super::error::BackupError;
use super::files::hex;
use super::format::Backup;
use super::message::Message;
use crate::client::Client;

/// What a stream holds, as numbers that are the same only where that is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// Messages.
    pub messages: u64,
    /// SHA-256 of sequences, times, subjects, headers and payloads.
    pub exact: String,
    /// SHA-256 of what stays where messages are published again: subjects, payloads, and headers that ask a server for nothing, in
    /// any order.
    pub content: String,
    /// The same without headers, some of which no client can send.
    pub bare: String,
}

/// Sums on their way.
#[derive(Default)]
struct Summing {
    messages: u64,
    exact: Sha256,
    content: Sha256,
    bare: Sha256,
}

impl Client {
    /// The sums of a stream that has this state, as far as it goes.
    pub async fn sums(&self, stream: &str, state: &StreamState) -> Result<Sums, BackupError> {
        let mut summing = Summing::default();
        self.read_all(stream, state, |message| {
            summing.add(message);
            Ok(())
        })
        .await?;
        Ok(summing.finish())
    }
}

impl Backup {
    /// The sums of its messages from this sequence on.
    pub fn sums(&self, first: u64) -> Result<Sums, BackupError> {
        let mut messages = self.open_messages()?;
        let mut summing = Summing::default();
        while let Some(message) = messages.next()? {
            if message.seq >= first {
                summing.add(&message);
            }
        }
        Ok(summing.finish())
    }
}

impl Summing {
    fn add(&mut self, message: &Message) {
        let Message { subject, seq, hdrs, data, time } = message;
        self.messages += 1;
        let [seq, headers] = [seq.to_string(), lasting(hdrs)];
        put(&mut self.exact, &[&seq, time, subject, hdrs, data]);
        put(&mut self.content, &[subject, &headers, data]);
        put(&mut self.bare, &[subject, data]);
    }

    fn finish(self) -> Sums {
        let [exact, content, bare] = [self.exact, self.content, self.bare];
        Sums {
            messages: self.messages,
            exact: hex(&exact.finalize()),
            content: hex(&content.finalize()),
            bare: hex(&bare.finalize()),
        }
    }
}

fn put(hash: &mut Sha256, texts: &[&str]) {
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
}

/// The lines of a header block that no server and no client of ours deals with, in their order.
fn lasting(block: &str) -> String {
    let block = BASE64.decode(block).unwrap_or_default();
    let text = String::from_utf8_lossy(&block);
    let lines = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let lasting = lines.filter(|(name, _)| !name.starts_with("Nats-"));
    let mut lasting: Vec<String> =
        lasting.map(|(name, value)| format!("{name}:{}", value.trim())).collect();
    lasting.sort();
    lasting.join("\n")
}
