//! The room that is left for another message.

use watershed_base::AccountId;
use watershed_wire::jetstream::stream::Storage;

use crate::accounts::{AtWork, Room};
use crate::jetstream::{AccountStore, JetStream, JetStreamSettings};

impl AccountStore {
    /// Bytes that streams of an account may keep.
    pub(crate) fn max(&self, storage: Storage) -> Option<u64> {
        match storage {
            Storage::Memory => self.max_memory,
            Storage::File => self.max_file,
        }
    }
}

impl JetStreamSettings {
    /// Bytes that streams may keep together.
    pub(crate) fn max(&self, storage: Storage) -> u64 {
        match storage {
            Storage::Memory => self.max_memory_store,
            Storage::File => self.max_file_store,
        }
    }
}

impl JetStream {
    /// The room that an account has for another message.
    pub(crate) fn room(&self, account: AccountId, storage: Storage) -> Room {
        // What is in memory is never on its way.
        let coming = |own: AtWork| match storage {
            Storage::Memory => 0,
            Storage::File => own.on_its_way,
        };
        let used = self.state.usage.total().bytes(storage).stored + coming(self.work.total());
        let server_full = self.settings.is_some_and(|settings| used > settings.max(storage));
        let max = self.stores.get(&account).and_then(|store| store.max(storage));
        let changing = self.calls.is_changing(account);
        let account = max.map_or(u64::MAX, |max| {
            let used =
                self.state.usage.of(account).bytes(storage).stored + coming(self.work.of(account));
            max.saturating_sub(used)
        });
        Room { server_full, account, changing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_its_way_takes_room_of_its_kind() {
        let mut node = JetStream::new(Some(JetStreamSettings::new(100, 10)), 1);
        let account = AccountId(1);
        let store = AccountStore { max_file: Some(50), ..AccountStore::default() };
        node.limit_account(account, store);
        let room = |node: &JetStream, storage| {
            let room = node.room(account, storage);
            (room.account, room.server_full)
        };
        node.work.accepted(account, 30);
        assert_eq!(room(&node, Storage::File), (20, false));
        node.work.accepted(AccountId(2), 71);
        assert_eq!(room(&node, Storage::File), (20, true));
        assert_eq!(room(&node, Storage::Memory), (u64::MAX, false));
        node.work.arrived(account, 30);
        assert_eq!(room(&node, Storage::File), (50, false));
    }
}
