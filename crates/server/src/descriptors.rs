//! How the file descriptors of the process are shared out. Connections get what the store, the
//! monitoring and the server itself can do without: a flood of them must not keep a journal from
//! being opened.

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors that are never given to connections: a quarter of all, within these bounds.
const RESERVE_MIN: u64 = 32;
const RESERVE_MAX: u64 = 1024;

/// Descriptors that every server has: what it listens on and waits with, its journal's segments, its
/// log, and what is open for a moment.
const OPEN_ALWAYS: u64 = 16;

/// Raises the limit of open files to what the system lets this process have. A server has a
/// descriptor for each connection, and the limit that shells give is small. A program that embeds
/// a server may call this too; it is the whole process's limit.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// How many connections there may be at once.
pub(crate) fn connections_max(configured: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let most = limit.map_or(u64::MAX, |limit| limit.saturating_sub(reserve(limit)));
    usize::try_from(most).unwrap_or(usize::MAX).min(configured)
}

/// How many connections the monitoring answers at once: a part of what is kept back.
#[cfg(feature = "monitoring")]
pub(crate) fn monitoring_max() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(reserve(limit) / 4).unwrap_or(usize::MAX)
}

/// How many block files the store keeps open for writing, and as many for reading: half of what is
/// kept back, without the monitoring and what every server has open.
pub(crate) fn open_blocks_max() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(open_blocks(limit)).unwrap_or(usize::MAX)
}

fn open_blocks(limit: u64) -> u64 {
    let reserve = reserve(limit);
    ((reserve - reserve / 4).saturating_sub(OPEN_ALWAYS) / 2).max(1)
}

fn reserve(limit: u64) -> u64 {
    (limit / 4).clamp(RESERVE_MIN, RESERVE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_descriptors_are_for_connections() {
        let left = |limit: u64| limit.saturating_sub(reserve(limit));
        assert_eq!([16, 64, 128, 1024].map(left), [0, 32, 96, 768]);
        assert_eq!(left(1 << 20), (1 << 20) - 1024);
        assert_eq!([64, 256, 1024, 1 << 20].map(open_blocks), [4, 16, 88, 376]);
    }
}
