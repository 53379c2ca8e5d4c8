//! What is published again is stored again.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::subject::is_valid;

pub(super) static RULE: Rule = Rule {
    code: "S048",
    name: "republished-into-stream",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "The subject that a stream republishes to is stored by another stream. If that one \
            feeds back, messages go in circles; if not, everything is stored twice.",
    bad: "streams: { A: { subjects: [a.>], max_age: 1d, republish: { src: \"a.>\", dest: \"b.>\" } }, B: { subjects: [b.>], max_age: 1d } }\n",
    good: "streams: { A: { subjects: [a.>], max_age: 1d, republish: { src: \"a.>\", dest: \"live.>\" } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let Some(republish) = &stream.config.republish else { continue };
        let dest = &republish.dest;
        for other in topology.streams.iter().filter(|other| other.name.value != stream.name.value) {
            if is_valid(dest.as_bytes()) && other.stores(dest) {
                let name = &other.name.value;
                report
                    .at(
                        stream.places.at("republish.dest"),
                        format!("`{name}` stores what `{}` publishes again", stream.name.value),
                    )
                    .other(other.places.at("subjects"), format!("`{name}` stores it"));
            }
        }
    }
}
