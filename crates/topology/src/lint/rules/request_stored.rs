//! A request that a stream answers.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::subject::{is_valid, witness};

pub(super) static RULE: Rule = Rule {
    code: "X016",
    name: "request-stored",
    severity: Severity::Error,
    server: ServerSays::Accepts,
    about: "A stream answers everything that is published to it with an acknowledgement. A \
            request on such a subject gets that acknowledgement as its reply, and the real reply, \
            when it comes, is thrown away.",
    bad: "streams: { A: { subjects: [a.>], max_age: 1d } }\nservices: { s: { requests: [a.status] }, t: { replies: [a.status] } }\n",
    good: "streams: { A: { subjects: [a.>], max_age: 1d } }\nservices: { s: { requests: [status.a] }, t: { replies: [status.a] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (service, subject) in topology
        .services
        .iter()
        .flat_map(|service| service.requests.iter().map(move |subject| (service, subject)))
    {
        for stream in topology.streams.iter().filter(|stream| !stream.config.no_ack) {
            let valid =
                |own: &&String| is_valid(own.as_bytes()) && is_valid(subject.value.as_bytes());
            let own = stream.config.subjects.iter().enumerate().filter(|(_, own)| valid(own));
            for (index, own) in own {
                let Some(both) = witness(own, &subject.value) else { continue };
                let (name, who) = (&stream.name.value, &service.name.value);
                report
                    .at(
                        subject.span,
                        format!("`{name}` answers the request of `{who}` on `{both}`"),
                    )
                    .other(stream.places.item("subjects", index), "stored, and acknowledged")
                    .fix("ask on a subject that no stream stores");
            }
        }
    }
}
