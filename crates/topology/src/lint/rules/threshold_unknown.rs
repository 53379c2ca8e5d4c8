//! A threshold that no check looks at.

use std::collections::BTreeMap;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Places, Topology};
use crate::monitor::{MONITOR, key};
use crate::schema::{CONSUMER_MONITOR, Field, STREAM_MONITOR, nearest};

pub(super) static RULE: Rule = Rule {
    code: "N012",
    name: "threshold-unknown",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "`nats server check` reads its thresholds from metadata whose keys begin with \
            `io.nats.monitor.`. One that it does not know watches nothing. `monitor` writes them: \
            there, a wrong name is an error.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, metadata: { io.nats.monitor.msg-critical: '5' } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, monitor: { msgs_critical: 5 } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let mut look = |metadata: &BTreeMap<String, String>, places: &Places, known: &[Field]| {
        let known: Vec<String> = known.iter().map(|field| key(field.name)).collect();
        for own in metadata.keys().filter(|own| own.starts_with(MONITOR) && !known.contains(own)) {
            let finding = report
                .at(places.at(&format!("metadata.{own}")), format!("no check looks at `{own}`"));
            if let Some(meant) = nearest(own, known.iter().map(String::as_str)) {
                finding.fix(format!("did you mean `{meant}`?"));
            }
        }
    };
    for stream in &topology.streams {
        look(&stream.config.metadata, &stream.places, STREAM_MONITOR);
        for consumer in &stream.consumers {
            look(&consumer.config.metadata, &consumer.places, CONSUMER_MONITOR);
        }
    }
}
