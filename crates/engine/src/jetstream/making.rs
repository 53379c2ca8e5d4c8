//! Streams and consumers that were asked for and are not there yet: they count where an account or
//! the server has bounds.
//!
//! Whether something is within bounds is decided once, when it is asked for. It is not asked again
//! when the record is applied: after a restart with other bounds, what was there would be gone.

use watershed_store::LogId;
use watershed_wire::jetstream::stream::{Storage, StreamConfig};

use super::JetStream;
use super::command::Command;
use crate::account::AccountId;

/// What is on its way.
#[derive(Debug, Default)]
pub(crate) struct Making(Vec<Asked>);

#[derive(Debug)]
struct Asked {
    log: LogId,
    account: AccountId,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    /// A stream that sets bytes aside.
    Stream { storage: Storage, bytes: u64 },
    /// A stream that sets more bytes aside than before.
    More { storage: Storage, bytes: u64 },
    /// A consumer of the log's stream.
    Consumer,
}

impl JetStream {
    /// A record that makes or changes something is on its way to the disk.
    pub(crate) fn asked_for(&mut self, log: LogId, account: AccountId, command: &Command) {
        let bytes = |config: &StreamConfig| u64::try_from(config.max_bytes).unwrap_or(0);
        let there = self.by_log.get(&log).map(|key| &self.streams[key.0 as usize]);
        let what = match command {
            Command::CreateStream { config, .. } => {
                What::Stream { storage: config.storage, bytes: bytes(config) }
            }
            Command::UpdateStream { config } => {
                let now = there.map_or(0, |stream| bytes(&stream.config));
                let more = bytes(config).saturating_sub(now);
                What::More { storage: config.storage, bytes: more }
            }
            Command::PutConsumer { config }
                if there.is_some_and(|stream| !stream.consumers.contains_key(&config.name)) =>
            {
                What::Consumer
            }
            _ => return,
        };
        self.making.0.push(Asked { log, account, what });
    }
}

impl Making {
    /// A record was applied. They are, in the order in which they were asked for.
    pub(crate) fn applied(&mut self, log: LogId, command: &Command) {
        let first = self.0.iter().position(|asked| {
            asked.log == log
                && match command {
                    Command::CreateStream { .. } => matches!(asked.what, What::Stream { .. }),
                    Command::UpdateStream { .. } => matches!(asked.what, What::More { .. }),
                    Command::PutConsumer { .. } => asked.what == What::Consumer,
                    _ => false,
                }
        });
        if let Some(first) = first {
            self.0.remove(first);
        }
    }

    /// Streams of an account that are on their way.
    pub(crate) fn streams(&self, account: AccountId) -> usize {
        let new =
            |asked: &&Asked| asked.account == account && matches!(asked.what, What::Stream { .. });
        self.0.iter().filter(new).count()
    }

    /// Consumers of a stream that are on their way.
    pub(crate) fn consumers(&self, log: LogId) -> usize {
        let new = |asked: &&Asked| asked.log == log && asked.what == What::Consumer;
        self.0.iter().filter(new).count()
    }

    /// Bytes that are on their way of being set aside, of one account or of all.
    pub(crate) fn bytes(&self, storage: Storage, account: Option<AccountId>) -> u64 {
        let own = self.0.iter().filter(|asked| account.is_none_or(|own| asked.account == own));
        own.map(|asked| match asked.what {
            What::Stream { storage: of, bytes } | What::More { storage: of, bytes }
                if of == storage =>
            {
                bytes
            }
            _ => 0,
        })
        .sum()
    }
}
