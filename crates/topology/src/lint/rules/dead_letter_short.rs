//! A record that goes before what it is about.

use watershed_wire::jetstream::stream::Storage;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::quantity::show_duration;

pub(super) static RULE: Rule = Rule {
    code: "R002",
    name: "dead-letter-short",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "The record of a message that was given up says where that message still lies. When it \
            goes first, by age or with the server's memory, nobody knows any more that there is \
            something to look at.",
    bad: "streams: { JOBS: { subjects: [jobs], max_age: 30d, consumers: { worker: { max_deliver: 3, dead_letter: DEAD } } }, DEAD: { max_age: 1d, consumers: { operator: {} } } }\n",
    good: "streams: { JOBS: { subjects: [jobs], max_age: 30d, consumers: { worker: { max_deliver: 3, dead_letter: DEAD } } }, DEAD: { max_age: 90d, consumers: { operator: {} } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let streams = topology.by_name();
    for (stream, _, target) in topology.dead_letters() {
        let Some(records) = streams.get(target.value.as_str()) else { continue };
        let (own, theirs) = (&records.config, &stream.config);
        let age = |nanos| match nanos {
            0 => "forever".to_owned(),
            nanos => format!("for {}", show_duration(nanos)),
        };
        if own.max_age > 0 && (theirs.max_age == 0 || theirs.max_age > own.max_age) {
            let message = format!(
                "`{}` drops its records after {}, while messages in `{}` are kept {}",
                records.name.value,
                show_duration(own.max_age),
                stream.name.value,
                age(theirs.max_age)
            );
            report
                .at(target.span, message)
                .other(records.places.at("max_age"), "goes first")
                .fix(format!("keep `{}` as long, or longer", records.name.value));
        } else if own.storage == Storage::Memory && theirs.storage == Storage::File {
            let message = "the record of what was given up goes with the server's memory, and the \
                           messages stay";
            report
                .at(target.span, message)
                .other(records.places.at("storage"), "kept in memory")
                .fix("write `storage: file` there");
        }
    }
}
