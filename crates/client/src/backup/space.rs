//! Whether an account has room for streams that come there, before the first of them is made.

use serde_json::json;
use thiserror::Error;
use watershed_topology::call::{CallError, Request, answer};
use watershed_wire::jetstream::account::AccountInfo;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::stream::Storage;

use crate::client::Client;

/// Name of a stream that sets room aside for a moment, to see whether there is any.
const ROOM: &str = "watershed_room";

/// What streams take in an account, with all their copies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needed {
    /// Streams that are new there.
    pub streams: usize,
    /// Consumers that are new there.
    pub consumers: usize,
    /// Bytes on disk.
    pub disk: u64,
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes on disk that are set aside (`max_bytes`).
    pub disk_aside: u64,
    /// Bytes in memory that are set aside.
    pub memory_aside: u64,
}

/// What is missing for it.
#[derive(Debug, Error)]
pub enum NoRoom {
    /// The account may not store as much.
    #[error("{what}: {needed} more are needed, and the account may have {left} more")]
    Account {
        /// Of what.
        what: &'static str,
        /// How much it takes.
        needed: u64,
        /// How much is left.
        left: u64,
    },
    /// The server does not have it.
    #[error("bytes {place}: {needed} more are needed: {source}")]
    Server {
        /// Where.
        place: &'static str,
        /// How much it takes.
        needed: u64,
        /// What the server says.
        source: CallError,
    },
}

impl Needed {
    /// Counts a stream of `bytes`, with what it sets `aside` (0 for nothing) and its number of consumers.
    pub fn add(
        &mut self,
        storage: Storage,
        bytes: u64,
        aside: i64,
        replicas: usize,
        consumers: usize,
    ) {
        let copies = replicas.max(1) as u64;
        let aside = u64::try_from(aside).unwrap_or(0).saturating_mul(copies);
        let bytes = bytes.saturating_mul(copies);
        let (stored, set_aside) = match storage {
            Storage::File => (&mut self.disk, &mut self.disk_aside),
            Storage::Memory => (&mut self.memory, &mut self.memory_aside),
        };
        *stored = stored.saturating_add(bytes);
        *set_aside = set_aside.saturating_add(aside);
        self.streams += 1;
        self.consumers += consumers;
    }

    fn fits(&self, account: &AccountInfo) -> Result<(), NoRoom> {
        let limits = &account.limits;
        let of = |count: usize| count as u64;
        for (what, needed, used, most) in [
            ("streams", of(self.streams), of(account.streams), limits.max_streams),
            ("bytes on disk", self.disk, account.storage, limits.max_storage),
            ("bytes in memory", self.memory, account.memory, limits.max_memory),
            (
                "bytes set aside on disk",
                self.disk_aside,
                account.reserved_storage,
                limits.max_storage,
            ),
            (
                "bytes set aside in memory",
                self.memory_aside,
                account.reserved_memory,
                limits.max_memory,
            ),
        ] {
            // A negative limit is none.
            let Ok(most) = u64::try_from(most) else { continue };
            let left = most.saturating_sub(used);
            if needed > left && most > 0 {
                return Err(NoRoom::Account { what, needed, left });
            }
        }
        Ok(())
    }
}

impl Client {
    /// Whether an account has room for that much more, as far as the user may ask for it. What the server itself has
    /// (`max_file_store`) shows by whether it sets as much aside for a moment.
    pub async fn check_space(&self, needed: &Needed) -> Result<(), NoRoom> {
        if let Ok(reply) = self.call(&Request::bare(Call::AccountInfo)).await
            && let Ok(account) = answer::<AccountInfo>(&reply)
        {
            needed.fits(&account)?;
        }
        let (disk, memory) =
            (needed.disk.max(needed.disk_aside), needed.memory.max(needed.memory_aside));
        for (place, storage, needed) in [("on disk", "file", disk), ("in memory", "memory", memory)]
        {
            let Ok(bytes @ 1..) = i64::try_from(needed) else { continue };
            let config = json!({
                "name": ROOM, "subjects": ["_watershed.room"], "storage": storage, "max_bytes": bytes,
            });
            let made = self.call(&Request::new(Call::StreamCreate(ROOM), &config)).await;
            let made = made.and_then(|reply| answer::<serde_json::Value>(&reply));
            // It may be refused for other reasons, which concern this stream only.
            match made {
                Ok(_) => drop(self.call(&Request::bare(Call::StreamDelete(ROOM))).await),
                Err(source) if source.is_want_of_room() => {
                    return Err(NoRoom::Server { place, needed, source });
                }
                Err(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use watershed_wire::jetstream::account::AccountLimits;

    use super::*;

    #[track_caller]
    fn check(limits: AccountLimits, expected: Option<&str>) {
        let mut needed = Needed::default();
        needed.add(Storage::File, 100, -1, 3, 2);
        needed.add(Storage::Memory, 10, 50, 1, 1);
        let account = AccountInfo {
            storage: 50,
            memory: 5,
            reserved_memory: 60,
            streams: 1,
            limits,
            ..AccountInfo::default()
        };
        let said = needed.fits(&account).err().map(|error| error.to_string());
        assert_eq!(said.as_deref(), expected);
    }

    #[test]
    fn all_streams_together_have_to_fit() {
        let none = AccountLimits::default();
        check(none, None);
        check(AccountLimits { max_streams: 3, max_storage: 350, max_memory: 110, ..none }, None);
        let said = "streams: 2 more are needed, and the account may have 1 more";
        check(AccountLimits { max_streams: 2, ..none }, Some(said));
        let said = "bytes on disk: 300 more are needed, and the account may have 299 more";
        check(AccountLimits { max_storage: 349, ..none }, Some(said));
        let said =
            "bytes set aside in memory: 50 more are needed, and the account may have 49 more";
        check(AccountLimits { max_memory: 109, ..none }, Some(said));
    }
}
