//! A real nats-server to compare with, if there is one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Where a nats-server is.
pub(crate) struct NatsServer(PathBuf);

/// A running nats-server; ends when dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl NatsServer {
    pub(crate) fn find() -> Option<Self> {
        std::env::var_os("WATERSHED_NATS_SERVER").map(|path| Self(path.into()))
    }

    /// Starts it on a free port of loopback, with JetStream in a folder of its own, told what
    /// `conf` says.
    pub(crate) fn start(&self, conf: Option<&Path>) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(&self.0)
            .args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd"])
            .arg(folder.path().join("store"))
            .arg("--ports_file_dir")
            .arg(folder.path())
            .args(conf.into_iter().flat_map(|conf| [Path::new("-c"), conf]))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let file = folder.path().join(format!("nats-server_{}.ports", child.id()));
        let deadline = Instant::now() + Duration::from_secs(10);
        let port = loop {
            assert!(Instant::now() < deadline, "nats-server did not start");
            let json = std::fs::read_to_string(&file).unwrap_or_default();
            let ports: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
            match ports["nats"][0].as_str() {
                Some(url) => break url.rsplit(':').next().unwrap().parse::<u16>().unwrap(),
                // The peer says that it is ready by a file, and nothing else.
                None => std::thread::yield_now(),
            }
        };
        Running { address: ([127, 0, 0, 1], port).into(), child, _folder: folder }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
