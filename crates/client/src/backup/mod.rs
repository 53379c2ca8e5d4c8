//! Backups of streams: their definitions, messages and the positions of their consumers, in files that
//! any program can read, and beside them in an archive that servers and the `nats` tool read.
//!
//! ```text
//! STREAM-20261127T160312Z/
//!   messages.jsonl   a message a line, as `$JS.API.STREAM.MSG.GET` gives it
//!   stream.tar.s2    all of it as nats-server 2.10 to 2.15 read it
//!   backup.json      everything else, and the checksums of both; written last
//! ```
//!
//! A folder without `backup.json` is a backup that was cut off. Folders are 0700, files 0600.

mod archived;
mod copy;
mod error;
mod files;
mod format;
mod message;
mod pack;
mod restore;
mod room;
mod snapshot;
mod space;
mod sums;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_nats::HeaderMap;
use bytes::Bytes;

pub use self::error::BackupError;
pub use self::format::{Backup, ConsumerBackup};
pub(crate) use self::message::{EXPECTATION, Message};
pub use self::restore::{Restored, Way, is_half_restored};
pub use self::room::check_room;
pub use self::space::{Needed, NoRoom};
pub use self::sums::Sums;
use crate::client::Client;

/// How often a restore begins anew because the connection was lost.
const TRIES_MAX: u32 = 20;

/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Where a run keeps backups of what it makes again.
#[derive(Debug)]
pub struct Backups {
    folder: PathBuf,
    made: Mutex<BTreeMap<String, PathBuf>>,
}

impl Backups {
    /// Keeps them below `folder`, which is made when it is needed.
    pub fn below(folder: PathBuf) -> Self {
        Self { folder, made: Mutex::default() }
    }

    /// Backs a stream up, having seen that it could be restored.
    pub async fn make(&self, client: &Client, stream: &str) -> Result<PathBuf, BackupError> {
        // Nobody listens there; who may not publish there, could not put anything back.
        let subject = format!("{}permission", restore::prefix(stream));
        client.publish(&subject, HeaderMap::new(), Bytes::new()).await?;
        let folder = unused(&self.folder.join(format!("{stream}-{}", stamp())));
        client.back_up(stream, &folder, |_| {}).await?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(stream.to_owned(), folder.clone());
        Ok(folder)
    }

    /// Restores what [`make`](Self::make) has backed up last. A connection that is lost meanwhile is
    /// waited for.
    pub async fn put_back(&self, client: &Client, stream: &str) -> Result<(), BackupError> {
        let missing = || BackupError::Impossible(format!("no backup of `{stream}` was made"));
        let backup = Backup::open(self.made().get(stream).ok_or_else(missing)?)?;
        let mut tries = TRIES_MAX;
        loop {
            tries -= 1;
            match client.restore(&backup, stream, false, |_| {}).await {
                Ok(_) => return Ok(()),
                Err(BackupError::Call(error)) if error.is_unavailable() && tries > 0 => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The backups that were made: stream and folder.
    pub fn made(&self) -> BTreeMap<String, PathBuf> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A name that begins so and that nothing has.
fn unused(folder: &Path) -> PathBuf {
    let numbered = |number: u32| {
        let mut name = folder.as_os_str().to_owned();
        if number > 1 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    };
    (1..=9_999).map(numbered).find(|folder| !folder.exists()).unwrap_or_else(|| folder.to_owned())
}

/// Now, for a name: `20261127T160312Z`.
fn stamp() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let nanos = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    let text = watershed_wire::time::UnixNanos(nanos).to_string();
    let seconds = text.split('.').next().unwrap_or_default().trim_end_matches('Z');
    format!("{}Z", seconds.replace(['-', ':'], ""))
}
