//! A server that answers everybody.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "L010",
    name: "open-to-network",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "The address is reachable from other machines, and the file names no users: everybody \
            there may read, publish and delete. The monitoring address never asks for a password.",
    bad: "server: { listen: \"0.0.0.0:4222\" }\n",
    good: "server: { listen: \"127.0.0.1:4222\" }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let server = &topology.server;
    if let Some(listen) = &server.listen
        && !listen.value.ip().is_loopback()
        && topology.users.is_empty()
        && server.token.is_none()
        && !server.tls.as_ref().is_some_and(|tls| tls.value.verify)
    {
        report
            .at(listen.span, "everybody who reaches this address may do everything")
            .fix("declare `users`, or listen on 127.0.0.1");
    }
    if let Some(http) = &server.http
        && !http.value.ip().is_loopback()
    {
        report
            .at(http.span, "everybody who reaches this address sees names, subjects and counts")
            .fix("listen on 127.0.0.1, or keep others away by a firewall");
    }
}
