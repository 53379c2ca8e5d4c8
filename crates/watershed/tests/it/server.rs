//! The program to test with: run to its end, or running as a server.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The program, with nothing of this environment's NATS settings.
pub(crate) fn watershed(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watershed"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NATS_")) {
        command.env_remove(name);
    }
    command
}

/// The program's `serve`, with these arguments.
pub(crate) fn serve(arguments: &[&str]) -> Command {
    let mut command = watershed(&["serve"]);
    command.args(arguments);
    command
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    let output = watershed(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs the program to its end, which must be a good one; what it printed.
#[track_caller]
pub(crate) fn succeed(arguments: &[&str]) -> String {
    let ran = run(arguments);
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.out, ran.err);
    ran.out
}

/// A topology that the project comes with.
pub(crate) fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    root.join(name).canonicalize().unwrap().display().to_string()
}

/// Names of all topologies that the project comes with.
pub(crate) const EXAMPLES: [&str; 4] =
    ["20-streams", "agentic-platform", "observability-agent", "persistent-events"];

/// A running server; killed when dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// What `up` said when it was ready.
    pub(crate) report: Value,
    child: Child,
    _folder: TempDir,
}

impl Running {
    /// Starts a server on a free port with its streams in `store`.
    pub(crate) fn start(store: &Path) -> Self {
        Self::serve(&["--store_dir", store.to_str().unwrap()], &[])
    }

    /// Starts `serve` on a free port of loopback.
    pub(crate) fn serve(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = serve(&["-a", "127.0.0.1", "-p", "-1"])
            .args(arguments)
            .arg("--ports_file_dir")
            .arg(folder.path())
            .envs(environment.iter().copied())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let file = folder.path().join(format!("nats-server_{}.ports", child.id()));
        let address = ([127, 0, 0, 1], 0).into();
        let mut running = Self { address, report: Value::Null, child, _folder: folder };
        running.address = Self::wait(&mut running.child, &file);
        running
    }

    /// Waits until a server has written where it is.
    pub(crate) fn wait(child: &mut Child, ports: &Path) -> SocketAddr {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "the server did not start");
            assert_eq!(child.try_wait().unwrap(), None, "the server ended");
            let text = std::fs::read_to_string(ports).unwrap_or_default();
            let ports: Value = serde_json::from_str(&text).unwrap_or_default();
            match ports["nats"][0].as_str() {
                Some(url) => return url.trim_start_matches("nats://").parse().unwrap(),
                None => std::thread::yield_now(),
            }
        }
    }

    /// Starts `up` on free ports with everything that it keeps in `data`, and waits until it is
    /// ready.
    pub(crate) fn up(data: &Path, topologies: &[&str]) -> Self {
        Self::ready(up(data, topologies).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Waits until an `up` that tells programs is ready.
    pub(crate) fn ready(mut child: Child) -> Self {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut text = String::new();
        let report: Value = loop {
            let line = lines.next().expect("up is ready before it ends").unwrap();
            text.push_str(&line);
            if let Ok(report) = serde_json::from_str(&text) {
                break report;
            }
        };
        let url = report["url"].as_str().unwrap();
        let address = url.trim_start_matches("nats://").parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { address, report, child, _folder: folder }
    }

    /// Starts `up` as people do, and waits until it is ready; also what it printed.
    pub(crate) fn printing(command: &mut Command) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut text = String::new();
        while !text.ends_with("everything is on disk.\n") {
            text += &lines.next().expect("up is ready before it ends").unwrap();
            text.push('\n');
        }
        let start = text.find("nats://").unwrap() + "nats://".len();
        let address = text[start..].split_whitespace().next().unwrap().parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        (Self { address, report: Value::Null, child, _folder: folder }, text)
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ctrl-C; the exit code.
    pub(crate) fn interrupt(self) -> Option<i32> {
        self.signal("INT");
        self.end()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the end; the exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

/// `up` on free ports, telling programs when it is ready.
pub(crate) fn up(data: &Path, topologies: &[&str]) -> Command {
    let mut command = watershed(&["up", "--json", "--listen", "127.0.0.1:0"]);
    command.args(["--http", "127.0.0.1:0", "--data"]).arg(data).args(topologies);
    command.stdout(Stdio::piped());
    command
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

/// A topology in a folder of its own.
pub(crate) fn write(folder: &TempDir, text: &str) -> String {
    let path: PathBuf = folder.path().join("watershed.yaml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}
