//! A subject that is none.

use watershed_wire::subject::{SubjectError, problem};

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::source::Span;

pub(super) static RULE: Rule = Rule {
    code: "S001",
    name: "subject-invalid",
    severity: Severity::Error,
    server: ServerSays::Refuses(10052),
    about: "A subject is tokens with dots between them. `*` stands for one token, `>` for all the \
            rest; both only as whole tokens, and `>` only at the end.",
    bad: "streams: { A: { subjects: [a..b, 'a.>.b', 'a b'], max_age: 1d } }\n",
    good: "streams: { A: { subjects: [a.b, a.c.>], max_age: 1d } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        for (index, subject) in stream.config.subjects.iter().enumerate() {
            judge(report, stream.places.item("subjects", index), subject, false);
        }
        for consumer in &stream.consumers {
            for (index, filter) in consumer.config.filters().iter().enumerate() {
                judge(report, consumer.filter_place(index), filter, false);
            }
        }
    }
    for service in &topology.services {
        let said = service.publishes.iter().chain(&service.requests).chain(&service.replies);
        for subject in said {
            judge(report, subject.span, &subject.value, true);
        }
    }
    for user in &topology.users {
        let permissions = &user.permissions;
        for filter in permissions.publish.filters().chain(permissions.subscribe.filters()) {
            judge(report, filter.span, &filter.value, false);
        }
        if let Some(prefix) = &user.inbox_prefix {
            judge(report, prefix.span, &prefix.value, false);
        }
    }
}

/// `pattern` is set where a wildcard stands for "any of these" and not for a subscription.
fn judge(report: &mut Report<'_>, place: Span, subject: &str, pattern: bool) {
    if let Some(problem) = problem(subject.as_bytes()) {
        let finding = report.at(place, format!("invalid subject `{subject}`: {problem}"));
        if problem == SubjectError::WhiteSpace && subject.contains(',') {
            finding.fix("make it a list: one subject an entry");
        }
    } else if subject.contains(',') {
        report
            .at(place, format!("`{subject}` is one subject with a comma in it"))
            .server(ServerSays::Accepts)
            .fix("make it a list: one subject an entry");
    } else if !pattern && half_wildcard(subject) {
        report
            .at(place, format!("a wildcard inside a token of `{subject}` is taken literally"))
            .server(ServerSays::Accepts)
            .fix("let `*` or `>` be a token of its own");
    }
}

/// Whether a token holds a wildcard among other letters.
fn half_wildcard(subject: &str) -> bool {
    subject.split('.').any(|token| token.len() > 1 && token.contains(['*', '>']))
}
