//! Whether there is room for a backup, before anything is copied.

use std::path::Path;

use rustix::fs::statvfs;
use watershed_wire::jetstream::stream::StreamState;

use super::error::BackupError;

/// Bytes of a message in a backup besides its content: names, numbers, a time.
const AROUND_A_MESSAGE: u64 = 90;

/// Whether streams with these states fit into a folder, as far as that is known beforehand: the size of the archive beside
/// the messages is only known once it is compressed. For a missing folder, its parent counts.
pub fn check_room<'a>(
    folder: &Path,
    states: impl IntoIterator<Item = &'a StreamState>,
) -> Result<(), BackupError> {
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let disk = statvfs(there).map_err(|error| BackupError::file("look at", there)(error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    enough(folder, needed(states), free)
}

/// Bytes that the messages take in any case.
fn needed<'a>(states: impl IntoIterator<Item = &'a StreamState>) -> u64 {
    states.into_iter().fold(0, |sum, state| {
        // Payloads and headers are written in base64.
        let content = (state.bytes / 3).saturating_mul(4);
        sum.saturating_add(content).saturating_add(state.messages.saturating_mul(AROUND_A_MESSAGE))
    })
}

fn enough(folder: &Path, needed: u64, free: u64) -> Result<(), BackupError> {
    if needed <= free {
        return Ok(());
    }
    Err(BackupError::Room { folder: folder.to_owned(), needed, free })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_to_be_too_large_is_not_begun() {
        let state = |messages, bytes| StreamState { messages, bytes, ..StreamState::default() };
        assert_eq!(needed(&[]), 0);
        assert_eq!(needed(&[state(2, 3000), state(1, 300)]), 4000 + 400 + 270);
        assert_eq!(needed(&[state(u64::MAX, u64::MAX)]), u64::MAX);
        let folder = Path::new("backup");
        assert!(enough(folder, 4670, 4670).is_ok());
        let error = enough(folder, 5 << 30, 1 << 20).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no room in backup for the backup: the messages take 5120 MiB at least, and 1 MiB is free; nothing was copied"
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_on_some_disk() {
        let folder = std::env::temp_dir();
        let state = StreamState { messages: 1, bytes: 10, ..StreamState::default() };
        for path in [&folder.join("not/there"), Path::new("not-there"), Path::new("/not-there")] {
            check_room(path, [&state]).unwrap();
        }
        let all = StreamState { messages: 1, bytes: u64::MAX / 8, ..StreamState::default() };
        check_room(&folder, [&all]).unwrap_err();
    }
}
