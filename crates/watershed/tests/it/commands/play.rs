//! A scenario on one server.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;
use watershed_peers::NatsServer;

use super::normal::Normal;
use super::script::{Action, Scenario, Words};
use crate::raw::Raw;
use crate::server::{PATIENCE, Running};

/// Two accounts with a user each, whose password is its name.
const CONFIGURATION: &str = "server_name: n1
accounts {
  $SYS: { users: [{ user: sys, password: sys }] }
  APP: { jetstream: enabled, users: [{ user: app, password: app }] }
}
";

/// Seconds after which a command is stopped, and one that goes on.
const LONGEST: (&str, &str) = ("10", "60");

/// Which server.
#[derive(Clone, Copy)]
pub(super) enum Who<'a> {
    Own,
    Peer(&'a Path),
}

/// What each step printed, without what is never the same.
pub(super) fn play(scenario: &Scenario, who: Who<'_>) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("nats.conf");
    std::fs::write(&conf, CONFIGURATION).unwrap();
    let conf = conf.to_str().unwrap();
    match who {
        Who::Own => {
            let store = folder.path().join("store");
            let server = Running::serve(&["-c", conf, "--store_dir", store.to_str().unwrap()], &[]);
            Stage::new(server.address).play(scenario)
        }
        Who::Peer(program) => {
            let server = NatsServer::start_with(program, &["-c", conf]);
            Stage::new(server.address).play(scenario)
        }
    }
}

/// Where commands run.
struct Stage {
    address: SocketAddr,
    folder: TempDir,
    system: Raw,
    server: String,
    normal: Normal,
    /// What goes on.
    running: Option<Child>,
}

impl Stage {
    fn new(address: SocketAddr) -> Self {
        let mut system = Raw::connect(&format!("nats://sys:sys@{address}"));
        let answer = system.ask("$SYS.REQ.SERVER.PING.VARZ", &json!({}));
        let own = |name: &str| answer["server"][name].as_str().unwrap().to_owned();
        let (server, version) = (own("id"), own("ver"));
        let normal = Normal::new(&server, &version, address);
        let folder = tempfile::tempdir().unwrap();
        Self { address, folder, system, server, normal, running: None }
    }

    fn play(&mut self, scenario: &Scenario) -> Vec<Vec<String>> {
        let steps = scenario.steps.iter();
        let printed: Vec<_> = steps.map(|step| self.step(&step.action)).collect();
        self.stop();
        printed
    }

    fn step(&mut self, action: &Action) -> Vec<String> {
        let file = |name: &str| self.folder.path().join(name);
        let text = match action {
            Action::Run(words) => self.run(words),
            Action::Begin(words) => {
                self.stop();
                self.begin(words);
                String::new()
            }
            Action::Join => {
                let mut child = self.running.take().unwrap();
                let code = child.wait().unwrap().code();
                format!("{}exit code {code:?}", self.said())
            }
            Action::Until(text) => {
                let deadline = Instant::now() + PATIENCE;
                while !self.said().contains(text) && Instant::now() < deadline {
                    std::thread::yield_now();
                }
                self.stop();
                self.said()
            }
            Action::Stop => {
                self.stop();
                self.said()
            }
            Action::Write(name, text) => {
                std::fs::write(file(name), text).unwrap();
                String::new()
            }
            Action::Show(name) => {
                std::fs::read_to_string(file(name)).unwrap_or_else(|error| error.to_string())
            }
        };
        self.normal.lines(&text)
    }

    fn command(&self, seconds: &str, words: &Words) -> Command {
        let mut command = Command::new("timeout");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NATS_")) {
            command.env_remove(name);
        }
        command.args(["--signal", "INT", "--kill-after", "5", seconds]);
        let user = if words.system { "sys" } else { "app" };
        command.arg(watershed_peers::nats()).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("XDG_CONFIG_HOME", self.folder.path());
        command.env("NATS_URL", format!("nats://{}", self.address)).env("TZ", "UTC");
        command.env("NATS_USER", user).env("NATS_PASSWORD", user).env("NATS_TIMEOUT", "2s");
        let arguments = words.arguments.iter();
        command.args(arguments.map(|word| word.replace("$SERVER", &self.server)));
        command
    }

    /// Runs a command to its end: what it printed, and how it ended.
    fn run(&self, words: &Words) -> String {
        let output = self.command(LONGEST.0, words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        format!("{out}\n{err}\nexit code {:?}", output.status.code())
    }

    /// Starts a command that goes on, and waits until it listens.
    fn begin(&mut self, words: &Words) {
        let out = File::create(self.folder.path().join("said")).unwrap();
        let mut command = self.command(LONGEST.1, words);
        command.stdout(out.try_clone().unwrap()).stderr(out);
        self.running = Some(command.spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        // It makes its subscriptions one after the other.
        let (mut before, mut steady) = (0, 0);
        while steady < 20 && Instant::now() < deadline {
            let now = self.subscriptions();
            steady = if now > 0 && now == before { steady + 1 } else { 0 };
            before = now;
        }
    }

    /// How many subscriptions the tool has.
    fn subscriptions(&mut self) -> u64 {
        let subject = format!("$SYS.REQ.SERVER.{}.CONNZ", self.server);
        let answer = self.system.ask(&subject, &json!({}));
        let of_the_tool =
            |one: &&Value| one["name"].as_str().is_some_and(|name| name.starts_with("NATS CLI"));
        let all = answer["data"]["connections"].as_array().into_iter().flatten();
        all.filter(of_the_tool).filter_map(|one| one["subscriptions"].as_u64()).sum()
    }

    /// What was printed by what goes on.
    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
            child.wait().unwrap();
        }
    }
}
