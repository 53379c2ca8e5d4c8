//! What the tests compare with: real servers and other people's clients. For development only.
//!
//! `.ci/peers` fetches them and prints the variables that say where they are. Tests that need one are
//! ignored without it: see `at_hand.rs`, which their build scripts include.

pub mod jwt;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longest wait until a server is ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the peer of this variable is.
#[track_caller]
fn find(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty());
    path.unwrap_or_else(|| panic!("{variable} is not set: see .ci/peers")).into()
}

/// The nats-server whose behaviour is the reference.
#[track_caller]
pub fn nats_server() -> PathBuf {
    find("WATERSHED_NATS_SERVER")
}

/// The reference, and the other versions of nats-server that are at hand.
#[track_caller]
pub fn nats_servers() -> Vec<PathBuf> {
    let others = std::env::var("WATERSHED_NATS_SERVERS").unwrap_or_default();
    let others = others.split(':').filter(|path| !path.is_empty()).map(PathBuf::from);
    [nats_server()].into_iter().chain(others).collect()
}

/// The `nats` command line tool.
#[track_caller]
pub fn nats() -> PathBuf {
    find("WATERSHED_NATS")
}

/// A Python with nats-py.
#[track_caller]
pub fn python() -> PathBuf {
    find("WATERSHED_PYTHON")
}

/// A folder with npm's playwright-core and typescript, where there is a Chromium too.
#[track_caller]
pub fn browser() -> PathBuf {
    find("WATERSHED_BROWSER")
}

/// A folder with nats-py 2.6.0, for `PYTHONPATH`.
#[track_caller]
pub fn nats_py_2_6() -> PathBuf {
    find("WATERSHED_NATS_PY_2_6")
}

/// A running nats-server; ends when dropped.
#[derive(Debug)]
pub struct NatsServer {
    /// Where clients connect.
    pub url: String,
    /// The same as an address.
    pub address: SocketAddr,
    /// What it says of all its ports, as JSON.
    pub ports: Value,
    child: Child,
    folder: TempDir,
}

impl NatsServer {
    /// Starts `program` on a free port of loopback, with JetStream in a folder of its own.
    #[track_caller]
    pub fn start(program: &Path) -> Self {
        Self::start_with(program, &[] as &[&str])
    }

    /// The same, with these arguments.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[track_caller]
    pub fn start_with(program: &Path, arguments: &[impl AsRef<OsStr>]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for nats-server");
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd"]);
        command.arg(folder.path().join("store")).arg("--ports_file_dir").arg(folder.path());
        let child = command.args(arguments).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let file = folder.path().join(format!("nats-server_{}.ports", child.id()));
        let deadline = Instant::now() + PATIENCE;
        let (url, ports) = loop {
            assert!(Instant::now() < deadline, "{} did not start", program.display());
            let json = std::fs::read_to_string(&file).unwrap_or_default();
            let ports: Value = serde_json::from_str(&json).unwrap_or_default();
            match ports["nats"][0].as_str() {
                Some(url) => break (url.to_owned(), ports),
                // It says that it is ready by a file, and nothing else.
                None => std::thread::yield_now(),
            }
        };
        let address = url.trim_start_matches("nats://").trim_start_matches("tls://");
        let address = address.parse().expect("a URL with an address");
        Self { url, address, ports, child, folder }
    }

    /// Where a stream of the account `$G` is on disk.
    pub fn stream_folder(&self, stream: &str) -> PathBuf {
        self.folder.path().join("store/jetstream/$G/streams").join(stream)
    }

    /// Starts the reference.
    #[track_caller]
    pub fn reference() -> Self {
        Self::start(&nats_server())
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
