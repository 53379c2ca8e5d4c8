//! A field that the server does not know yet.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::seen::{
    self, CONSUMER_FIELDS, ORIGIN_CONSUMER, STREAM_FIELDS, destinations, lacks_function,
};
use crate::lint::{Report, Rule};
use crate::model::{Places, Stream, Topology};
use crate::version::Version;

pub(super) static RULE: Rule = Rule {
    code: "S044",
    name: "newer-than-server",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "Servers before 2.12 drop fields that they do not know without a word; newer ones \
            refuse them with error 10025. Either way the stream or the consumer is not what the \
            file says. Which server is meant is said by `lint: { target_version }` or \
            `--target-version`.",
    bad: "lint: { target_version: 2.10 }\nstreams: { A: { subjects: [a], max_age: 1d, allow_msg_ttl: true } }\n",
    good: "lint: { target_version: 2.11 }\nstreams: { A: { subjects: [a], max_age: 1d, allow_msg_ttl: true } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        look(STREAM_FIELDS, "stream", &stream.name.value, &stream.places, report);
        let sources = (0..stream.config.sources.len()).map(|at| format!("sources.{at}.consumer"));
        for field in sources.chain(["mirror.consumer".to_owned()]) {
            look(
                &[(&field, ORIGIN_CONSUMER)],
                "stream",
                &stream.name.value,
                &stream.places,
                report,
            );
        }
        functions(stream, report);
        for consumer in &stream.consumers {
            look(CONSUMER_FIELDS, "consumer", &consumer.name.value, &consumer.places, report);
        }
    }
}

/// What destinations of transforms call.
fn functions(stream: &Stream, report: &mut Report<'_>) {
    let target = report.target();
    for (place, destination, code) in destinations(&stream.config) {
        let Some(function) = lacks_function(destination, target) else { continue };
        let name = &stream.name.value;
        let message = format!("stream `{name}`: nats-server {target} does not have {function}");
        let code = seen::code(code, target);
        report.at(stream.places.at(&place), message).server(ServerSays::Refuses(code));
    }
}

fn look(
    since: &[(&str, Version)],
    what: &str,
    name: &str,
    places: &Places,
    report: &mut Report<'_>,
) {
    let target = report.target();
    for (field, version) in since {
        let Some(place) = places.get(field).filter(|_| !target.knows(*version)) else { continue };
        let message = format!("{what} `{name}`: `{field}` came with nats-server {version}");
        let finding = report.at(place, message).note(format!("linted for {target}"));
        if target.is_at_least(2, 12, 0) {
            finding.server(ServerSays::Refuses(10025));
        } else {
            finding.server(ServerSays::Accepts);
        }
    }
}
