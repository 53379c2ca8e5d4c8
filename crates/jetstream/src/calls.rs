//! Calls of the API that wait for their turn.
//!
//! A call is answered from the state, when everything that was accepted before it is applied: what it
//! tells is durable, and a client that publishes and then asks sees what it has published. A call that
//! changes something holds up those behind it, of the same account, until the change is applied: each
//! call is decided on what is true.

use std::collections::{BTreeMap, VecDeque};

use watershed_base::AccountId;
use watershed_wire::op::Publish;

use crate::consumer_key::ConsumerKey;
use crate::limits::CALL_BYTES_WAITING_MAX;
use crate::told::Caller;

/// A call that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) subject: Box<str>,
    pub(crate) reply: Box<[u8]>,
    pub(crate) body: Box<[u8]>,
    pub(crate) caller: Option<Box<Caller>>,
    /// The round that must be applied before.
    after: u64,
}

impl Waiting {
    fn len(&self) -> usize {
        let caller = self.caller.as_ref().map_or(0, |_| size_of::<Caller>());
        self.subject.len() + self.reply.len() + self.body.len() + caller + size_of::<Self>()
    }
}

/// The calls of one account.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Whether a change is on its way.
    changing: bool,
}

/// All calls that wait.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Accounts with calls that wait or a change on its way.
    queues: BTreeMap<AccountId, Queue>,
    /// Consumers that get another configuration by a change that is on its way. They deliver nothing
    /// meanwhile: what they pass over by their old filters would be passed over for good.
    held: BTreeMap<AccountId, ConsumerKey>,
    bytes: usize,
}

impl Calls {
    /// Whether a call of an account need not wait, where `settled` says that nothing that was
    /// accepted is on its way.
    pub(crate) fn is_free(&self, account: AccountId, settled: bool) -> bool {
        settled && !self.queues.contains_key(&account)
    }

    /// Whether a change of an account is on its way.
    pub(crate) fn is_changing(&self, account: AccountId) -> bool {
        self.queues.get(&account).is_some_and(|queue| queue.changing)
    }

    /// Puts a call behind those of its account. Says whether there was room.
    pub(crate) fn push(
        &mut self,
        account: AccountId,
        subject: &str,
        message: &Publish<'_>,
        caller: Option<Box<Caller>>,
        after: u64,
    ) -> bool {
        let waiting = Waiting {
            subject: subject.into(),
            reply: message.reply.unwrap_or_default().into(),
            body: message.payload.into(),
            caller,
            after,
        };
        if self.bytes + waiting.len() > CALL_BYTES_WAITING_MAX {
            return false;
        }
        self.bytes += waiting.len();
        self.queues.entry(account).or_default().waiting.push_back(waiting);
        true
    }

    /// A change of an account is on its way.
    pub(crate) fn begin_change(&mut self, account: AccountId) {
        self.queues.entry(account).or_default().changing = true;
    }

    /// The change of an account has arrived. Says which consumer was held up by it.
    pub(crate) fn end_change(&mut self, account: AccountId) -> Option<ConsumerKey> {
        self.queues.entry(account).or_default().changing = false;
        self.tidy(account);
        self.held.remove(&account)
    }

    /// A consumer delivers nothing until the change arrives that is on its way.
    pub(crate) fn hold_up(&mut self, account: AccountId, key: ConsumerKey) {
        self.held.insert(account, key);
    }

    /// Whether a consumer is held up.
    pub(crate) fn holds_up(&self, key: ConsumerKey) -> bool {
        self.held.values().any(|held| *held == key)
    }

    /// Calls of an account that wait do so until this round is applied, too.
    pub(crate) fn wait_for(&mut self, account: AccountId, round: u64) {
        if let Some(queue) = self.queues.get_mut(&account) {
            queue.waiting.iter_mut().for_each(|call| call.after = call.after.max(round));
        }
    }

    /// Nothing is on its way any more that a call could wait for.
    pub(crate) fn nothing_comes(&mut self) {
        self.held.clear();
        for queue in self.queues.values_mut() {
            queue.changing = false;
            queue.waiting.iter_mut().for_each(|call| call.after = 0);
        }
        self.queues.retain(|_, queue| !queue.waiting.is_empty());
    }

    /// The accounts that have calls waiting.
    pub(crate) fn accounts(&self) -> Vec<AccountId> {
        self.queues.keys().copied().collect()
    }

    /// Takes the next call of an account whose turn it is, `applied` being the last round that was.
    pub(crate) fn next(&mut self, account: AccountId, applied: u64) -> Option<Waiting> {
        let queue = self.queues.get_mut(&account)?;
        if queue.changing || queue.waiting.front()?.after > applied {
            return None;
        }
        let waiting = queue.waiting.pop_front()?;
        self.bytes -= waiting.len();
        self.tidy(account);
        Some(waiting)
    }

    fn tidy(&mut self, account: AccountId) {
        if self.queues.get(&account).is_some_and(|own| !own.changing && own.waiting.is_empty()) {
            self.queues.remove(&account);
        }
    }
}
