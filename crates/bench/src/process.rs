//! A server as a process of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

/// A program to measure.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    path: PathBuf,
    /// What nats-server's configuration file says; `None` for this server.
    config: Option<&'static str>,
}

/// Only what would cut off a slow reader is changed from nats-server's defaults.
const DEFAULT: &str = "max_pending: 256MB\n";

/// With every message synced, as this server does it.
const SYNC_ALWAYS: &str = "max_pending: 256MB\njetstream { sync_interval: always }\n";

impl Program {
    pub(crate) fn ours(path: &Path) -> Self {
        Self { name: "watershed".into(), path: path.to_owned(), config: None }
    }

    /// Whether it runs as it comes.
    pub(crate) fn is_default(&self) -> bool {
        self.config != Some(SYNC_ALWAYS)
    }

    /// A nats-server as it comes, and one that syncs every message.
    pub(crate) fn nats_servers(path: &Path) -> anyhow::Result<[Self; 2]> {
        let output = Command::new(path).arg("-v").output();
        let output = output.with_context(|| format!("cannot run {}", path.display()))?;
        let version = String::from_utf8_lossy(&output.stdout);
        let version = version.trim().trim_start_matches("nats-server: v");
        let name = format!("nats-server {version}");
        let always = format!("{name} sync always");
        Ok([
            Self { name, path: path.to_owned(), config: Some(DEFAULT) },
            Self { name: always, path: path.to_owned(), config: Some(SYNC_ALWAYS) },
        ])
    }

    /// Starts the program on a free port with an empty store.
    pub(crate) fn start(&self) -> anyhow::Result<Running> {
        self.start_in(tempfile::tempdir()?)
    }

    /// Starts the program on a free port with the store that is in `folder`.
    pub(crate) fn start_in(&self, folder: TempDir) -> anyhow::Result<Running> {
        let mut command = Command::new(&self.path);
        if let Some(config) = self.config {
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
            .arg(folder.path().join("store"))
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

    /// Processor time that the server has used.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        const TICKS_PER_SECOND: f64 = 100.0; // USER_HZ, the same on every Linux
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit(')').next().context("no such format")?;
        let mut fields = fields.split_whitespace().skip(11);
        let mut ticks = || fields.next().and_then(|text| text.parse::<f64>().ok());
        let (user, system) = (ticks().context("no user time")?, ticks().context("no system time")?);
        Ok((user + system) / TICKS_PER_SECOND)
    }
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
