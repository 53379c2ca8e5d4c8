//! Where the store is in a folder that is not its own alone.

use std::fs;
use std::path::{Path, PathBuf};

/// Folder of the store in one that holds other things: volumes come with `lost+found`, and people
/// keep their configuration beside their data.
const WITHIN: &str = "watershed";

/// What a store's own folder holds.
const OWN: [&str; 7] =
    ["FORMAT", "FORMAT.new", "LOCK", "journal", "blocks", "checkpoint-0", "checkpoint-1"];

/// What nats-server makes in its `store_dir`. Whoever points at it expects its streams, which are
/// not read: to begin with none beside them would look as if they were lost.
const NATS_SERVER: &str = "jetstream";

/// The folder of the store that a configuration means by `store_dir`: itself, if it is a store's or
/// nobody's, else one inside it.
pub(crate) fn store_folder(store_dir: &Path) -> PathBuf {
    // What cannot be listed cannot be opened either, which says why.
    let Ok(entries) = fs::read_dir(store_dir) else { return store_dir.to_owned() };
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    let has = |own: &str| names.iter().any(|name| name == own);
    let is_own = names.is_empty() || OWN.iter().any(|own| has(own));
    if is_own || (has(NATS_SERVER) && !has(WITHIN)) {
        return store_dir.to_owned();
    }
    store_dir.join(WITHIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_things_are_left_alone() {
        for (there, expected) in [
            (&[][..], ""),
            (&["LOCK"], ""),
            (&["FORMAT", "journal", "letter.txt"], ""),
            (&["journal", "watershed"], ""),
            (&["lost+found"], WITHIN),
            (&["letter.txt", "watershed"], WITHIN),
            (&["jetstream"], ""),
            (&["jetstream", "watershed"], WITHIN),
        ] {
            let folder = tempfile::tempdir().unwrap();
            for name in there {
                fs::create_dir(folder.path().join(name)).unwrap();
            }
            let found = store_folder(folder.path());
            assert_eq!(found, folder.path().join(expected), "{there:?}");
        }
        let absent = Path::new("/nonexistent/store");
        assert_eq!(store_folder(absent), absent);
    }
}
