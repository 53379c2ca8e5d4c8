//! `watershed top`: what happens in an account, as it happens.

mod draw;
mod look;
mod state;
#[cfg(test)]
mod tests;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, read};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use self::draw::draw;
use self::look::{News, look};
use self::state::{Effect, Key, State};
use super::{ServerArguments, block_on};
use crate::connection::duration;
use crate::exit::Exit;

/// Watch rates, lag, what waits and dead letters, on the whole screen.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed top -s nats://127.0.0.1:4222")]
pub(crate) struct Arguments {
    /// Time between two looks.
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = duration)]
    interval: Duration,
    #[command(flatten)]
    server: ServerArguments,
}

/// Shortest time between two looks.
const INTERVAL_MIN: Duration = Duration::from_millis(200);

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    watch(&arguments.server, arguments.interval)
}

/// Shows an account until somebody has seen enough.
pub(crate) fn watch(server: &ServerArguments, interval: Duration) -> anyhow::Result<Exit> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!("this needs a terminal: `watershed status --json` is for programs");
    }
    let interval = interval.max(INTERVAL_MIN);
    block_on(async {
        let options = server.options()?;
        let client = server.connect().await?;
        let mut state = State::new(options.shown(), interval);
        let (tell, mut heard) = mpsc::channel(16);
        let (wanted, target) = watch::channel(None);
        let typed = tell.clone();
        // It waits in a call that cannot be ended, and goes with the program.
        std::thread::spawn(move || {
            while let Ok(event) = read() {
                if typed.blocking_send(News::Event(event)).is_err() {
                    break;
                }
            }
        });
        tokio::spawn(look(client, interval, target, tell));
        let mut terminated = signal(SignalKind::terminate()).context("cannot wait for signals")?;
        let mut screen = Screen::open()?;
        loop {
            screen.terminal.draw(|frame| draw(frame, &state)).context("cannot draw")?;
            let news = tokio::select! {
                news = heard.recv() => news,
                _ = terminated.recv() => None,
            };
            let effect = match news {
                None => Some(Effect::Quit),
                Some(News::Sample(sample)) => {
                    state.take(*sample);
                    None
                }
                Some(News::Failed(why)) => {
                    state.error = Some(why);
                    None
                }
                Some(News::Event(Event::Key(event))) => key(event).and_then(|key| state.press(key)),
                Some(News::Event(_)) => None,
            };
            match effect {
                Some(Effect::Quit) => return Ok(Exit::Clean),
                Some(Effect::Look(target)) => drop(wanted.send(target)),
                None => {}
            }
        }
    })
}

/// The screen, which is given back as it was; also when something panics.
struct Screen {
    terminal: ratatui::DefaultTerminal,
}

impl Screen {
    fn open() -> anyhow::Result<Self> {
        Ok(Self { terminal: ratatui::try_init().context("cannot use this terminal")? })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// What a key of the terminal means.
fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    if event.modifiers.contains(KeyModifiers::CONTROL) {
        return (event.code == KeyCode::Char('c')).then_some(Key::Quit);
    }
    Some(match event.code {
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Back,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Tab => Key::Tab,
        KeyCode::Char(sign) => Key::Sign(sign),
        _ => return None,
    })
}
