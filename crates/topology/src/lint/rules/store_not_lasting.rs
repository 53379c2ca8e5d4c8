//! A store that does not outlive the machine's next start.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "L008",
    name: "store-not-lasting",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "The folder lies where the system clears up: what is \"file\" storage there is gone at \
            the next start, or when a container is replaced.",
    bad: "server: { jetstream: { store_dir: /tmp/nats } }\n",
    good: "server: { jetstream: { store_dir: ./data } }\n",
    check,
};

const PASSING: &[&str] = &["/tmp", "/var/tmp", "/dev/shm", "/run"];

fn check(topology: &Topology, report: &mut Report<'_>) {
    let Some(folder) = &topology.server.store_dir else { return };
    let inside = |parent: &&&str| {
        folder
            .value
            .strip_prefix(**parent)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some(parent) = PASSING.iter().find(inside) {
        let message = format!("what lies in {parent} is cleared by the system");
        report.at(folder.span, message).fix("name a folder that lasts");
    }
}
