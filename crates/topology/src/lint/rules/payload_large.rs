//! Messages larger than a server should carry.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "L006",
    name: "payload-large",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "nats-server advises against a `max_payload` above 8 MiB: one such message holds up \
            everybody behind it on the connection, and costs memory at every hop. Put large \
            things into an object store and send their name.",
    bad: "server: { max_payload: 64MiB }\n",
    good: "server: { max_payload: 1MiB }\n",
    check,
};

/// Bytes above which nats-server warns.
const LARGE: u64 = 8 << 20;

fn check(topology: &Topology, report: &mut Report<'_>) {
    if let Some(limit) = &topology.server.max_payload
        && limit.value > LARGE
    {
        report
            .at(limit.span, "messages above 8 MiB hold up everybody behind them")
            .fix("keep large things in an object store, and send their name");
    }
}
