//! An even number of copies.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "S022",
    name: "copies-even",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A majority of copies must be there. Two copies stand as few losses as one, and four \
            as few as three: the extra copy costs and brings nothing.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, num_replicas: 2 } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, num_replicas: 3 } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in &topology.streams {
        let copies = stream.config.num_replicas;
        if copies > 1 && copies % 2 == 0 {
            let message = format!("{copies} copies stand as few losses as {}", copies - 1);
            report.at(stream.places.at("num_replicas"), message).fix(format!(
                "write {} or {}",
                copies - 1,
                copies + 1
            ));
        }
    }
}
