//! Tables of streams and consumers.

use std::io::{IsTerminal as _, stdout};

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};
use serde_json::Value as Json;
use watershed_topology::observe::{Observed, ObservedStream};
use watershed_topology::quantity::{show_duration, show_size};
use watershed_topology::verify::used;
use watershed_wire::jetstream::consumer::ConsumerInfo;

/// A table of streams.
pub(crate) fn streams<'a>(
    observed: &'a Observed,
    names: impl Iterator<Item = &'a str>,
    state: impl Fn(&str) -> &'static str,
) -> String {
    let mut grid = Grid::new(
        &[
            "stream",
            "subjects",
            "retention",
            "storage",
            "messages",
            "bytes",
            "full",
            "consumers",
            "state",
        ],
        &[4, 5, 6, 7],
        &[3, 2, 8, 7, 6, 5],
    );
    for name in names {
        let Some(stream) = observed.streams.get(name) else { continue };
        grid.row(vec![
            name.to_owned(),
            subjects(stream),
            word(stream, "retention"),
            word(stream, "storage"),
            stream.info.state.messages.to_string(),
            bytes(stream.info.state.bytes),
            used(&stream.info).map(|(percent, _)| format!("{percent}%")).unwrap_or_default(),
            stream.info.state.consumer_count.to_string(),
            state(name).to_owned(),
        ]);
    }
    grid.shown(width())
}

/// A table of consumers.
pub(crate) fn consumers<'a>(
    rows: impl Iterator<Item = (&'a ConsumerInfo, &'static str)>,
) -> Option<String> {
    let mut grid = Grid::new(
        &[
            "consumer",
            "stream",
            "filter",
            "mode",
            "pending",
            "ack pending",
            "redelivered",
            "waiting",
            "last delivery",
            "state",
        ],
        &[4, 5, 6, 7, 8],
        &[7, 6, 8, 9, 3, 5],
    );
    for (info, state) in rows {
        let filters = info.config.filters();
        let filter = if filters.is_empty() { ">".into() } else { lines(filters) };
        let mode = match (info.config.is_push(), info.config.deliver_group.as_str()) {
            (false, _) => "pull".into(),
            (true, "") => format!("push to {}", info.config.deliver_subject),
            (true, group) => format!("push to {} by {group}", info.config.deliver_subject),
        };
        grid.row(vec![
            info.name.clone(),
            info.stream_name.clone(),
            filter,
            mode,
            info.num_pending.to_string(),
            info.num_ack_pending.to_string(),
            info.num_redelivered.to_string(),
            info.num_waiting.to_string(),
            last_delivery(info),
            state.to_owned(),
        ]);
    }
    (!grid.rows.is_empty()).then(|| grid.shown(width()))
}

/// When a consumer delivered something last, as the server counts.
fn last_delivery(info: &ConsumerInfo) -> String {
    const SECOND: i64 = 1_000_000_000;
    let Some(last) = info.delivered.last_active else { return "never".to_owned() };
    let seconds = (info.ts.0.saturating_sub(last.0) / SECOND).max(0);
    let unit = [86_400, 3_600, 60].into_iter().find(|unit| seconds >= *unit).unwrap_or(1);
    format!("{} ago", show_duration(seconds / unit * unit * SECOND))
}

/// Columns of a terminal; `None` for programs.
fn width() -> Option<usize> {
    stdout().is_terminal().then(textwrap::termwidth)
}

/// Rows of which those columns are left out that matter least, as far as it takes to fit.
struct Grid {
    head: Vec<&'static str>,
    right: &'static [usize],
    /// Columns to leave out, the first one first.
    dispensable: &'static [usize],
    rows: Vec<Vec<String>>,
}

impl Grid {
    fn new(head: &[&'static str], right: &'static [usize], dispensable: &'static [usize]) -> Self {
        Self { head: head.to_vec(), right, dispensable, rows: Vec::new() }
    }

    fn row(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    fn shown(&self, width: Option<usize>) -> String {
        let Some(width) = width else { return self.table(&[]).to_string() };
        for without in 0..self.dispensable.len() {
            let text = self.table(self.dispensable.get(..without).unwrap_or_default()).to_string();
            if text.lines().all(|line| textwrap::core::display_width(line) <= width) {
                return text;
            }
        }
        let mut table = self.table(self.dispensable);
        fit(&mut table, width);
        table.to_string()
    }

    fn table(&self, without: &[usize]) -> Table {
        let is_in = |index: &usize| !without.contains(index);
        let kept: Vec<usize> = (0..self.head.len()).filter(is_in).collect();
        let pick = |all: &[String]| -> Vec<String> {
            kept.iter().filter_map(|index| all.get(*index).cloned()).collect()
        };
        let head: Vec<&str> =
            kept.iter().filter_map(|index| self.head.get(*index).copied()).collect();
        let right: Vec<usize> = kept
            .iter()
            .enumerate()
            .filter(|(_, index)| self.right.contains(index))
            .map(|(place, _)| place)
            .collect();
        let mut table = plain(&head, &right);
        for row in &self.rows {
            table.add_row(pick(row));
        }
        table
    }
}

/// Most lines of one cell.
const LINES_MAX: usize = 4;

/// A line each, the first of many.
fn lines(all: &[String]) -> String {
    let more = all.len().saturating_sub(LINES_MAX);
    let kept = if more > 1 { LINES_MAX } else { all.len() };
    let mut lines: Vec<String> = all.iter().take(kept).cloned().collect();
    if kept < all.len() {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

/// Any table; on a terminal, cells are broken where it does not fit.
pub(crate) fn table(head: &[&str], right: &[usize]) -> Table {
    let mut table = plain(head, right);
    if let Some(width) = width() {
        fit(&mut table, width);
    }
    table
}

/// Breaks cells where a table does not fit.
fn fit(table: &mut Table, width: usize) {
    let width = u16::try_from(width.max(40)).unwrap_or(u16::MAX);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
}

fn plain(head: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    let lines = LineStyle::none().fill('─').junction('─');
    let style =
        presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()).header_separator(lines);
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head);
    for index in right {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn subjects(stream: &ObservedStream) -> String {
    // A stream of dead letters takes two of them of each consumer.
    const ADVISORIES: &str = "$JS.EVENT.ADVISORY.";
    let config = &stream.info.config;
    let is_advisory = |subject: &&String| subject.starts_with(ADVISORIES);
    let mut lines: Vec<String> =
        config.subjects.iter().filter(|subject| !is_advisory(subject)).cloned().collect();
    match config.subjects.iter().filter(is_advisory).count() {
        0 => {}
        count => lines.push(super::count(count, "advisory subject")),
    }
    if let Some(mirror) = &config.mirror {
        lines.push(format!("mirror of {}", mirror.name));
    }
    for source in &config.sources {
        let filter = &source.filter_subject;
        lines.push(match filter.as_str() {
            "" => format!("from {}", source.name),
            filter => format!("{filter} from {}", source.name),
        });
    }
    self::lines(&lines)
}

/// The value of a field as the server says it.
fn word(stream: &ObservedStream, field: &str) -> String {
    stream.config.get(field).and_then(Json::as_str).unwrap_or_default().to_owned()
}

/// A size that people can compare; exact below a KiB.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return show_size(i64::try_from(count).unwrap_or_default());
    }
    let mut value = count as f64 / 1024.0;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    while value >= 1024.0 {
        let Some(next) = units.next() else { break };
        (value, unit) = (value / 1024.0, next);
    }
    format!("{value:.1}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid =
            Grid::new(&["consumer", "stream", "filter", "mode", "pending", "state"], &[4], &[3, 5]);
        for (name, filter) in [("billing", "orders.*.paid"), ("a-consumer-with-a-long-name", ">")] {
            let row = [name, "ORDERS", filter, "pull", "12", "managed"].map(str::to_owned);
            grid.row(row.to_vec());
        }
        grid
    }

    #[test]
    fn what_matters_least_is_left_out_where_it_does_not_fit() {
        insta::assert_snapshot!(grid().shown(None), @"
        ─────────────────────────────────────────────────────────────────────────────────
         consumer                      stream   filter          mode   pending   state   
        ─────────────────────────────────────────────────────────────────────────────────
         billing                       ORDERS   orders.*.paid   pull        12   managed 
         a-consumer-with-a-long-name   ORDERS   >               pull        12   managed 
        ─────────────────────────────────────────────────────────────────────────────────
        ");
        insta::assert_snapshot!(grid().shown(Some(80)), @"
        ──────────────────────────────────────────────────────────────────────────
         consumer                      stream   filter          pending   state   
        ──────────────────────────────────────────────────────────────────────────
         billing                       ORDERS   orders.*.paid        12   managed 
         a-consumer-with-a-long-name   ORDERS   >                    12   managed 
        ──────────────────────────────────────────────────────────────────────────
        ");
        insta::assert_snapshot!(grid().shown(Some(75)), @"
        ──────────────────────────────────────────────────────────────────────────
         consumer                      stream   filter          pending   state   
        ──────────────────────────────────────────────────────────────────────────
         billing                       ORDERS   orders.*.paid        12   managed 
         a-consumer-with-a-long-name   ORDERS   >                    12   managed 
        ──────────────────────────────────────────────────────────────────────────
        ");
        insta::assert_snapshot!(grid().shown(Some(65)), @"
        ────────────────────────────────────────────────────────────────
         consumer                      stream   filter          pending 
        ────────────────────────────────────────────────────────────────
         billing                       ORDERS   orders.*.paid        12 
         a-consumer-with-a-long-name   ORDERS   >                    12 
        ────────────────────────────────────────────────────────────────
        ");
        insta::assert_snapshot!(grid().shown(Some(50)), @"
        ──────────────────────────────────────────────────
         consumer        stream   filter          pending 
        ──────────────────────────────────────────────────
         billing         ORDERS   orders.*.paid        12 
         a-consumer-wi   ORDERS   >                    12 
         th-a-long-nam                                    
         e                                                
        ──────────────────────────────────────────────────
        ");
    }

    #[test]
    fn long_lists_end_somewhere() {
        let some = |count: usize| lines(&(0..count).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(some(4).replace('\n', " "), "0 1 2 3");
        assert_eq!(some(5).replace('\n', " "), "0 1 2 3 4");
        assert_eq!(some(6).replace('\n', " "), "0 1 2 3 and 2 more");
    }
}
