//! Publishes that wait: until it is found which message is the last one that a wildcard takes, or for
//! their turn, where a stream published them again.

use std::collections::VecDeque;

use watershed_base::AccountId;
use watershed_store::LogId;
use watershed_wire::op::Publish;

use crate::rounds::Owed;
use crate::state::{Lookup, Search};

/// Subjects and messages that are looked at in one turn before anything waits.
pub(crate) const LOOKED_AT_PER_TURN: usize = 2048;

/// A publish that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) log: LogId,
    pub(crate) account: AccountId,
    pub(crate) subject: Box<[u8]>,
    pub(crate) reply: Option<Box<[u8]>>,
    pub(crate) header: Box<[u8]>,
    pub(crate) payload: Box<[u8]>,
    pub(crate) search: Option<Search>,
}

impl Waiting {
    pub(crate) fn new(
        log: LogId,
        account: AccountId,
        message: &Publish<'_>,
        search: Option<Search>,
    ) -> Self {
        Self {
            log,
            account,
            subject: message.subject.into(),
            reply: message.reply.map(Box::from),
            header: message.header.into(),
            payload: message.payload.into(),
            search,
        }
    }

    pub(crate) fn publish(&self) -> Publish<'_> {
        Publish {
            subject: &self.subject,
            reply: self.reply.as_deref(),
            header: &self.header,
            payload: &self.payload,
            has_header: true,
        }
    }

    /// Who is told what becomes of it.
    pub(crate) fn owed(&self) -> Owed<'_> {
        Owed::to_publisher(self.account, self.reply.as_deref(), false)
    }

    pub(crate) fn len(&self) -> usize {
        let reply = self.reply.as_ref().map_or(0, |reply| reply.len());
        self.subject.len() + reply + self.header.len() + self.payload.len() + size_of::<Self>()
    }
}

/// All publishes that wait.
#[derive(Debug, Default)]
pub(crate) struct Expecting {
    /// Those that nothing was looked at for.
    pub(crate) fresh: VecDeque<Waiting>,
    /// Those with a search that takes long.
    pub(crate) searching: VecDeque<Waiting>,
    pub(crate) bytes: usize,
    /// What was looked at in this turn.
    pub(crate) looked_at: usize,
}

impl Expecting {
    /// What may be looked at for a publish that just came.
    pub(crate) fn lookup(&self) -> Lookup {
        // Of those that wait, the first that came is the first that is looked at.
        let left = LOOKED_AT_PER_TURN.saturating_sub(self.looked_at);
        Lookup::new(if self.fresh.is_empty() { left } else { 0 })
    }

    /// What was looked at for it.
    pub(crate) fn looked_at(&mut self, lookup: &Lookup) {
        self.looked_at += lookup.looked_at();
    }

    pub(crate) fn push(&mut self, waiting: Waiting) {
        self.bytes += waiting.len();
        if waiting.search.is_some() {
            self.searching.push_back(waiting);
        } else {
            self.fresh.push_back(waiting);
        }
    }
}

/// A message that was published again and that a stream is to store.
#[derive(Debug)]
pub(crate) struct Again {
    pub(crate) log: LogId,
    pub(crate) account: AccountId,
    pub(crate) subject: Box<[u8]>,
    pub(crate) header: Box<[u8]>,
    pub(crate) payload: Box<[u8]>,
}

/// Those that are not stored yet.
pub(crate) type Republished = VecDeque<Again>;
