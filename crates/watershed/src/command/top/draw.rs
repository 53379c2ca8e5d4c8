//! How what `top` knows looks on a screen of any size.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState};
use watershed_topology::quantity::{show_count, show_duration};

use super::state::{Column, Message, State, Target, View, shown_age};
use crate::ui::message::tame_line;
use crate::ui::table::bytes;

/// Columns between two columns.
const GAP: usize = 2;

/// Widest text, on a screen of fewer columns than [`WIDE`] and on others.
const TEXT_MAX: [usize; 2] = [24, 40];

/// Columns of a wide screen.
const WIDE: u16 = 110;

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, state: &State) {
    let areas = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ]);
    let [head, _, body, foot] = areas.areas(frame.area());
    frame.render_widget(Paragraph::new(heading(state)), head);
    match &state.target {
        Some(target) => frame.render_widget(Paragraph::new(detail(state, target)), body),
        None => table(frame, state, body),
    }
    frame.render_widget(Paragraph::new(keys(state)), foot);
}

fn bold(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Style::new().add_modifier(Modifier::BOLD))
}

fn heading(state: &State) -> Text<'static> {
    let every = show_duration(i64::try_from(state.interval.as_nanos()).unwrap_or(i64::MAX));
    let now = state.now.to_string();
    // The time of day is enough.
    let time = now.get(11..19).unwrap_or_default().to_owned();
    let server = tame_line(&state.server).into_owned();
    let version = tame_line(&state.version).into_owned();
    let first = Line::from(vec![
        bold("watershed top"),
        format!("  {server}  {version}  {time}  every {every}").into(),
        bold(if state.paused { "  paused" } else { "" }),
    ]);
    if let Some(error) = &state.error {
        let text = tame_line(error).into_owned();
        return Text::from(vec![first, Line::styled(text, Style::new().red())]);
    }
    let account = &state.account;
    let of = |used: u64, limit: i64| match u64::try_from(limit) {
        Ok(limit) if limit > 0 => format!("{} of {}", bytes(used), bytes(limit)),
        _ => bytes(used),
    };
    let mut parts = vec![
        format!("{} on disk", of(account.storage, account.limits.max_storage)),
        format!("{} in memory", of(account.memory, account.limits.max_memory)),
        show_count(state.dead, "dead letter"),
    ];
    if state.silent > 0 {
        parts.push(format!("{} did not answer", state.silent));
    }
    Text::from(vec![first, Line::from(parts.join(", "))])
}

fn keys(state: &State) -> Line<'static> {
    if state.typing {
        return Line::from(vec![bold("filter "), format!("{}_", state.filter).into()]);
    }
    let other = match state.view {
        View::Consumers => "streams",
        View::Streams => "consumers",
    };
    let all: &[(&str, &str)] = if state.target.is_some() {
        &[("esc", "back"), ("q", "quit")]
    } else {
        &[
            ("q", "quit"),
            ("tab", other),
            ("enter", "look"),
            ("s", "sort"),
            ("r", "reverse"),
            ("/", "filter"),
            ("p", "pause"),
        ]
    };
    let mut line = Line::default();
    for (key, what) in all {
        line.push_span(bold(*key));
        line.push_span(format!(" {what}  "));
    }
    if !state.filter.is_empty() && state.target.is_none() {
        line.push_span(format!("filter {}", tame_line(&state.filter)));
    }
    line
}

fn table(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let rows = state.rows();
    let columns = state.view.columns();
    let text_max = TEXT_MAX[usize::from(area.width >= WIDE)];
    let width = |index: usize, column: &Column| {
        let cells = rows.iter().filter_map(|row| row.cells.get(index));
        let widest = cells.map(|cell| Line::from(cell.text.as_str()).width()).max();
        // The sign of the column that is sorted by stands behind its title.
        let title = column.title.chars().count() + usize::from(state.sort.0 == index) * 2;
        let widest = widest.unwrap_or_default().max(title);
        if column.right { widest } else { widest.min(text_max) }
    };
    let mut kept: Vec<(usize, usize)> =
        columns.iter().enumerate().map(|(index, column)| (index, width(index, column))).collect();
    let room = usize::from(area.width).saturating_sub(2);
    let total = |kept: &[(usize, usize)]| kept.iter().map(|(_, width)| width + GAP).sum::<usize>();
    while total(&kept) > room + GAP {
        let drop = |(index, _): &(usize, usize)| columns.get(*index).map_or(0, |one| one.drop);
        let Some(least) = kept.iter().max_by_key(|one| drop(one)).filter(|one| drop(one) > 0)
        else {
            break;
        };
        let least = least.0;
        kept.retain(|(index, _)| *index != least);
    }
    // What is left and too wide: names are cut.
    let over = total(&kept).saturating_sub(room + GAP);
    if over > 0 {
        let texts =
            kept.iter_mut().filter(|(index, _)| columns.get(*index).is_some_and(|one| !one.right));
        let mut left = over;
        for (_, width) in texts {
            let cut = left.min(width.saturating_sub(8));
            *width -= cut;
            left -= cut;
        }
    }
    let aligned = |text: String, column: Option<&Column>| {
        let line = Line::from(text);
        if column.is_some_and(|column| column.right) { line.right_aligned() } else { line }
    };
    let title = |index: usize| {
        let column = columns.get(index);
        let mut text = column.map_or("", |column| column.title).to_owned();
        if state.sort.0 == index {
            text += if state.sort.1 { " ^" } else { " v" };
        }
        Cell::from(aligned(text, column))
    };
    let cell = |row: &super::state::Row, index: usize, width: usize| {
        let text = row.cells.get(index).map(|cell| cell.text.as_str()).unwrap_or_default();
        Cell::from(aligned(cut(text, width), columns.get(index)))
    };
    let shown = rows.iter().map(|row| {
        Row::new(kept.iter().map(|(index, width)| cell(row, *index, *width)).collect::<Vec<_>>())
    });
    let widths =
        kept.iter().map(|(_, width)| Constraint::Length(u16::try_from(*width).unwrap_or(u16::MAX)));
    let head = Row::new(kept.iter().map(|(index, _)| title(*index)).collect::<Vec<_>>());
    let table = Table::new(shown, widths)
        .header(head.style(Style::new().add_modifier(Modifier::BOLD)))
        .column_spacing(u16::try_from(GAP).unwrap_or_default())
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .highlight_symbol("> ");
    let mut selection =
        TableState::new().with_selected((!rows.is_empty()).then_some(state.selected));
    frame.render_stateful_widget(table, area, &mut selection);
}

/// A text in so many columns; one that is longer ends in dots.
fn cut(text: &str, width: usize) -> String {
    if Line::from(text).width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for sign in text.chars() {
        out.push(sign);
        if Line::from(out.as_str()).width() + 1 > width {
            out.pop();
            break;
        }
    }
    out.push('…');
    out
}

/// Everything about one consumer or stream.
fn detail(state: &State, target: &Target) -> Text<'static> {
    let mut lines = match target {
        Target::Consumer(stream, name) => consumer(state, stream, name),
        Target::Stream(name) => stream(state, name),
    };
    lines.push(Line::default());
    let title = match target {
        Target::Consumer(..) => "oldest messages that are not acknowledged",
        Target::Stream(_) => "newest messages",
    };
    lines.push(Line::from(bold(title)));
    if state.messages.is_empty() {
        lines.push("none".into());
    }
    for message in &state.messages {
        lines.extend(shown(state, message));
    }
    Text::from(lines)
}

fn shown(state: &State, message: &Message) -> Vec<Line<'static>> {
    let age = shown_age(state.now.0.saturating_sub(message.time.0));
    let subject = tame_line(&message.subject).into_owned();
    let mut lines = vec![Line::from(vec![
        bold(format!("#{} {subject}", message.sequence)),
        format!("  {age} ago").into(),
    ])];
    for (name, value) in &message.headers {
        lines.push(format!("  {}: {}", tame_line(name), tame_line(value)).into());
    }
    let text = String::from_utf8_lossy(&message.payload);
    lines.push(format!("  {}", tame_line(&text)).into());
    lines
}

fn consumer(state: &State, stream: &str, name: &str) -> Vec<Line<'static>> {
    let title = format!("consumer {} of {}", tame_line(name), tame_line(stream));
    let Some(info) = state.consumer(stream, name) else {
        return vec![Line::from(bold(title)), "it is gone".into()];
    };
    let config = &info.config;
    let filters = config.filters();
    let filter = if filters.is_empty() { ">".to_owned() } else { filters.join(" ") };
    let limit = |number: i64| {
        if number < 0 { "unlimited".to_owned() } else { number.to_string() }
    };
    let last = |at: Option<watershed_wire::time::UnixNanos>| match at {
        Some(then) => format!("{} ago", shown_age(state.now.0.saturating_sub(then.0))),
        None => "never".to_owned(),
    };
    vec![
        Line::from(bold(title)),
        format!("takes {}", tame_line(&filter)).into(),
        format!(
            "pending {}, ack pending {} of {}, redelivered {}, waiting {}",
            info.num_pending,
            info.num_ack_pending,
            limit(config.max_ack_pending),
            info.num_redelivered,
            info.num_waiting
        )
        .into(),
        format!(
            "delivered up to #{}, {}; acknowledged up to #{}, {}",
            info.delivered.stream_seq,
            last(info.delivered.last_active),
            info.ack_floor.stream_seq,
            last(info.ack_floor.last_active)
        )
        .into(),
        format!(
            "ack wait {}, at most {} deliveries{}",
            show_duration(config.ack_wait),
            limit(config.max_deliver),
            if info.paused { ", paused" } else { "" }
        )
        .into(),
    ]
}

fn stream(state: &State, name: &str) -> Vec<Line<'static>> {
    let title = format!("stream {}", tame_line(name));
    let Some(live) = state.stream(name) else {
        return vec![Line::from(bold(title)), "it is gone".into()];
    };
    let held = &live.info.state;
    vec![
        Line::from(bold(title)),
        format!("stores {}", tame_line(&live.info.config.subjects.join(" "))).into(),
        format!(
            "{} from #{} to #{}, {}, {}",
            show_count(held.messages, "message"),
            held.first_seq,
            held.last_seq,
            bytes(held.bytes),
            show_count(held.consumer_count, "consumer")
        )
        .into(),
    ]
}
