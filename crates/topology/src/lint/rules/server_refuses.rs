//! Whatever else the server refuses.

use watershed_wire::jetstream::ApiError;
use watershed_wire::jetstream::check::{self, Violation};

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Places, Topology};

pub(super) static RULE: Rule = Rule {
    code: "C000",
    name: "server-refuses",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "The server refuses a stream or a consumer whose fields contradict each other or are out \
            of range. The text is the server's own.",
    bad: "streams: { A: { subjects: [a], max_age: 50ms } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1s } }\n",
    check,
};

/// Fields that have rules of their own, which say more.
const ELSEWHERE: &[&str] = &["name", "filter_subject", "filter_subjects"];

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        for violation in check::stream(&stream.config) {
            let own = violation.field == "subjects" && subjects_explained(&violation.error);
            if !own {
                say(report, "stream", &stream.name.value, &stream.places, &violation);
            }
        }
        for consumer in &stream.consumers {
            let own = check::consumer(&consumer.config);
            let there = check::consumer_on_stream(&consumer.config, &stream.config);
            for violation in own.into_iter().chain(there) {
                let work_queue = matches!(violation.error.err_code, 10084 | 10098 | 10101);
                if !work_queue {
                    say(report, "consumer", &consumer.name.value, &consumer.places, &violation);
                }
            }
        }
    }
}

/// Whether a rule about subjects finds the same.
fn subjects_explained(error: &ApiError) -> bool {
    let text = &error.description;
    ["invalid subject", "duplicate subjects", "overlaps with"].iter().any(|own| text.contains(own))
}

fn say(report: &mut Report<'_>, what: &str, name: &str, places: &Places, violation: &Violation) {
    let Violation { field, error } = violation;
    let overlapping = error.err_code == 10138;
    if ELSEWHERE.contains(field) && !overlapping {
        return;
    }
    report
        .at(places.at(field), format!("{what} `{name}`: {}", error.description))
        .server(ServerSays::Refuses(error.err_code));
}
