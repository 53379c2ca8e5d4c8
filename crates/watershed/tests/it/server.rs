//! A `watershed serve` to test with.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program's `serve`, with these arguments.
pub(crate) fn serve(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watershed"));
    command.arg("serve").args(arguments);
    command
}

/// A running server; killed when dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Running {
    /// Starts a server on a free port with its streams in `store`.
    pub(crate) fn start(store: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = serve(&["-p", "-1", "--store_dir"])
            .arg(store)
            .arg("--ports_file_dir")
            .arg(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let file = folder.path().join(format!("nats-server_{}.ports", child.id()));
        let mut running = Self { address: ([127, 0, 0, 1], 0).into(), child, _folder: folder };
        let deadline = Instant::now() + PATIENCE;
        let port = loop {
            assert!(Instant::now() < deadline, "the server did not start");
            assert_eq!(running.child.try_wait().unwrap(), None, "the server ended");
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let port = text.trim_end_matches("\"]}").rsplit(':').next().unwrap().parse::<u16>();
            match port {
                Ok(port) => break port,
                Err(_) => std::thread::yield_now(),
            }
        };
        running.address.set_port(port);
        running
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Exit code and what was said.
pub(crate) fn outcome(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
