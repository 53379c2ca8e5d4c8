//! Whatever else the server refuses.

use watershed_wire::jetstream::check::{self, Violation};

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule, seen};
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

/// Whether another rule finds the same, and says more.
fn is_explained(violation: &Violation) -> bool {
    let text = &violation.error.description;
    match violation.field.as_ref() {
        "name" => true,
        "filter_subject" | "filter_subjects" => {
            violation.error.err_code == 10138 || text.contains("invalid subject")
        }
        "subjects" => {
            let own = ["invalid subject", "duplicate subjects", "overlaps with"];
            own.iter().any(|own| text.contains(own))
        }
        _ => matches!(violation.error.err_code, 10084 | 10098 | 10101),
    }
}

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let config = seen::stream(&stream.config, report.target());
        for violation in check::stream(&config) {
            say(report, "stream", &stream.name.value, &stream.places, &violation);
        }
        for consumer in &stream.consumers {
            let own = seen::consumer(&consumer.config, report.target());
            let there = check::consumer_on_stream(&own, &config);
            for violation in check::consumer(&own).into_iter().chain(there) {
                say(report, "consumer", &consumer.name.value, &consumer.places, &violation);
            }
        }
    }
}

fn say(report: &mut Report<'_>, what: &str, name: &str, places: &Places, violation: &Violation) {
    let Violation { field, error } = violation;
    if is_explained(violation) {
        return;
    }
    let code = seen::code(error.err_code, report.target());
    report
        .at(places.at(field), format!("{what} `{name}`: {}", error.description))
        .server(ServerSays::Refuses(code));
}
