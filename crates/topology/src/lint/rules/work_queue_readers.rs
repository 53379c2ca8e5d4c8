//! What a work queue demands of its consumers.

use watershed_wire::jetstream::check::consumer_on_stream;
use watershed_wire::jetstream::stream::Retention;
use watershed_wire::subject::{FilterSet, witness};

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Consumer, Stream, Topology};

pub(super) static RULE: Rule = Rule {
    code: "X005",
    name: "work-queue-readers",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "A message of a work queue belongs to one consumer: filters must not overlap, there is \
            one consumer at most without a filter, each acknowledges explicitly and starts at the \
            beginning. Several services that are to see the same message want `retention: limits` \
            or `interest`; several workers share one consumer.",
    bad: "streams: { JOBS: { subjects: [jobs.>], retention: workqueue, consumers: { a: {}, b: { filter_subject: jobs.x } } } }\n",
    good: "streams: { JOBS: { subjects: [jobs.x, jobs.y], retention: workqueue, consumers: { a: { filter_subject: jobs.y }, b: { filter_subject: jobs.x } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let queues =
        topology.streams.iter().filter(|stream| stream.config.retention == Retention::WorkQueue);
    for stream in queues {
        for consumer in &stream.consumers {
            for violation in consumer_on_stream(&consumer.config, &stream.config) {
                let code = violation.error.err_code;
                if matches!(code, 10084 | 10098 | 10101) {
                    let name = &consumer.name.value;
                    let text = &violation.error.description;
                    report
                        .at(consumer.places.at(&violation.field), format!("`{name}`: {text}"))
                        .server(ServerSays::Refuses(code));
                }
            }
        }
        one_reader(stream, report);
    }
}

/// No message has two consumers.
fn one_reader(stream: &Stream, report: &mut Report<'_>) {
    let mut known = FilterSet::default();
    let mut whole: Option<&Consumer> = None;
    for (index, second) in stream.consumers.iter().enumerate() {
        let filtered = !second.config.filters().is_empty();
        // Who takes everything meets the first of the others, and everybody behind meets him.
        let first = whole.or_else(|| stream.consumers.first().filter(|_| !filtered && index > 0));
        if let Some(first) = first {
            let names = (&first.name.value, &second.name.value);
            report
                .at(
                    second.name.span,
                    format!("`{}` and `{}` would share every message", names.0, names.1),
                )
                .other(first.name.span, "the other consumer")
                .note("a consumer without a filter takes the whole work queue")
                .fix("let the workers share one consumer, or give each a filter of its own")
                // The server looks at the one that comes second.
                .server(ServerSays::Refuses(if filtered { 10100 } else { 10099 }));
            continue;
        }
        if !filtered {
            whole = Some(second);
        }
        for (filter, place) in second.filters() {
            for ((first, other_place), other) in known.overlapping(filter) {
                let Some(both) = witness(filter, other) else { continue };
                let name = &second.name.value;
                report
                    .at(place, format!("`{first}` and `{name}` would share `{both}`"))
                    .other(other_place, format!("`{other}` of `{first}`"))
                    .fix("let the workers share one consumer, or make the filters distinct")
                    .server(ServerSays::Refuses(10100));
            }
        }
        for (filter, place) in second.filters() {
            known.insert(filter, (second.name.value.as_str(), place));
        }
    }
}
