//! Handlers that are programs: the payload is their input, what is known about the message is in their
//! environment, and their exit code says what became of it.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::delivery::Delivery;
use crate::letter::line;
use crate::limits::WHY_MAX;
use crate::metadata::about;
use crate::outcome::Outcome;
use crate::work::{Handling, Work};

/// What stands before the names of what a program is told.
const PREFIX: &str = "WATERSHED_";

/// Exit code by which a program rejects a message for good: `EX_DATAERR` of sysexits.h.
pub const EXIT_REJECT: i32 = 65;

/// Exit code by which a program wants a message again later: `EX_TEMPFAIL`. Any other code but 0 does
/// the same.
pub const EXIT_RETRY: i32 = 75;

/// How long what a program left behind may hold its error output open.
const REST: Duration = Duration::from_millis(200);

/// Runs a program for each message, for `limit` at most. Then its process group is told to end, and
/// killed if it does not.
#[derive(Debug, Clone)]
pub struct Program {
    words: Vec<String>,
    limit: Duration,
}

impl Program {
    /// How long a program that has had its time may take to end by itself.
    pub const GRACE: Duration = Duration::from_secs(2);

    /// This program with these arguments. It is found as a shell finds it.
    pub fn new(words: Vec<String>, limit: Duration) -> Self {
        Self { words, limit }
    }
}

impl Work for Program {
    fn handle(&self, delivery: Delivery) -> Handling {
        let Self { words, limit } = self.clone();
        Box::pin(async move { run(&words, limit, &delivery).await })
    }
}

/// The processes of a program. They are killed when this is dropped before its end was seen.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

async fn run(words: &[String], limit: Duration, delivery: &Delivery) -> Outcome {
    let Some((program, arguments)) = words.split_first() else {
        return Outcome::stop("the handler is a command without a program");
    };
    let mut command = Command::new(program);
    command.args(arguments).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::inherit()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
        command.env_remove(name);
    }
    for (name, value) in about(delivery) {
        command.env(format!("{PREFIX}{}", name.to_ascii_uppercase()), value);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        // No message can be handled: the others are not to be given up for that.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            return Outcome::stop(format_args!("cannot run {program}: {error}"));
        }
        Err(error) => return Outcome::retry(format_args!("cannot run {program}: {error}")),
    };
    let mut group = Group::of(&child);
    let (input, errors) = (child.stdin.take(), child.stderr.take());
    let payload = delivery.payload.clone();
    let feed = async move {
        if let Some(mut input) = input {
            // A program need not read what it does not want.
            let _ = input.write_all(&payload).await;
        }
    };
    let feed = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(feed));
    let mut said = Said::default();
    let Ok(ended) = timeout(limit, end(&mut child, errors, &mut said)).await else {
        group.signal(Signal::TERM);
        let ended = timeout(Program::GRACE, child.wait()).await.is_ok();
        // Also those that it has started, and that did not listen.
        group.signal(Signal::KILL);
        if !ended {
            let _ = child.wait().await;
        }
        group.0 = None;
        return Outcome::retry(format_args!("timed out after {}s", limit.as_secs_f64()));
    };
    drop(feed);
    match ended {
        Ok(status) => {
            group.0 = None;
            outcome(status, &said.text())
        }
        Err(error) => Outcome::retry(format_args!("cannot wait for {program}: {error}")),
    }
}

fn is_ours(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PREFIX))
}

/// The end of what a program said on its error output.
#[derive(Default)]
struct Said(Vec<u8>);

impl Said {
    fn hear(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let over = self.0.len().saturating_sub(WHY_MAX);
        self.0.drain(..over);
    }

    fn text(&self) -> String {
        line(&String::from_utf8_lossy(&self.0))
    }
}

/// Waits for the end of a program, and passes on what it says.
async fn end(
    child: &mut Child,
    errors: Option<ChildStderr>,
    said: &mut Said,
) -> std::io::Result<ExitStatus> {
    let Some(mut errors) = errors else { return child.wait().await };
    let mut buffer = [0; 4096];
    let mut hear = async |said: &mut Said| -> bool {
        match errors.read(&mut buffer).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                let _ = std::io::Write::write_all(&mut std::io::stderr(), bytes);
                said.hear(bytes);
                true
            }
        }
    };
    let status = loop {
        tokio::select! {
            biased;
            more = hear(said) => if !more {
                return child.wait().await;
            },
            status = child.wait() => break status?,
        }
    };
    let rest = async { while hear(said).await {} };
    let _ = timeout(REST, rest).await;
    Ok(status)
}

fn outcome(status: ExitStatus, said: &str) -> Outcome {
    let how = match (status.code(), status.signal()) {
        (Some(0), _) => return Outcome::Done,
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended".into(),
    };
    let why = if said.is_empty() { how } else { format!("{how}: {said}") };
    match status.code() {
        Some(EXIT_REJECT) => Outcome::reject(why),
        _ => Outcome::retry(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::delivery;

    async fn shell(script: &str, limit: Duration) -> Outcome {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        Program::new(words, limit).handle(delivery("payload")).await
    }

    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn the_exit_code_says_what_became_of_a_message() {
        let check = async |script: &str, expected: Outcome| {
            assert_eq!(shell(script, LONG).await, expected, "{script}");
        };
        check("exit 0", Outcome::Done).await;
        check("echo bad >&2; exit 65", Outcome::reject("exit code 65: bad")).await;
        check("exit 75", Outcome::retry("exit code 75")).await;
        check("echo a >&2; echo b >&2; exit 1", Outcome::retry("exit code 1: a b")).await;
        check("kill -9 $$", Outcome::retry("killed by signal 9")).await;
    }

    #[tokio::test]
    async fn a_program_gets_the_payload_and_what_is_known_about_it() {
        let script = r#"[ "$(cat)" = payload ] && [ "$WATERSHED_SUBJECT $WATERSHED_SEQUENCE $WATERSHED_DELIVERIES" = "jobs.a 7 2" ]"#;
        assert_eq!(shell(script, LONG).await, Outcome::Done);
        // Nothing of the message is among the arguments.
        let script = r"[ $# = 0 ] && ! tr '\0' '\n' < /proc/$$/cmdline | grep -q 'pay''load'";
        assert_eq!(shell(script, LONG).await, Outcome::Done);
    }

    #[tokio::test]
    async fn a_program_without_a_file_stops_the_worker() {
        let outcome =
            Program::new(vec!["/nowhere/handler".into()], LONG).handle(delivery("")).await;
        assert!(matches!(outcome, Outcome::Stop { .. }), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_program_that_has_had_its_time_ends_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 100 & echo $! > {}; wait", file.display());
        let outcome = shell(&script, Duration::from_millis(300)).await;
        assert_eq!(outcome, Outcome::retry("timed out after 0.3s"));
        let id: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        let gone = || match std::fs::read_to_string(format!("/proc/{id}/stat")) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => true,
        };
        let begun = std::time::Instant::now();
        while !gone() {
            assert!(begun.elapsed() < LONG, "{id} still runs");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_a_program_left_behind_holds_nobody_up() {
        assert_eq!(shell("sleep 3 >&2 & exit 0", LONG).await, Outcome::Done);
    }
}
