//! Message ids that are remembered for long.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::quantity::show_duration;

pub(super) static RULE: Rule = Rule {
    code: "S028",
    name: "window-long",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "The ids of all messages within `duplicate_window` are kept in memory. More than ten \
            minutes of a busy stream are many.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, duplicate_window: 1h } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, duplicate_window: 5m } }\n",
    check,
};

/// Ten minutes, in nanoseconds.
const LONG: i64 = 600_000_000_000;

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let window = stream.config.duplicate_window;
        if window > LONG {
            let message = format!("message IDs of {} are kept in memory", show_duration(window));
            report.at(stream.places.at("duplicate_window"), message);
        }
    }
}
