//! A user for a service that is not declared.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Access, Topology};
use crate::schema::nearest;

pub(super) static RULE: Rule = Rule {
    code: "A002",
    name: "user-of-unknown-service",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "A user's permissions follow from what its service publishes and consumes. Without the \
            service there is nothing to derive them from.",
    bad: "users: { worker: { service: wroker } }\nservices: { worker: {} }\n",
    good: "users: { worker: { service: worker } }\nservices: { worker: {} }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for user in &topology.users {
        let Access::Service(service) = &user.access else { continue };
        if topology.service(&service.value).is_some() {
            continue;
        }
        let message = format!("unknown service `{}`", service.value);
        let finding = report.at(service.span, message);
        let known = topology.services.iter().map(|service| service.name.value.as_str());
        if let Some(meant) = nearest(&service.value, known) {
            finding.fix(format!("did you mean `{meant}`?"));
        }
    }
}
