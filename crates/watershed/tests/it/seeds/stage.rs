//! Where a page runs: a folder with the examples and the clients, and a server that can be killed and started again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::page::Page;
use crate::server::{PATIENCE, Running, succeed, watershed};

/// Longest time for a whole page, in seconds.
const SESSION: &str = "40";

/// Exit code of a command with which the shell itself has ended.
pub(super) const ENDED: i32 = -1;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Up,
    NatsServer,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::NatsServer => "nats-server",
        }
    }
}

enum Process {
    Up(Running),
    NatsServer(Child),
}

pub(super) struct Stage {
    kind: Kind,
    /// The file, and its `--env`.
    topology: Vec<String>,
    secrets: Vec<(String, String)>,
    client: SocketAddr,
    http: SocketAddr,
    process: Option<Process>,
    terminal: Terminal,
    folder: TempDir,
}

impl Stage {
    pub(super) fn new(kind: Kind, page: &Page) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&root.join("../../examples"), &folder.path().join("examples"));
        copy(&root.join("tests/seeds"), &folder.path().join("as-written"));
        copy(&root.join("tests/sources"), &folder.path().join("sources"));
        programs(kind, &folder.path().join("bin"));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut topology = vec![folder.path().join(&page.topology).display().to_string()];
        topology.extend(page.environment.iter().map(|name| format!("--env={name}")));
        let arguments: Vec<&str> = topology.iter().map(String::as_str).collect();
        let conf = succeed(&[&["render", "nats-conf"], arguments.as_slice()].concat());
        let names = conf.lines().filter_map(|line| line.strip_prefix("#   "));
        let names = names.filter_map(|line| line.split_whitespace().next());
        let secrets =
            names.map(|name| (name.to_owned(), format!("{}-1", name.to_lowercase()))).collect();
        // The folder of the store and the addresses are arguments.
        let own = ["store_dir", "listen", "http"];
        let lines = conf
            .split_inclusive('\n')
            .filter(|line| !own.iter().any(|key| line.trim().starts_with(key)));
        std::fs::write(folder.path().join("server.conf"), lines.collect::<String>()).unwrap();
        let terminal = Terminal::open(folder.path());
        let mut stage = Self {
            kind,
            topology,
            secrets,
            client: any,
            http: any,
            process: None,
            terminal,
            folder,
        };
        stage.start();
        for (name, value) in stage.secrets.clone() {
            stage.terminal.run(&format!("export {name}={value}"));
        }
        stage.terminal.run(&format!("export NATS_URL=nats://{}", stage.client));
        stage
    }

    /// Starts the server, on the addresses that it had before.
    fn start(&mut self) {
        let process = match self.kind {
            Kind::Up => {
                let [client, http] = [self.client, self.http].map(|address| address.to_string());
                let mut command =
                    watershed(&["up", "--json", "--listen", &client, "--http", &http, "--data"]);
                command.arg(self.path("data")).args(&self.topology).stdout(Stdio::piped());
                command.envs(self.secrets.iter().cloned()).stderr(Stdio::null());
                let running = Running::ready(command.spawn().unwrap());
                self.client = running.address;
                self.http = address(&running.report["http"]);
                Process::Up(running)
            }
            Kind::NatsServer => Process::NatsServer(self.real()),
        };
        self.process = Some(process);
    }

    fn real(&mut self) -> Child {
        let port = |address: SocketAddr| match address.port() {
            0 => "-1".to_owned(),
            port => port.to_string(),
        };
        let mut command = Command::new(watershed_peers::nats_server());
        command.args(["-a", "127.0.0.1", "-p", &port(self.client), "-m", &port(self.http), "-js"]);
        command.arg("-c").arg(self.path("server.conf")).arg("-sd").arg(self.path("data"));
        command.arg("--ports_file_dir").arg(self.folder.path());
        command.envs(self.secrets.iter().cloned());
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        let file = self.path(&format!("nats-server_{}.ports", child.id()));
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "nats-server did not start");
            let ports = std::fs::read_to_string(&file).unwrap_or_default();
            let ports: Value = serde_json::from_str(&ports).unwrap_or_default();
            if ports["nats"].is_array() {
                self.client = address(&ports["nats"][0]);
                self.http = address(&ports["monitoring"][0]);
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut apply = watershed(&["apply", "--yes"]);
        apply.args(&self.topology).env("NATS_URL", format!("nats://{}", self.client));
        if let Some((_, secret)) = self.secrets.iter().find(|(name, _)| name == "NATS_ADMIN_PASS") {
            apply.env("NATS_USER", "admin").env("NATS_PASSWORD", secret);
        }
        let ran = apply.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        child
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, self.here(text)).unwrap();
    }

    /// What a page says, with the addresses that there are.
    fn here(&self, text: &str) -> String {
        let (client, http) = (self.client.to_string(), self.http.to_string());
        let text = text.replace("localhost:4222", &client).replace("127.0.0.1:4222", &client);
        text.replace("localhost:8222", &http).replace("127.0.0.1:8222", &http)
    }

    /// Runs a command; the lines that it printed, and its exit code.
    pub(super) fn run(&mut self, typed: &str) -> (Vec<String>, i32) {
        if typed == "restart-nats" {
            self.kill();
            self.start();
            return (Vec::new(), 0);
        }
        let (printed, code) = self.terminal.run(&self.here(typed));
        let printed = printed.replace(&self.client.to_string(), "127.0.0.1:4222");
        let printed = printed.replace(&self.http.to_string(), "127.0.0.1:8222");
        let folder = format!("{}/", self.folder.path().display());
        let printed = printed.replace(&folder, "");
        (printed.lines().map(|line| line.trim_end().to_owned()).collect(), code)
    }

    /// `kill -9`.
    fn kill(&mut self) {
        match self.process.take() {
            Some(Process::Up(running)) => running.kill(),
            Some(Process::NatsServer(mut child)) => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            None => {}
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kill();
    }
}

fn address(url: &Value) -> SocketAddr {
    url.as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (name, path) = (entry.file_name(), entry.path());
        if name.to_str().is_some_and(|name| name.starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            std::fs::copy(path, to.join(name)).unwrap();
        }
    }
}

/// What a page calls by its name.
fn programs(kind: Kind, bin: &Path) {
    std::fs::create_dir_all(bin).unwrap();
    let link =
        |program: &Path, name: &str| std::os::unix::fs::symlink(program, bin.join(name)).unwrap();
    let own = Path::new(env!("CARGO_BIN_EXE_watershed"));
    link(own, "watershed");
    link(&watershed_peers::nats(), "nats");
    match kind {
        Kind::Up => link(own, "nats-server"),
        Kind::NatsServer => link(&watershed_peers::nats_server(), "nats-server"),
    }
    // A link to the Python of a virtual environment is the Python outside of it.
    let python = format!("#!/bin/sh\nexec {} \"$@\"\n", watershed_peers::python().display());
    let older = format!(
        "#!/bin/sh\nPYTHONPATH={} exec {} \"$@\"\n",
        watershed_peers::nats_py_2_6().display(),
        watershed_peers::python().display()
    );
    for (name, text) in [("python", python), ("python-nats-2.6.0", older)] {
        std::fs::write(bin.join(name), text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bin.join(name), mode).unwrap();
    }
}

/// A shell that stays open for a whole page.
struct Terminal {
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    typed: PathBuf,
}

impl Terminal {
    fn open(folder: &Path) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("timeout");
        command.args(["--kill-after=1", SESSION, "bash", "--noprofile", "--norc"]);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NATS_")) {
            command.env_remove(name);
        }
        command.env("PATH", format!("{}:{path}", folder.join("bin").display()));
        command.env("HOME", folder).env("XDG_CONFIG_HOME", folder).env("LC_ALL", "C.UTF-8");
        command.env("COLUMNS", "200").env("NO_COLOR", "1").current_dir(folder);
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
        let typed = folder.join("typed");
        let mut terminal = Self { shell, input, output: BufReader::new(output), typed };
        terminal.input.write_all(b"exec 2>&1\n").unwrap();
        terminal
    }

    fn run(&mut self, command: &str) -> (String, i32) {
        // From a file, so that a command which the shell cannot read ends that command alone.
        std::fs::write(&self.typed, command).unwrap();
        let line = format!(". {} </dev/null\nprintf '\\001%d\\n' $?\n", self.typed.display());
        self.input.write_all(line.as_bytes()).unwrap();
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).unwrap();
            if line.is_empty() {
                return (printed + "the shell ended, or took too long", ENDED);
            }
            if let Some((before, code)) = line.split_once('\u{1}') {
                printed += before;
                return (printed, code.trim().parse().unwrap());
            }
            printed += &line;
        }
    }
}

impl Drop for Terminal {
    /// With what it has left running: `timeout` and all below it are one process group.
    fn drop(&mut self) {
        let group = format!("-{}", self.shell.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
        let _ = self.shell.wait();
    }
}
