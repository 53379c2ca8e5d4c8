//! A server as a process of its own.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

/// A program to measure.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    /// Checksum of the file: results of one build are not taken for those of another.
    pub(crate) digest: String,
    path: PathBuf,
    role: Role,
}

/// What a program is measured as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// This server.
    Ours,
    /// Another build of this server.
    Before,
    /// A nats-server as it comes.
    Default,
    /// A nats-server that syncs every message.
    Always,
}

/// Only what would cut off a slow reader is changed from nats-server's defaults.
const DEFAULT: &str = "max_pending: 256MB\n";

/// With every message synced, as this server does it.
const SYNC_ALWAYS: &str = "max_pending: 256MB\njetstream { sync_interval: always }\n";

impl Program {
    /// This server; all but the first are builds that it is compared with.
    pub(crate) fn ours(path: &Path, index: usize) -> anyhow::Result<Self> {
        let (name, role) = match index {
            0 => ("watershed".to_owned(), Role::Ours),
            1 => ("watershed before".to_owned(), Role::Before),
            _ => (format!("watershed before ({index})"), Role::Before),
        };
        Ok(Self { name, digest: digest(path)?, path: path.to_owned(), role })
    }

    /// A nats-server as it comes, and one that syncs every message.
    pub(crate) fn nats_servers(path: &Path) -> anyhow::Result<[Self; 2]> {
        let output = Command::new(path).arg("-v").output();
        let output = output.with_context(|| format!("cannot run {}", path.display()))?;
        let version = String::from_utf8_lossy(&output.stdout);
        let version = version.trim().trim_start_matches("nats-server: v");
        let name = format!("nats-server {version}");
        let (always, digest) = (format!("{name} sync always"), digest(path)?);
        Ok([
            Self { name, digest: digest.clone(), path: path.to_owned(), role: Role::Default },
            Self { name: always, digest, path: path.to_owned(), role: Role::Always },
        ])
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Whether it syncs every message because it was told to.
    pub(crate) fn is_always(&self) -> bool {
        self.role == Role::Always
    }

    /// Starts the program on a free port with the store that is in `folder`.
    pub(crate) fn start_in(&self, folder: TempDir) -> anyhow::Result<Running> {
        let mut command = Command::new(&self.path);
        let config = match self.role {
            Role::Ours | Role::Before => None,
            Role::Default => Some(DEFAULT),
            Role::Always => Some(SYNC_ALWAYS),
        };
        if let Some(config) = config {
            let path = folder.path().join("nats.conf");
            fs::write(&path, config)?;
            command.arg("-js").arg("-c").arg(path);
        } else {
            command.arg("serve");
        }
        command
            .args(["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir"])
            .arg(folder.path())
            .arg("--store_dir")
            .arg(folder.path().join(STORE))
            .stderr(Stdio::null())
            .stdout(Stdio::null());
        let child =
            command.spawn().with_context(|| format!("cannot run {}", self.path.display()))?;
        let address = ([127, 0, 0, 1], 0).into();
        let mut running = Running { address, child, folder: Some(folder) };
        running.address = running.wait_for_ports()?;
        Ok(running)
    }
}

/// Folder of the store, in the folder of the server.
const STORE: &str = "store";

fn digest(path: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut digest = crc64fast_nvme::Digest::new();
    digest.write(&bytes);
    Ok(format!("{:016x}", digest.sum64()))
}

/// A running program; ends when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    child: Child,
    /// There until it is handed on.
    folder: Option<TempDir>,
}

impl Running {
    fn wait_for_ports(&mut self) -> anyhow::Result<SocketAddr> {
        let folder = self.folder.as_ref().context("the server has no folder")?;
        let file = folder.path().join(format!("nats-server_{}.ports", self.child.id()));
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended: {status}");
            }
            let text = fs::read_to_string(&file);
            if let Some(port) = text.ok().as_deref().and_then(first_port) {
                return Ok(([127, 0, 0, 1], port).into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("the server did not say where it listens")
    }

    /// Memory that the server holds.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        Ok(kib.context("no resident size")? * 1024.0)
    }

    /// Asks the server to stop and waits until it has; what it leaves.
    pub(crate) fn stop(mut self) -> anyhow::Result<TempDir> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().context("cannot run kill")?;
        self.child.wait()?;
        self.folder.take().context("the server has no folder")
    }

    /// `kill -9`; what it leaves.
    pub(crate) fn kill(mut self) -> anyhow::Result<TempDir> {
        self.child.kill()?;
        self.child.wait()?;
        self.folder.take().context("the server has no folder")
    }

    /// What the store takes from the disk, in bytes: blocks, as `du` counts them.
    pub(crate) fn disk_bytes(&self) -> anyhow::Result<f64> {
        let folder = self.folder.as_ref().context("the server has no folder")?;
        Ok(disk_bytes(&folder.path().join(STORE))?)
    }

    /// Processor time that the server has used.
    ///
    /// Linux counts the time of each thread in nanoseconds, and the time of the process in hundredths of
    /// a second, but with the threads that have ended.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        const TICKS_PER_SECOND: f64 = 100.0; // USER_HZ, the same on every Linux
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let mut nanoseconds = 0.0;
        for thread in fs::read_dir(process.join("task"))? {
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
                continue; // the thread ended meanwhile
            };
            let first = text.split(' ').next().and_then(|text| text.parse::<f64>().ok());
            nanoseconds += first.context("no time of a thread")?;
        }
        let stat = fs::read_to_string(process.join("stat"))?;
        let fields = stat.rsplit(')').next().context("no such format")?;
        let mut fields = fields.split_whitespace().skip(11);
        let mut ticks = || fields.next().and_then(|text| text.parse::<f64>().ok());
        let (user, system) = (ticks().context("no user time")?, ticks().context("no system time")?);
        // The ticks may lag behind by one, the threads by all that ended.
        let counted = (user + system) / TICKS_PER_SECOND;
        let exact = nanoseconds / 1e9;
        Ok(if counted > exact + 0.02 { counted } else { exact })
    }
}

/// Below a folder whose files may go meanwhile.
pub(crate) fn disk_bytes(folder: &Path) -> io::Result<f64> {
    const BLOCK_BYTES: f64 = 512.0; // of `st_blocks`, whatever the file system's own are
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let entries = match fs::read_dir(folder) {
        Err(error) if gone(&error) => return Ok(0.0),
        entries => entries?,
    };
    let mut sum = 0.0;
    for entry in entries {
        let entry = entry?;
        sum += match entry.metadata() {
            Err(error) if gone(&error) => 0.0,
            Err(error) => return Err(error),
            Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path())?,
            Ok(metadata) => metadata.blocks() as f64 * BLOCK_BYTES,
        };
    }
    Ok(sum)
}

fn first_port(json: &str) -> Option<u16> {
    let url = json.split("nats://").nth(1)?;
    let digits = url.split('"').next()?.rsplit(':').next()?;
    digits.parse().ok()
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
