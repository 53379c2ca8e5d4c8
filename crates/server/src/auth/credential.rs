//! What proves that somebody is a user.

use std::fmt;

use super::nkey::Nkey;

/// What proves that somebody is a user. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The password itself, as a `nats.conf` may hold it.
    Plain(String),
    /// A bcrypt hash (`$2a$…`, `$2b$…`, `$2y$…`), as nats-server takes it.
    Bcrypt(String),
    /// A public key, with whose seed clients sign what the server gives them.
    Nkey(Box<Nkey>),
}

impl Credential {
    /// Reads a password or a token from a configuration: a bcrypt hash if it looks like one.
    pub fn from_config(text: &str) -> Self {
        let hash = ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
        if hash { Self::Bcrypt(text.to_owned()) } else { Self::Plain(text.to_owned()) }
    }

    /// The hash, if checking takes long on purpose.
    pub(super) fn hash(&self) -> Option<&str> {
        match self {
            Self::Bcrypt(hash) => Some(hash),
            Self::Plain(_) | Self::Nkey(_) => None,
        }
    }

    /// Whether `offered` is the password; a key has none.
    pub(crate) fn accepts(&self, offered: &str) -> bool {
        match self {
            Self::Plain(password) => same(password.as_bytes(), offered.as_bytes()),
            Self::Bcrypt(hash) => is_hashed(offered, hash),
            Self::Nkey(_) => false,
        }
    }
}

/// Whether `offered` has this hash. Slow.
pub(super) fn is_hashed(offered: &str, hash: &str) -> bool {
    bcrypt::verify(offered, hash).unwrap_or(false)
}

/// Compares in a time that depends on the lengths alone.
fn same(left: &[u8], right: &[u8]) -> bool {
    let differences = left.iter().zip(right).fold(0, |seen, (left, right)| seen | (left ^ right));
    left.len() == right.len() && std::hint::black_box(differences) == 0
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(…)",
            Self::Bcrypt(_) => "Bcrypt(…)",
            Self::Nkey(_) => "Nkey(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_compared() {
        let plain = Credential::from_config("s3cret");
        assert!(plain.accepts("s3cret"));
        assert!(!plain.accepts("s3cre") && !plain.accepts("s3cret ") && !plain.accepts(""));
        let hash = bcrypt::hash("s3cret", 4).unwrap();
        let hashed = Credential::from_config(&hash);
        assert!(hashed.hash().is_some() && hashed.accepts("s3cret") && !hashed.accepts("other"));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", Credential::from_config("s3cret")), "Plain(…)");
    }
}
