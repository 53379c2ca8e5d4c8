//! All streams, and how they are found.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use slab::Slab;
use watershed_base::AccountId;
use watershed_store::bytes::{BadState, Reader};
use watershed_store::{Log, LogId};

use super::deadlines::SCHEDULES;
use super::key::StreamKey;
use super::stream::Stream;
use super::usage::{Usage, Usages};

/// Version of the state in a checkpoint.
pub(super) const VERSION: u32 = SCHEDULES;

/// The oldest one that is read.
const OLDEST_VERSION: u32 = 3;

/// The accounts by name and by number. Which number an account has is the network's to say.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    numbers: BTreeMap<String, AccountId>,
    names: BTreeMap<AccountId, String>,
}

impl Accounts {
    pub(crate) fn insert(&mut self, name: &str, account: AccountId) {
        self.numbers.insert(name.to_owned(), account);
        self.names.insert(account, name.to_owned());
    }

    pub(crate) fn number(&self, name: &str) -> Option<AccountId> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn name(&self, account: AccountId) -> &str {
        self.names.get(&account).map_or("", String::as_str)
    }
}

/// All streams of a node.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) accounts: Accounts,
    pub(crate) streams: Slab<Stream>,
    by_name: BTreeMap<AccountId, BTreeMap<String, StreamKey>>,
    pub(super) by_log: HashMap<LogId, StreamKey, foldhash::fast::FixedState>,
    /// Who copies whom, by the name of the origin, which need not exist.
    followers: BTreeMap<(AccountId, String), BTreeSet<StreamKey>>,
    /// What accounts use.
    pub(crate) usage: Usages,
    /// Number of the last log that was ever used.
    pub(crate) last_log: u32,
    /// Bytes at which a block of a stream is sealed.
    pub(super) block_bytes: u32,
}

impl State {
    pub(crate) fn new(block_bytes: u32) -> Self {
        Self {
            accounts: Accounts::default(),
            streams: Slab::new(),
            by_name: BTreeMap::new(),
            by_log: HashMap::default(),
            followers: BTreeMap::new(),
            usage: Usages::default(),
            last_log: 0,
            block_bytes,
        }
    }

    /// A stream that is known to be there.
    pub(crate) fn stream(&self, key: StreamKey) -> &Stream {
        &self.streams[key.index()]
    }

    /// The stream of an account with this name.
    pub(crate) fn find(&self, account: AccountId, name: &str) -> Option<(StreamKey, &Stream)> {
        let key = *self.by_name.get(&account)?.get(name)?;
        Some((key, self.stream(key)))
    }

    /// The stream with this log.
    pub(crate) fn by_log(&self, log: LogId) -> Option<StreamKey> {
        self.by_log.get(&log).copied()
    }

    /// All streams, by account and name.
    pub(crate) fn keys(&self) -> impl Iterator<Item = StreamKey> {
        self.by_name.values().flat_map(BTreeMap::values).copied()
    }

    /// The accounts that have streams, in order.
    pub(crate) fn accounts_with_streams(&self) -> Vec<AccountId> {
        self.by_name.keys().copied().collect()
    }

    /// The streams of an account, by name.
    pub(crate) fn streams_of(&self, account: AccountId) -> impl Iterator<Item = &Stream> {
        self.keys_of(account).map(|(_, stream)| stream)
    }

    /// The same, with their places.
    pub(crate) fn keys_of(&self, account: AccountId) -> impl Iterator<Item = (StreamKey, &Stream)> {
        let own = self.by_name.get(&account).into_iter().flat_map(BTreeMap::values);
        own.map(|key| (*key, self.stream(*key)))
    }

    /// Whether a follower has yet to copy a message.
    pub(super) fn is_awaited(&self, origin: &Stream, sequence: u64, subject: &[u8]) -> bool {
        origin.followers.iter().any(|key| {
            let origins = self.stream(*key).origins.iter();
            let mut own = origins.filter(|own| own.name == origin.config.name);
            own.any(|own| own.awaits(&origin.log, sequence, subject))
        })
    }

    /// Puts a stream into every table.
    pub(super) fn insert(&mut self, stream: Stream) -> StreamKey {
        let (account, log) = (stream.account, stream.log.id());
        let name = stream.config.name.clone();
        let key = StreamKey::at(self.streams.insert(stream));
        self.by_name.entry(account).or_default().insert(name, key);
        self.by_log.insert(log, key);
        self.last_log = self.last_log.max(log.0);
        self.count_usage(key);
        self.link(key);
        key
    }

    /// What a stream uses may have changed.
    pub(super) fn count_usage(&mut self, key: StreamKey) {
        let stream = &mut self.streams[key.index()];
        let now = stream.usage();
        if now != stream.counted {
            let before = std::mem::replace(&mut stream.counted, now);
            self.usage.replace(stream.account, &before, &now);
        }
    }

    /// Takes a stream out of every table.
    pub(super) fn take(&mut self, key: StreamKey) -> Stream {
        self.unlink(key);
        let mut stream = self.streams.remove(key.index());
        let used = std::mem::take(&mut stream.counted);
        self.usage.replace(stream.account, &used, &Usage::default());
        self.by_log.remove(&stream.log.id());
        if let Some(own) = self.by_name.get_mut(&stream.account) {
            own.remove(&stream.config.name);
            if own.is_empty() {
                self.by_name.remove(&stream.account);
            }
        }
        stream
    }

    /// Notes whom a new or changed stream copies.
    pub(super) fn link(&mut self, key: StreamKey) {
        let stream = self.stream(key);
        let (account, name) = (stream.account, stream.config.name.clone());
        let origins: Vec<String> = stream.origins.iter().map(|own| own.name.clone()).collect();
        for origin in origins {
            self.followers.entry((account, origin.clone())).or_default().insert(key);
            self.tell_origin(account, &origin);
        }
        self.tell_origin(account, &name);
    }

    /// Forgets whom a stream copied.
    pub(super) fn unlink(&mut self, key: StreamKey) {
        let stream = self.stream(key);
        let account = stream.account;
        let origins: Vec<String> = stream.origins.iter().map(|own| own.name.clone()).collect();
        for origin in origins {
            let of = (account, origin);
            if let Some(followers) = self.followers.get_mut(&of) {
                followers.remove(&key);
                if followers.is_empty() {
                    self.followers.remove(&of);
                }
            }
            self.tell_origin(account, &of.1);
        }
    }

    /// An origin knows its followers, so that a publish need not look them up by name.
    fn tell_origin(&mut self, account: AccountId, name: &str) {
        let Some((key, _)) = self.find(account, name) else { return };
        let followers = self.followers.get(&(account, name.to_owned()));
        let list: Vec<StreamKey> = followers.into_iter().flatten().copied().collect();
        self.streams[key.index()].followers = list;
    }

    /// Blocks that streams have, for clearing away what a crash left.
    pub(crate) fn known_blocks(&self) -> BTreeSet<(LogId, u32)> {
        let logs = self.streams.iter().map(|(_, stream)| &stream.log);
        let blocks = |log: &Log| {
            let id = log.id();
            log.block_numbers().map(move |block| (id, block)).collect::<Vec<_>>()
        };
        logs.flat_map(blocks).collect()
    }

    /// Reads what a [`Writer`](super::writer::Writer) wrote. `account` numbers the accounts that it names.
    pub(crate) fn restore<E: From<BadState>>(
        &mut self,
        state: &[u8],
        account: &mut dyn FnMut(&str) -> AccountId,
        footer: &mut dyn FnMut(LogId, u32) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        let mut reader = Reader(state);
        let version = reader.u32()?;
        if !(OLDEST_VERSION..=VERSION).contains(&version) {
            return Err(BadState.into());
        }
        let last_log = reader.u32()?;
        for _ in 0..reader.count(1)? {
            let accounts = &mut self.accounts;
            let numbered = |name: &str| {
                let number = account(name);
                accounts.insert(name, number);
                number
            };
            let stream =
                Stream::restore(&mut reader, version, self.block_bytes, numbered, &mut *footer)?;
            if self.find(stream.account, &stream.config.name).is_some() {
                return Err(BadState.into());
            }
            self.insert(stream);
        }
        self.last_log = self.last_log.max(last_log);
        Ok(())
    }
}
