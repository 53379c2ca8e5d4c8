//! What accounts are about to keep, and what they have called.

use std::collections::BTreeMap;

use watershed_base::AccountId;
use watershed_wire::jetstream::API_LEVEL;
use watershed_wire::jetstream::account::ApiStats;

/// What runs for an account, beside its streams.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AtWork {
    /// Bytes of messages that are accepted and on their way to the disk.
    pub(crate) on_its_way: u64,
    calls: u64,
    errors: u64,
}

/// The same of all accounts.
#[derive(Debug, Default)]
pub(crate) struct AccountsAtWork {
    own: BTreeMap<AccountId, AtWork>,
    total: AtWork,
}

impl AccountsAtWork {
    fn change(&mut self, account: AccountId, change: impl Fn(&mut AtWork)) {
        change(&mut self.total);
        change(self.own.entry(account).or_default());
    }

    /// Adds the bytes of accepted messages that are being written to disk.
    pub(crate) fn accepted(&mut self, account: AccountId, bytes: u64) {
        self.change(account, |own| own.on_its_way += bytes);
    }

    /// Takes away bytes that have been written, or given up.
    pub(crate) fn arrived(&mut self, account: AccountId, bytes: u64) {
        self.change(account, |own| own.on_its_way -= bytes);
    }

    /// Nothing is on its way any more.
    pub(crate) fn nothing_comes(&mut self) {
        let all = self.own.values_mut().chain([&mut self.total]);
        all.for_each(|own| own.on_its_way = 0);
    }

    /// What runs for an account.
    pub(crate) fn of(&self, account: AccountId) -> AtWork {
        self.own.get(&account).copied().unwrap_or_default()
    }

    /// What runs for all of them.
    pub(crate) fn total(&self) -> AtWork {
        self.total
    }

    /// A call was answered.
    pub(crate) fn called(&mut self, account: AccountId) {
        self.change(account, |own| own.calls += 1);
    }

    /// A call was answered with an error.
    pub(crate) fn failed(&mut self, account: AccountId) {
        self.change(account, |own| own.errors += 1);
    }

    /// The calls of an account.
    pub(crate) fn calls_of(&self, account: AccountId) -> ApiStats {
        stats(self.of(account))
    }

    /// The calls of all of them.
    pub(crate) fn calls(&self) -> ApiStats {
        stats(self.total)
    }
}

fn stats(own: AtWork) -> ApiStats {
    ApiStats { level: API_LEVEL, total: own.calls, errors: own.errors }
}

/// The room that is left for another message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Whether all accounts together keep more than the server may.
    pub(crate) server_full: bool,
    /// Bytes that the account may still take in, whatever a stream would let go for them.
    pub(crate) account: u64,
    /// Whether a consumer may be on its way that waits for what nobody has waited for.
    pub(crate) changing: bool,
}
