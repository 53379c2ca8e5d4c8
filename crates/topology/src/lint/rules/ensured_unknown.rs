//! A service that ensures what is not declared.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{ConsumerName, Stream, Topology};
use crate::schema::nearest;

pub(super) static RULE: Rule = Rule {
    code: "X020",
    name: "ensured-unknown",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "A service ensures a stream, bucket or consumer that this file does not declare. Nothing says \
            what it would create, and its users would have rights to nothing.",
    bad: "streams: { A: { subjects: [a.>], max_age: 1d } }\nservices: { s: { ensures: [AA] } }\n",
    good: "streams: { A: { subjects: [a.>], max_age: 1d } }\nservices: { s: { ensures: [A] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let consumers: Vec<String> = topology
        .streams
        .iter()
        .flat_map(|stream| {
            let of = |name: &str| format!("{}/{name}", stream.name.value);
            stream.consumers.iter().map(move |consumer| of(&consumer.name.value))
        })
        .collect();
    for name in topology.services.iter().flat_map(|service| &service.ensures) {
        let (what, there) = match name.value.split_once('/') {
            Some((stream, consumer)) => {
                let wanted = ConsumerName { stream: stream.into(), consumer: consumer.into() };
                ("consumer", topology.consumer(&wanted).is_some())
            }
            None => ("stream or bucket", topology.named(&name.value).next().is_some()),
        };
        if there {
            continue;
        }
        let finding = report.at(name.span, format!("unknown {what} `{}`", name.value));
        let streams = topology.streams.iter();
        let streams = streams.map(|one| Stream::bucket(one).unwrap_or(&one.name.value));
        let known = if what == "consumer" {
            nearest(&name.value, consumers.iter().map(String::as_str))
        } else {
            nearest(&name.value, streams)
        };
        if let Some(meant) = known {
            finding.fix(format!("did you mean `{meant}`?"));
        }
    }
}
