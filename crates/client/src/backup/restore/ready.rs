//! Whether backups can be restored, before the first of them is.

use serde_json::Value as Json;
use watershed_topology::call::{Request, answer};
use watershed_wire::jetstream::account::AccountInfo;
use watershed_wire::jetstream::call::Call;

use super::is_unfinished;
use crate::backup::{Backup, BackupError};
use crate::client::Client;

impl Client {
    /// Whether backups can be restored under these names: no such streams are there, and the account has room for all.
    pub async fn check_restore(&self, all: &[(String, Backup)]) -> Result<(), BackupError> {
        for (name, _) in all {
            self.half_restored(name).await?;
        }
        // Who may not ask for the limits hears of them later.
        let Ok(reply) = self.call(&Request::bare(Call::AccountInfo)).await else { return Ok(()) };
        match answer(&reply) {
            Ok(account) => has_room(&account, all),
            Err(_) => Ok(()),
        }
    }

    /// Whether what a restore has left that was cut off is there. A whole stream is in the way.
    pub(super) async fn half_restored(&self, name: &str) -> Result<bool, BackupError> {
        let there = self.call(&Request::bare(Call::StreamInfo(name))).await?;
        match answer::<Json>(&there) {
            Ok(info) if info.pointer("/config/metadata").is_some_and(is_unfinished) => Ok(true),
            Ok(_) => Err(BackupError::Exists(name.to_owned())),
            Err(error) if error.is_absence() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether an account may store that much more.
fn has_room(account: &AccountInfo, all: &[(String, Backup)]) -> Result<(), BackupError> {
    let limits = &account.limits;
    for (what, is_memory, used, most) in [
        ("on disk", false, account.storage, limits.max_storage),
        ("in memory", true, account.memory, limits.max_memory),
    ] {
        let stored_in_memory = |own: &Backup| own.config.get("storage") == Some(&"memory".into());
        let own = all.iter().map(|(_, backup)| backup);
        let own = own.filter(|own| stored_in_memory(own) == is_memory);
        let needed = own.fold(0_u64, |sum, backup| sum.saturating_add(backup.state.bytes));
        // A negative limit is none.
        let Ok(most) = u64::try_from(most) else { continue };
        let left = most.saturating_sub(used);
        if needed > left {
            return Err(BackupError::Full { what, needed, left });
        }
    }
    Ok(())
}
