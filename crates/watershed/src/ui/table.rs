//! Tables of streams and consumers.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};
use serde_json::Value as Json;
use watershed_topology::observe::{Observed, ObservedStream};
use watershed_topology::quantity::show_size;
use watershed_wire::jetstream::consumer::ConsumerInfo;

/// A table of streams.
pub(crate) fn streams<'a>(
    observed: &'a Observed,
    names: impl Iterator<Item = &'a str>,
    state: impl Fn(&str) -> &'static str,
) -> String {
    let mut table = table(
        &["stream", "subjects", "retention", "storage", "messages", "bytes", "consumers", "state"],
        &[4, 5, 6],
    );
    for name in names {
        let Some(stream) = observed.streams.get(name) else { continue };
        table.add_row([
            name.to_owned(),
            subjects(stream),
            word(stream, "retention"),
            word(stream, "storage"),
            stream.info.state.messages.to_string(),
            bytes(stream.info.state.bytes),
            stream.info.state.consumer_count.to_string(),
            state(name).to_owned(),
        ]);
    }
    table.to_string()
}

/// A table of consumers.
pub(crate) fn consumers<'a>(
    rows: impl Iterator<Item = (&'a ConsumerInfo, &'static str)>,
) -> Option<String> {
    let mut table = table(
        &["consumer", "stream", "filter", "mode", "pending", "ack pending", "state"],
        &[4, 5],
    );
    for (info, state) in rows {
        let filters = info.config.filters();
        let filter = if filters.is_empty() { ">".into() } else { filters.join("\n") };
        let mode = match (info.config.is_push(), info.config.deliver_group.as_str()) {
            (false, _) => "pull".into(),
            (true, "") => format!("push to {}", info.config.deliver_subject),
            (true, group) => format!("push to {} by {group}", info.config.deliver_subject),
        };
        table.add_row([
            info.name.clone(),
            info.stream_name.clone(),
            filter,
            mode,
            info.num_pending.to_string(),
            info.num_ack_pending.to_string(),
            state.to_owned(),
        ]);
    }
    (table.row_count() > 0).then(|| table.to_string())
}

/// Any table.
pub(crate) fn table(head: &[&str], right: &[usize]) -> Table {
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
    let config = &stream.info.config;
    let mut lines = config.subjects.clone();
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
    lines.join("\n")
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
