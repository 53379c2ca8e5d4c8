//! Secrets: found where the file says, or made and kept on this machine.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use watershed_topology::model::Secret;

/// Name of the file of kept secrets.
pub(crate) const FILE: &str = "secrets.json";

/// Bytes of a password file; more is no password.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// What a reference leads to; `None` for an environment variable that is not set. Relative files
/// start from `folder`.
pub(crate) fn resolve(secret: &Secret, folder: &Path) -> anyhow::Result<Option<String>> {
    match secret {
        Secret::Env(name) => match std::env::var(name) {
            Ok(value) if value.is_empty() => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => bail!("{name} is not valid UTF-8"),
        },
        Secret::File(path) => {
            let path = folder.join(path);
            let shown = path.display();
            let metadata = fs::metadata(&path)
                .with_context(|| format!("cannot read the secret in {shown}"))?;
            if metadata.len() > SECRET_BYTES_MAX {
                bail!("{shown} is too long to be a password");
            }
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read the secret in {shown}"))?;
            let text = text.trim_end_matches(['\n', '\r']).to_owned();
            if text.is_empty() {
                bail!("{shown} is empty");
            }
            Ok(Some(text))
        }
        Secret::Bcrypt(hash) => Ok(Some(hash.clone())),
    }
}

/// Passwords that were made here, by account and user, in a file that only its owner can read.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    by_account: BTreeMap<String, BTreeMap<String, String>>,
    changed: bool,
}

impl Kept {
    /// Reads what is kept in `folder`.
    pub(crate) fn load(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let shown = path.display();
        let by_account = match fs::read_to_string(&path) {
            Ok(text) => {
                let mode = fs::metadata(&path)?.mode();
                if mode & 0o077 != 0 {
                    bail!("others can read {shown}: chmod 600 {shown}");
                }
                serde_json::from_str(&text).with_context(|| format!("{shown} is damaged"))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        Ok(Self { path, by_account, changed: false })
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The password of a user, if one is kept.
    pub(crate) fn find(&self, account: &str, user: &str) -> Option<&str> {
        self.by_account.get(account)?.get(user).map(String::as_str)
    }

    /// The password of a user, made now if there is none.
    pub(crate) fn ensure(&mut self, account: &str, user: &str) -> anyhow::Result<String> {
        if let Some(password) = self.find(account, user) {
            return Ok(password.to_owned());
        }
        let password = generate()?;
        let users = self.by_account.entry(account.to_owned()).or_default();
        users.insert(user.to_owned(), password.clone());
        self.changed = true;
        Ok(password)
    }

    /// Writes what was made. A crash leaves the old file or the new one.
    pub(crate) fn save(&mut self) -> anyhow::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let new = self.path.with_extension("new");
        let text = serde_json::to_string_pretty(&self.by_account)?;
        let write = || -> std::io::Result<()> {
            let _ = fs::remove_file(&new);
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            fs::File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", self.path.display()))?;
        self.changed = false;
        Ok(())
    }
}

/// A password that nobody guesses: 192 bits.
pub(crate) fn generate() -> anyhow::Result<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("cannot get random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_passwords_stay_the_same_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::load(folder.path()).unwrap();
        let password = kept.ensure("A", "u").unwrap();
        assert_eq!(password.len(), 32);
        kept.save().unwrap();
        let mode = fs::metadata(kept.path()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Kept::load(folder.path()).unwrap();
        assert_eq!((again.find("A", "u"), again.find("B", "u")), (Some(password.as_str()), None));
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(kept.path(), open).unwrap();
        assert!(Kept::load(folder.path()).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_file_is_a_secret_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pass"), "hush\n").unwrap();
        let secret = |path: &str| resolve(&Secret::File(path.into()), folder.path());
        assert_eq!(secret("pass").unwrap().as_deref(), Some("hush"));
        assert!(secret("none").is_err());
    }
}
