//! A name that is not as the file wants names to be.

use crate::dead_letter::letters;
use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Stream, StreamKind, Topology};
use crate::source::Spanned;

pub(super) static RULE: Rule = Rule {
    code: "N014",
    name: "name-unconventional",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "`lint.names` says what names are to look like, by what they are names of: `stream`, `consumer`, \
            `subject`, `bucket`, `service`, `user`. Each is a regular expression that takes the whole name. \
            Without it, nothing is asked of names.",
    bad: "lint: { names: { stream: '[A-Z][A-Z0-9_]*', subject: '[a-z0-9_.*>-]+' } }\nstreams: { orders: { subjects: [Orders.>], max_age: 1d } }\n",
    good: "lint: { names: { stream: '[A-Z][A-Z0-9_]*', subject: '[a-z0-9_.*>-]+' } }\nstreams: { ORDERS: { subjects: [orders.>], max_age: 1d } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let mut judge = |kind: &str, name: &Spanned<String>| {
        let Some(convention) = topology.lint.names.get(kind) else { return };
        if !convention.whole.is_match(&name.value) {
            report
                .at(
                    name.span,
                    format!("the {kind} `{}` is not as names are to be here", name.value),
                )
                .other(convention.pattern.span, "what they are to be");
        }
    };
    for stream in &topology.streams {
        match (stream.kind, stream.bucket()) {
            (StreamKind::Elsewhere, _) => continue,
            (_, Some(bucket)) => {
                judge("bucket", &Spanned::new(bucket.to_owned(), stream.name.span));
            }
            (_, None) => {
                judge("stream", &stream.name);
                for (index, subject) in stream.config.subjects.iter().enumerate() {
                    // What a server says itself is named by the server, and dead letters by us.
                    let derived = |from: &Stream| *subject == letters(&from.name.value, "*");
                    if !subject.starts_with('$') && !topology.streams.iter().any(derived) {
                        let place = stream.places.item("subjects", index);
                        judge("subject", &Spanned::new(subject.clone(), place));
                    }
                }
            }
        }
        for consumer in &stream.consumers {
            judge("consumer", &consumer.name);
        }
    }
    for service in &topology.services {
        judge("service", &service.name);
        for subject in &service.publishes {
            judge("subject", subject);
        }
    }
    for user in &topology.users {
        judge("user", &user.name);
    }
}
