//! Versions of nats-server, as far as behaviour depends on them.

use std::str::FromStr;

/// A version of nats-server. One without a patch level is the newest of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid version of nats-server `{0}`: write it as in `2.14` or `2.14.6`")]
pub struct NoVersion(String);

impl Version {
    /// What is linted for unless said otherwise: what the embedded server behaves like.
    pub const DEFAULT: Self = Self::newest(2, 14);

    /// The newest patch level.
    pub const fn newest(major: u32, minor: u32) -> Self {
        Self { major, minor, patch: u32::MAX }
    }

    /// Whether what came with `other`, at whatever patch level, is there.
    pub fn knows(self, other: Self) -> bool {
        (self.major, self.minor) >= (other.major, other.minor)
    }

    /// Whether this is `major.minor.patch` or newer.
    pub fn is_at_least(self, major: u32, minor: u32, patch: u32) -> bool {
        self >= Self { major, minor, patch }
    }

    /// What a server says of itself; what cannot be read of it counts as 0.
    pub fn of_server(text: &str) -> Self {
        let mut numbers = text.split(['.', '-']).map_while(|part| part.parse().ok());
        let mut next = || numbers.next().unwrap_or(0);
        Self { major: next(), minor: next(), patch: next() }
    }
}

impl FromStr for Version {
    type Err = NoVersion;

    /// `2.14.6`, `2.14`, `2.14.x`, with or without a `v`.
    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let wrong = || NoVersion(text.to_owned());
        let mut parts = text.trim().trim_start_matches('v').split('.');
        let number = |part: Option<&str>| part.and_then(|part| part.parse().ok());
        let major = number(parts.next()).ok_or_else(wrong)?;
        let minor = number(parts.next()).ok_or_else(wrong)?;
        let patch = match parts.next() {
            None | Some("x") => u32::MAX,
            other => number(other).ok_or_else(wrong)?,
        };
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { major, minor, patch })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch == u32::MAX { Ok(()) } else { write!(f, ".{}", self.patch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(version("2.14.5") < version("2.14.6") && version("v2.14.6") < version("2.14"));
        assert!(version("2.9.x") < version("2.10.0"));
        assert!(version("2.14").is_at_least(2, 14, 6) && !version("2.14.5").is_at_least(2, 14, 6));
        assert_eq!(Version::of_server("2.15.0-RC.1"), version("2.15.0"));
        for text in ["2.14", "2.14.6"] {
            assert_eq!(version(text).to_string(), text);
        }
        for text in ["", "2", "two", "2.14.6.1", "2.x"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
