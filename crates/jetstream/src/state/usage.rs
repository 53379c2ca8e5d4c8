//! What accounts use. It is kept up as it changes: a node may have thousands of streams, and each
//! publish asks.

use std::collections::BTreeMap;

use watershed_base::AccountId;
use watershed_wire::jetstream::stream::Storage;

/// What is used of one kind of storage, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    /// Of what is stored.
    pub(crate) stored: u64,
    /// What streams have set aside by `max_bytes`.
    pub(crate) reserved: u64,
}

/// What a stream uses, an account, or everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) memory: Bytes,
    pub(crate) file: Bytes,
    pub(crate) streams: usize,
    pub(crate) consumers: usize,
}

impl Usage {
    /// What one stream uses.
    pub(super) fn of_stream(storage: Storage, bytes: Bytes, consumers: usize) -> Self {
        let mut usage = Self { streams: 1, consumers, ..Self::default() };
        match storage {
            Storage::Memory => usage.memory = bytes,
            Storage::File => usage.file = bytes,
        }
        usage
    }

    /// What is used of one kind of storage.
    pub(crate) fn bytes(&self, storage: Storage) -> Bytes {
        match storage {
            Storage::Memory => self.memory,
            Storage::File => self.file,
        }
    }

    /// `new` takes the place of `old`, which is a part of this.
    fn replace(&mut self, old: &Self, new: &Self) {
        let bytes = |own: &mut Bytes, old: Bytes, new: Bytes| {
            own.stored = own.stored - old.stored + new.stored;
            own.reserved = (own.reserved - old.reserved).saturating_add(new.reserved);
        };
        bytes(&mut self.memory, old.memory, new.memory);
        bytes(&mut self.file, old.file, new.file);
        self.streams = self.streams - old.streams + new.streams;
        self.consumers = self.consumers - old.consumers + new.consumers;
    }
}

/// What all accounts use.
#[derive(Debug, Default)]
pub(crate) struct Usages {
    accounts: BTreeMap<AccountId, Usage>,
    total: Usage,
}

impl Usages {
    /// What an account uses.
    pub(crate) fn of(&self, account: AccountId) -> Usage {
        self.accounts.get(&account).copied().unwrap_or_default()
    }

    /// What all of them use.
    pub(crate) fn total(&self) -> Usage {
        self.total
    }

    /// A stream of an account uses `new` where it used `old`.
    pub(super) fn replace(&mut self, account: AccountId, old: &Usage, new: &Usage) {
        self.total.replace(old, new);
        let own = self.accounts.entry(account).or_default();
        own.replace(old, new);
        if *own == Usage::default() {
            self.accounts.remove(&account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_the_sum_of_all_streams() {
        let [one, other] = [AccountId(1), AccountId(2)];
        let file = |stored, reserved| Usage {
            file: Bytes { stored, reserved },
            streams: 1,
            ..Usage::default()
        };
        let none = Usage::default();
        let mut all = Usages::default();
        all.replace(one, &none, &file(10, 100));
        all.replace(one, &none, &file(5, 0));
        all.replace(other, &none, &file(7, 7));
        all.replace(one, &file(10, 100), &file(3, 50));
        assert_eq!(all.of(one), Usage { streams: 2, ..file(8, 50) });
        assert_eq!(all.total(), Usage { streams: 3, ..file(15, 57) });
        all.replace(other, &file(7, 7), &none);
        assert_eq!((all.of(other), all.accounts.len()), (none, 1));
    }
}
