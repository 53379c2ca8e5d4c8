//! Real servers, where they are at hand.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Real servers: the one of `WATERSHED_NATS_SERVER`, and others of `WATERSHED_NATS_SERVERS`, with
/// colons between them.
pub(crate) fn programs() -> Vec<PathBuf> {
    let one = std::env::var_os("WATERSHED_NATS_SERVER").map(PathBuf::from);
    let others = std::env::var("WATERSHED_NATS_SERVERS").unwrap_or_default();
    let others = others.split(':').filter(|path| !path.is_empty()).map(PathBuf::from);
    one.into_iter().chain(others).collect()
}

/// A running nats-server; ends when dropped.
pub(crate) struct NatsServer {
    pub(crate) url: String,
    child: Child,
    _folder: TempDir,
}

impl NatsServer {
    pub(crate) fn start(program: &Path, arguments: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(program)
            .args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd"])
            .arg(folder.path().join("store"))
            .arg("--ports_file_dir")
            .arg(folder.path())
            .args(arguments)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let file = folder.path().join(format!("nats-server_{}.ports", child.id()));
        let deadline = Instant::now() + Duration::from_secs(20);
        let url = loop {
            assert!(Instant::now() < deadline, "nats-server did not start");
            let json = std::fs::read_to_string(&file).unwrap_or_default();
            let ports: Value = serde_json::from_str(&json).unwrap_or_default();
            match ports["nats"][0].as_str() {
                Some(url) => break url.to_owned(),
                None => std::thread::yield_now(),
            }
        };
        Self { url, child, _folder: folder }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
