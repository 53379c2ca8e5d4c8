//! What a server can do for a migration.

use serde::{Deserialize, Serialize};

use crate::version::Version;

/// Whether a server pauses consumers: from 2.11 on.
pub(crate) fn pauses_consumers(version: &str) -> bool {
    Version::of_server(version).is_at_least(2, 11, 0)
}

/// How a stream is moved over, by what its server can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Means {
    /// It is copied by sources, as its server makes no stream of its own of a mirror.
    pub sources: bool,
    /// Its consumers end and are made again, as its server pauses none.
    pub stops: bool,
}

impl Means {
    /// Of a server of this version; `None` where it is not possible.
    pub(crate) fn of(version: &str) -> Option<Self> {
        let server = Version::of_server(version);
        // What is on its way is noted in metadata.
        server.is_at_least(2, 10, 0).then(|| Self {
            // Before: 10055.
            sources: !server.is_at_least(2, 12, 0),
            stops: !pauses_consumers(version),
        })
    }

    /// Whether the server can do everything.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_do_it_otherwise() {
        let means = |version| Means::of(version).map(|means| (means.sources, means.stops));
        assert_eq!(means("2.9.25"), None);
        assert_eq!(means("2.10.26"), Some((true, true)));
        assert_eq!(means("2.11.11"), Some((true, false)));
        assert_eq!(means("2.12.0"), Some((false, false)));
    }
}
