//! The JWTs of accounts in a folder, one file each, as nats-server's full resolver keeps them. What is saved is on disk
//! when that is said. No name comes from outside but as the key of an account.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::token::{JWT_BYTES_MAX, is_account};

/// A folder of JWTs.
#[derive(Debug)]
pub(crate) struct Directory {
    folder: PathBuf,
    /// Whether what is deleted is gone, and not only put aside.
    hard_delete: bool,
    /// Most accounts.
    limit: Option<usize>,
}

impl Directory {
    /// Opens a folder, which is made if it isn't there.
    pub(crate) fn open(folder: &Path, hard_delete: bool, limit: Option<usize>) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), hard_delete, limit })
    }

    /// The file of an account. Any other text, whatever is in it, has none.
    fn file(&self, key: &str) -> io::Result<PathBuf> {
        if is_account(key) {
            return Ok(self.folder.join(format!("{key}.jwt")));
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "invalid key of an account"))
    }

    /// The accounts that there are.
    pub(crate) fn keys(&self) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let key = name.to_str().and_then(|name| name.strip_suffix(".jwt"));
            keys.extend(key.filter(|key| is_account(key)).map(str::to_owned));
        }
        keys.sort_unstable();
        Ok(keys)
    }

    /// The JWT of an account, if it is there.
    pub(crate) fn load(&self, key: &str) -> io::Result<Option<String>> {
        let path = self.file(key)?;
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
            Ok(data) if data.len() > JWT_BYTES_MAX as u64 => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "this is too long"));
            }
            Ok(_) => {}
        }
        fs::read_to_string(path).map(|text| Some(text.trim().to_owned()))
    }

    /// Saves the JWT of an account in the place of the one before it. Returns when it is on disk.
    pub(crate) fn save(&self, key: &str, jwt: &str) -> io::Result<()> {
        let path = self.file(key)?;
        if let Some(limit) = self.limit
            && !path.exists()
            && self.keys()?.len() >= limit
        {
            return Err(io::Error::other("the resolver has as many accounts as its `limit`"));
        }
        let new = path.with_extension("jwt.new");
        let mut file = File::create(&new)?;
        file.write_all(jwt.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        self.sync()
    }

    /// Deletes the JWT of an account. Says whether it was there.
    pub(crate) fn delete(&self, key: &str) -> io::Result<bool> {
        let path = self.file(key)?;
        let done = if self.hard_delete {
            fs::remove_file(&path)
        } else {
            fs::rename(&path, path.with_extension("jwt.deleted"))
        };
        match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
            Ok(()) => self.sync().map(|()| true),
        }
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use nkeys::KeyPair;

    use super::*;

    #[test]
    fn accounts_are_saved_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        let directory = Directory::open(&inner, false, Some(2)).unwrap();
        let [one, two] = [(); 2].map(|()| KeyPair::new_account().public_key());
        directory.save(&one, "first").unwrap();
        directory.save(&one, "second").unwrap();
        directory.save(&two, "other").unwrap();
        fs::write(inner.join("x.jwt"), "stranger").unwrap();
        fs::write(inner.join(format!("{one}.jwt.new")), "cut off").unwrap();
        assert!(directory.save(&KeyPair::new_account().public_key(), "third").is_err());
        let mut both = vec![one.clone(), two.clone()];
        both.sort_unstable();
        assert_eq!(directory.keys().unwrap(), both);
        assert_eq!(directory.load(&one).unwrap().as_deref(), Some("second"));
        assert!(directory.delete(&one).unwrap() && !directory.delete(&one).unwrap());
        assert_eq!((directory.load(&one).unwrap(), directory.keys().unwrap()), (None, vec![two]));
        assert!(inner.join(format!("{one}.jwt.deleted")).exists());
    }

    #[test]
    fn nothing_leaves_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&folder.path().join("in"), true, None).unwrap();
        let user = KeyPair::new_user().public_key();
        for key in ["", ".", "..", "../x", "/etc/passwd", "a\0b", &user, &format!("../{user}")] {
            assert!(directory.save(key, "x").is_err(), "{key}");
            assert!(directory.load(key).is_err() && directory.delete(key).is_err(), "{key}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
