//! Programs that are to run until somebody says stop: what ends is started again, and what they print is one log.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::iterator::Signals;

use crate::ui;
use crate::ui::message::tame;

/// Wait before something is started again that had run for longer than that.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait before something is started again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Something that has run for as long is not about to fail at once.
const STEADY: Duration = Duration::from_secs(30);
/// Longest time to end, when told to. `watershed work` takes 30 s at most to finish what it handles.
const DRAIN: Duration = Duration::from_secs(35);
/// A longer line is shown in pieces.
const LINE_MAX: u64 = 16 * 1024;

/// A program, and what its lines are marked with.
pub(super) struct Program {
    pub(super) label: String,
    pub(super) command: Command,
}

/// Runs programs until a signal comes, and lets them end then; a second signal ends them at once.
pub(super) fn run(programs: Vec<Program>, mut signals: Signals) {
    let (tell, told) = channel();
    let width = programs.iter().map(|program| program.label.len()).max().unwrap_or(0);
    let mut slots = Vec::new();
    for program in programs {
        let slot = Arc::new(Slot::default());
        slots.push(Arc::clone(&slot));
        let tell = tell.clone();
        // A program ends with the thread that started it, so that one stays.
        thread::spawn(move || {
            slot.keep_running(program, width);
            let _ = tell.send(Told::Ended);
        });
    }
    thread::spawn(move || watch(&mut signals, &tell));
    let mut left = slots.len();
    let mut until: Option<Instant> = None;
    while left > 0 {
        let now = Instant::now();
        let next = match until {
            None => told.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => told.recv_timeout(until.saturating_duration_since(now)),
        };
        match (next, until) {
            (Ok(Told::Ended), _) => left -= 1,
            (Ok(Told::Stop), None) => {
                ui::say(&format!(
                    "stopping {}; Ctrl-C again ends them at once",
                    ui::count(left, "service")
                ));
                until = Some(now + DRAIN);
                for slot in &slots {
                    slot.stop(Signal::TERM);
                }
            }
            _ => {
                for slot in &slots {
                    slot.stop(Signal::KILL);
                }
                return;
            }
        }
    }
}

enum Told {
    /// A signal came.
    Stop,
    /// A program has ended, and is not started again.
    Ended,
}

fn watch(signals: &mut Signals, tell: &Sender<Told>) {
    for _ in signals.forever() {
        if tell.send(Told::Stop).is_err() {
            return;
        }
    }
}

/// Where one program runs.
#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Default)]
struct State {
    /// The processes that run now.
    group: Option<Pid>,
    stopping: bool,
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what runs, and starts nothing again.
    fn stop(&self, signal: Signal) {
        let mut state = self.state();
        state.stopping = true;
        if let Some(group) = state.group {
            // It may have ended by itself.
            let _ = kill_process_group(group, signal);
        }
        self.told.notify_all();
    }

    /// Runs a program again and again, until it is to stop.
    fn keep_running(&self, mut program: Program, width: usize) {
        let label = format!("{:width$} |", program.label);
        program.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A signal from the terminal is for us: we tell them.
        program.command.process_group(0);
        let mut wait = FIRST_WAIT;
        loop {
            let begun = Instant::now();
            let ended = match self.start(&mut program.command) {
                Ok(Some(child)) => self.watch(child, &label),
                Ok(None) => return,
                Err(error) => format!("cannot be started: {error}"),
            };
            if begun.elapsed() >= STEADY {
                wait = FIRST_WAIT;
            }
            if self
                .rests(wait, || ui::say(&format!("{label} {ended}; again in {}s", wait.as_secs())))
            {
                return;
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Starts a program, unless it is to stop.
    fn start(&self, command: &mut Command) -> std::io::Result<Option<Child>> {
        let mut state = self.state();
        if state.stopping {
            return Ok(None);
        }
        let child = command.spawn()?;
        state.group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Some(child))
    }

    /// Shows what a program prints, until it ends. Says how it ended.
    fn watch(&self, mut child: Child, label: &str) -> String {
        show(child.stdout.take(), label);
        show(child.stderr.take(), label);
        let ended = child.wait();
        self.state().group = None;
        match ended {
            Ok(status) => how(status),
            Err(error) => format!("cannot be waited for: {error}"),
        }
    }

    /// Waits before something is started again, and says so, unless it is to stop. Says whether it is.
    fn rests(&self, wait: Duration, say: impl FnOnce()) -> bool {
        let state = self.state();
        if !state.stopping {
            say();
        }
        let waited = self.told.wait_timeout_while(state, wait, |state| !state.stopping);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.stopping
    }
}

/// How a program ended.
fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Shows lines as they come. What a program has left behind may print on.
fn show(from: Option<impl Read + Send + 'static>, label: &str) {
    let Some(from) = from else { return };
    let label = label.to_owned();
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut bytes = Vec::new();
        while from.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&bytes);
            ui::say(&format!("{label} {}", tame(text.trim_end_matches(['\r', '\n']))));
            bytes.clear();
        }
    });
}
