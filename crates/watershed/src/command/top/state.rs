//! What `top` knows: rows of the newest look at an account, which of them are shown, and what a key does.
//!
//! It knows no terminal and no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use watershed_topology::dead_letter;
use watershed_topology::observe::{Observed, ObservedStream};
use watershed_topology::quantity::show_duration;
use watershed_topology::verify::used;
use watershed_wire::jetstream::account::AccountInfo;
use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::time::UnixNanos;

use crate::ui::message::tame_line;
use crate::ui::table::bytes;

/// A look at an account.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// When, on a clock that only goes on.
    pub(crate) at: Duration,
    /// When, on the wall.
    pub(crate) now: UnixNanos,
    pub(crate) observed: Observed,
    /// When the oldest message was stored that a consumer has not had acknowledged; by stream and consumer.
    pub(crate) oldest: BTreeMap<(String, String), UnixNanos>,
    /// How many messages were given up, as far as that is known.
    pub(crate) dead: u64,
    /// Messages of what is looked at.
    pub(crate) messages: Option<(Target, Vec<Message>)>,
}

/// A message to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) sequence: u64,
    pub(crate) time: UnixNanos,
    pub(crate) subject: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) payload: Vec<u8>,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Stream(String),
    /// Stream and consumer.
    Consumer(String, String),
}

/// Which table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Consumers,
    Streams,
}

/// A column: its title, whether numbers stand in it, and how soon it is left out where it does not fit (never: 0).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) right: bool,
    pub(crate) drop: u8,
}

const fn text(title: &'static str, drop: u8) -> Column {
    Column { title, right: false, drop }
}

const fn number(title: &'static str, drop: u8) -> Column {
    Column { title, right: true, drop }
}

const CONSUMERS: &[Column] = &[
    text("consumer", 0),
    text("stream", 0),
    number("out/s", 0),
    number("ack/s", 7),
    number("pending", 0),
    number("ack pending", 1),
    number("oldest", 2),
    number("waiting", 5),
    number("redelivered", 6),
    text("filter", 9),
];

const STREAMS: &[Column] = &[
    text("stream", 0),
    number("in/s", 0),
    number("messages", 0),
    number("bytes", 3),
    number("full", 2),
    number("consumers", 6),
    number("oldest", 4),
    text("state", 7),
    text("subjects", 9),
];

impl View {
    pub(crate) fn columns(self) -> &'static [Column] {
        match self {
            Self::Consumers => CONSUMERS,
            Self::Streams => STREAMS,
        }
    }
}

/// A cell: what is shown, and what it is sorted by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    by: f64,
}

impl Cell {
    fn text(text: impl AsRef<str>) -> Self {
        Self { text: tame_line(text.as_ref()).into_owned(), by: 0.0 }
    }

    fn count(count: u64) -> Self {
        Self { text: count.to_string(), by: count as f64 }
    }

    fn rate(rate: Option<f64>) -> Self {
        Self { text: rate.map(shown_rate).unwrap_or_default(), by: rate.unwrap_or(-1.0) }
    }

    fn age(nanos: Option<i64>) -> Self {
        let text = nanos.map(shown_age).unwrap_or_default();
        Self { text, by: nanos.map_or(-1.0, |nanos| nanos as f64) }
    }
}

/// A rate in a few signs.
fn shown_rate(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        ..100.0 => format!("{rate:.1}"),
        ..10_000.0 => format!("{rate:.0}"),
        _ => format!("{:.0}k", rate / 1000.0),
    }
}

/// An age in its largest unit.
pub(crate) fn shown_age(nanos: i64) -> String {
    const SECOND: i64 = 1_000_000_000;
    let seconds = (nanos / SECOND).max(0);
    let unit = [86_400, 3_600, 60].into_iter().find(|unit| seconds >= *unit).unwrap_or(1);
    show_duration(seconds / unit * unit * SECOND)
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) target: Target,
    pub(crate) cells: Vec<Cell>,
}

/// Something that was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Back,
    Backspace,
    Tab,
    Quit,
    Sign(char),
}

/// What is to be done about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// End.
    Quit,
    /// Look at something, or at nothing in particular.
    Look(Option<Target>),
}

/// Numbers that only grow, by what they are of: what stores, delivers or acknowledges is counted by them.
type Counters = BTreeMap<Target, [u64; 2]>;

/// Rows that a page key goes.
const PAGE: usize = 10;

#[derive(Debug)]
pub(crate) struct State {
    /// Where it looks.
    pub(crate) server: String,
    pub(crate) version: String,
    pub(crate) interval: Duration,
    pub(crate) view: View,
    pub(crate) now: UnixNanos,
    pub(crate) account: AccountInfo,
    pub(crate) silent: usize,
    /// Messages that were given up.
    pub(crate) dead: u64,
    pub(crate) selected: usize,
    /// What rows must hold.
    pub(crate) filter: String,
    /// Whether the filter is being typed.
    pub(crate) typing: bool,
    pub(crate) paused: bool,
    /// What is looked at closely.
    pub(crate) target: Option<Target>,
    pub(crate) messages: Vec<Message>,
    /// Why there is nothing new.
    pub(crate) error: Option<String>,
    /// Column that rows are sorted by, and whether the other way round.
    pub(crate) sort: (usize, bool),
    observed: Observed,
    consumers: Vec<Row>,
    streams: Vec<Row>,
    counted: Option<(Duration, Counters)>,
}

impl State {
    pub(crate) fn new(server: String, interval: Duration) -> Self {
        Self {
            server,
            version: String::new(),
            interval,
            view: View::Consumers,
            now: UnixNanos::default(),
            account: AccountInfo::default(),
            silent: 0,
            dead: 0,
            selected: 0,
            filter: String::new(),
            typing: false,
            paused: false,
            target: None,
            messages: Vec::new(),
            error: None,
            sort: (default_sort(View::Consumers), false),
            observed: Observed::default(),
            consumers: Vec::new(),
            streams: Vec::new(),
            counted: None,
        }
    }

    /// Takes in a look at the account.
    pub(crate) fn take(&mut self, sample: Sample) {
        if self.paused {
            return;
        }
        let selected = self.rows().get(self.selected).map(|row| row.target.clone());
        let counters = counters(&sample.observed);
        let rates = Rates { at: sample.at, counters: &counters, before: self.counted.as_ref() };
        self.consumers = consumers(&sample, &rates);
        self.streams = streams(&sample, &rates);
        self.counted = Some((sample.at, counters));
        self.error = None;
        self.now = sample.now;
        self.version.clone_from(&sample.observed.server.version);
        self.account = sample.observed.account.clone();
        self.silent = sample.observed.all_silent().len();
        self.dead = sample.dead;
        if let Some((target, messages)) = sample.messages
            && self.target.as_ref() == Some(&target)
        {
            self.messages = messages;
        }
        self.observed = sample.observed;
        // The line stays on what it was on.
        let again = self.rows().iter().position(|row| Some(&row.target) == selected.as_ref());
        self.selected = again.unwrap_or(self.selected).min(self.rows().len().saturating_sub(1));
    }

    /// The rows to show, in their order.
    pub(crate) fn rows(&self) -> Vec<&Row> {
        let all = match self.view {
            View::Consumers => &self.consumers,
            View::Streams => &self.streams,
        };
        let wanted = self.filter.to_lowercase();
        let fits = |row: &&Row| {
            let mut cells = row.cells.iter();
            wanted.is_empty() || cells.any(|cell| cell.text.to_lowercase().contains(&wanted))
        };
        let mut rows: Vec<&Row> = all.iter().filter(fits).collect();
        let (column, reversed) = self.sort;
        let right = self.view.columns().get(column).is_some_and(|column| column.right);
        rows.sort_by(|a, b| {
            let (Some(one), Some(other)) = (a.cells.get(column), b.cells.get(column)) else {
                return a.target.cmp(&b.target);
            };
            let order = if right { other.by.total_cmp(&one.by) } else { one.text.cmp(&other.text) };
            let order = if reversed { order.reverse() } else { order };
            order.then_with(|| a.target.cmp(&b.target))
        });
        rows
    }

    /// What the server says of the consumer that is looked at.
    pub(crate) fn consumer(&self, stream: &str, consumer: &str) -> Option<&ConsumerInfo> {
        Some(&self.observed.streams.get(stream)?.consumers.get(consumer)?.info)
    }

    /// What the server says of the stream that is looked at.
    pub(crate) fn stream(&self, stream: &str) -> Option<&ObservedStream> {
        self.observed.streams.get(stream)
    }

    /// Does what a key says.
    pub(crate) fn press(&mut self, key: Key) -> Option<Effect> {
        if key == Key::Quit {
            return Some(Effect::Quit);
        }
        if self.typing {
            self.typed(key);
            return None;
        }
        if self.target.is_some() {
            if matches!(key, Key::Back | Key::Backspace | Key::Enter) {
                self.target = None;
                self.messages.clear();
                return Some(Effect::Look(None));
            }
            return (key == Key::Sign('q')).then_some(Effect::Quit);
        }
        let last = self.rows().len().saturating_sub(1);
        match key {
            Key::Sign('q') => return Some(Effect::Quit),
            Key::Up | Key::Sign('k') => self.selected = self.selected.saturating_sub(1),
            Key::Down | Key::Sign('j') => self.selected = (self.selected + 1).min(last),
            Key::PageUp => self.selected = self.selected.saturating_sub(PAGE),
            Key::PageDown => self.selected = (self.selected + PAGE).min(last),
            Key::Home | Key::Sign('g') => self.selected = 0,
            Key::End | Key::Sign('G') => self.selected = last,
            Key::Tab => {
                self.view = match self.view {
                    View::Consumers => View::Streams,
                    View::Streams => View::Consumers,
                };
                (self.selected, self.sort) = (0, (default_sort(self.view), false));
            }
            Key::Sign('s') => self.sort = ((self.sort.0 + 1) % self.view.columns().len(), false),
            Key::Sign('r') => self.sort.1 = !self.sort.1,
            Key::Sign('p' | ' ') => self.paused = !self.paused,
            Key::Sign('/') => self.typing = true,
            Key::Back => self.filter.clear(),
            Key::Enter => {
                self.target = self.rows().get(self.selected).map(|row| row.target.clone());
                return self.target.clone().map(|target| Effect::Look(Some(target)));
            }
            Key::Backspace | Key::Quit | Key::Sign(_) => {}
        }
        None
    }

    /// A key while the filter is typed.
    fn typed(&mut self, key: Key) {
        match key {
            Key::Enter => self.typing = false,
            Key::Back => {
                self.typing = false;
                self.filter.clear();
            }
            Key::Backspace => drop(self.filter.pop()),
            Key::Sign(sign) => self.filter.push(sign),
            _ => {}
        }
        self.selected = 0;
    }
}

/// What a table is sorted by at first: what waits, what is stored.
fn default_sort(view: View) -> usize {
    let title = match view {
        View::Consumers => "pending",
        View::Streams => "messages",
    };
    view.columns().iter().position(|column| column.title == title).unwrap_or_default()
}

fn counters(observed: &Observed) -> Counters {
    let mut counters = Counters::new();
    for (name, stream) in &observed.streams {
        counters.insert(Target::Stream(name.clone()), [stream.info.state.last_seq, 0]);
        for (consumer, live) in &stream.consumers {
            let target = Target::Consumer(name.clone(), consumer.clone());
            let info = &live.info;
            counters.insert(target, [info.delivered.consumer_seq, info.ack_floor.consumer_seq]);
        }
    }
    counters
}

/// What was counted at this look, and at the one before.
struct Rates<'c> {
    at: Duration,
    counters: &'c Counters,
    before: Option<&'c (Duration, Counters)>,
}

impl Rates<'_> {
    /// How fast a counter grows, each second. What was made anew counts from the beginning again.
    fn of(&self, target: &Target, counter: usize) -> Option<f64> {
        let (at, before) = self.before?;
        let (new, old) =
            (self.counters.get(target)?.get(counter)?, before.get(target)?.get(counter)?);
        let seconds = self.at.checked_sub(*at)?.as_secs_f64();
        (seconds > 0.0).then(|| new.saturating_sub(*old) as f64 / seconds)
    }
}

fn age(now: UnixNanos, then: UnixNanos) -> i64 {
    now.0.saturating_sub(then.0).max(0)
}

fn consumers(sample: &Sample, rates: &Rates<'_>) -> Vec<Row> {
    let of = |(stream, live): (&String, &ObservedStream)| {
        let rows = live.consumers.iter().map(|(name, consumer)| {
            let info = &consumer.info;
            let target = Target::Consumer(stream.clone(), name.clone());
            let oldest = sample.oldest.get(&(stream.clone(), name.clone()));
            let filters = info.config.filters();
            let filter = if filters.is_empty() { ">".to_owned() } else { filters.join(" ") };
            let cells = vec![
                Cell::text(name),
                Cell::text(stream),
                Cell::rate(rates.of(&target, 0)),
                Cell::rate(rates.of(&target, 1)),
                Cell::count(info.num_pending),
                Cell::count(info.num_ack_pending as u64),
                Cell::age(oldest.map(|then| age(sample.now, *then))),
                Cell::count(info.num_waiting as u64),
                Cell::count(info.num_redelivered as u64),
                Cell::text(filter),
            ];
            Row { target, cells }
        });
        rows.collect::<Vec<_>>()
    };
    sample.observed.streams.iter().flat_map(of).collect()
}

fn streams(sample: &Sample, rates: &Rates<'_>) -> Vec<Row> {
    let row = |(name, live): (&String, &ObservedStream)| {
        let state = &live.info.state;
        let target = Target::Stream(name.clone());
        let percent = used(&live.info).map(|(percent, _)| percent);
        let oldest = (state.messages > 0).then(|| age(sample.now, state.first_ts));
        let cells = vec![
            Cell::text(name),
            Cell::rate(rates.of(&target, 0)),
            Cell::count(state.messages),
            Cell { text: bytes(state.bytes), by: state.bytes as f64 },
            Cell {
                text: percent.map(|percent| format!("{percent}%")).unwrap_or_default(),
                by: percent.map_or(-1.0, |percent| percent as f64),
            },
            Cell::count(state.consumer_count as u64),
            Cell::age(oldest),
            Cell::text(if dead_letter::is_kept_by(&live.info.config.subjects) {
                "dead letters"
            } else {
                ""
            }),
            Cell::text(live.info.config.subjects.join(" ")),
        ];
        Row { target, cells }
    };
    sample.observed.streams.iter().map(row).collect()
}
