//! The log of `serve`, in the form that nats-server's log has: what waits for a server reads it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Context, Filter, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};
use watershed_wire::time::UnixNanos;

/// Where the log goes, and how much of it there is. Both may change while the server runs.
#[derive(Debug, Clone)]
pub(super) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `None` for standard error.
    file: Option<(PathBuf, Mutex<File>)>,
    debug: AtomicBool,
    /// Whether lines begin with the time.
    with_time: bool,
}

impl Log {
    /// Starts the log, in `path` if there is one.
    pub(super) fn start(path: Option<&Path>, debug: bool, with_time: bool) -> io::Result<Self> {
        let file = match path {
            None => None,
            Some(path) => Some((path.to_owned(), Mutex::new(open(path)?))),
        };
        let log = Self(Arc::new(Shared { file, debug: AtomicBool::new(debug), with_time }));
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(Lines { with_time })
            .with_writer(log.clone())
            .with_filter(log.clone());
        tracing_subscriber::registry().with(lines).init();
        Ok(log)
    }

    /// The file that it is in.
    pub(super) fn path(&self) -> Option<&Path> {
        self.0.file.as_ref().map(|(path, _)| path.as_path())
    }

    /// Whether lines begin with the time.
    pub(super) fn has_time(&self) -> bool {
        self.0.with_time
    }

    /// Says more, or less, from now on.
    pub(super) fn set_debug(&self, debug: bool) {
        self.0.debug.store(debug, Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }

    /// Opens the file again: somebody has moved the one that is open.
    pub(super) fn reopen(&self) -> io::Result<()> {
        if let Some((path, file)) = &self.0.file {
            *lock(file) = open(path)?;
        }
        Ok(())
    }

    fn level(&self) -> Level {
        if self.0.debug.load(Ordering::Relaxed) { Level::DEBUG } else { Level::INFO }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn lock(file: &Mutex<File>) -> MutexGuard<'_, File> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Filter<Registry> for Log {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, Registry>) -> bool {
        *metadata.level() <= self.level()
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Target<'a>;

    fn make_writer(&'a self) -> Target<'a> {
        match &self.0.file {
            None => Target::Terminal(io::stderr()),
            Some((_, file)) => Target::File(lock(file)),
        }
    }
}

/// Where one line goes.
pub(super) enum Target<'a> {
    Terminal(io::Stderr),
    File(MutexGuard<'a, File>),
}

impl io::Write for Target<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Terminal(own) => own.write(bytes),
            Self::File(own) => own.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Terminal(own) => own.flush(),
            Self::File(own) => own.flush(),
        }
    }
}

/// `[4711] 2026/11/28 04:05:06.000007 [INF] what happened`.
struct Lines {
    with_time: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(line, "[{}] ", std::process::id())?;
        if self.with_time {
            write!(line, "{} ", moment())?;
        }
        let level = match *event.metadata().level() {
            Level::ERROR => "ERR",
            Level::WARN => "WRN",
            Level::INFO => "INF",
            Level::DEBUG => "DBG",
            Level::TRACE => "TRC",
        };
        write!(line, "[{level}] ")?;
        context.field_format().format_fields(line.by_ref(), event)?;
        writeln!(line)
    }
}

/// The time in UTC, to the microsecond.
fn moment() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    shown(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

fn shown(nanos: i64) -> String {
    let micros = nanos / 1000 % 1_000_000;
    // Without a fraction, RFC 3339 has as many characters for each moment.
    let text = UnixNanos(nanos - nanos % 1_000_000_000).to_string();
    let day = text.get(..10).unwrap_or_default().replace('-', "/");
    let time = text.get(11..19).unwrap_or_default();
    format!("{day} {time}.{micros:06}")
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn moments_are_as_in_nats_servers_log() {
        assert_eq!(shown(1_700_000_000_000_123_456), "2023/11/14 22:13:20.000123");
        assert_eq!(shown(1_700_000_000_999_999_999), "2023/11/14 22:13:20.999999");
    }
}
