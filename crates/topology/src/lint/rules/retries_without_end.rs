//! A message that is tried forever.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use watershed_wire::jetstream::consumer::AckPolicy;

pub(super) static RULE: Rule = Rule {
    code: "C023",
    name: "retries-without-end",
    severity: Severity::Info,
    server: ServerSays::Accepts,
    about: "Without `max_deliver` a message that no handler can take is delivered again and \
            again, without `backoff` as fast as handlers fail. `max_deliver: unlimited` says that \
            it is meant.",
    bad: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { ack_wait: 30s } } } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d, consumers: { c: { max_deliver: 5, backoff: [30s, 5m] } } } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for (_, consumer) in topology.consumers() {
        let config = &consumer.config;
        let said = consumer.places.get("max_deliver").is_some() || !config.backoff.is_empty();
        if config.max_deliver < 0 && config.ack_policy != AckPolicy::None && !said {
            let message = format!("`{}` tries a bad message forever", consumer.name.value);
            report.at(consumer.name.span, message).fix("give it a `max_deliver` and a `backoff`");
        }
    }
}
