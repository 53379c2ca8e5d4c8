//! A service that cannot connect.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{Access, Topology};

pub(super) static RULE: Rule = Rule {
    code: "A012",
    name: "service-without-user",
    severity: Severity::Warning,
    server: ServerSays::Nothing,
    about: "The file declares users, so nobody connects without one, and none of them is for this \
            service.",
    bad: "streams: { A: { subjects: [a], max_age: 1d } }\nservices: { s: { publishes: [a] }, t: { publishes: [a] } }\nusers: { admin: { password: { env: P }, service: t } }\n",
    good: "streams: { A: { subjects: [a], max_age: 1d } }\nservices: { s: { publishes: [a] } }\nusers: { s: { password: { env: P }, service: s } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    if topology.users.is_empty() {
        return;
    }
    for service in &topology.services {
        let own = |access: &Access| match access {
            Access::Service(name) => name.value == service.name.value,
            Access::Admin | Access::Listed | Access::System => false,
        };
        if !topology.users.iter().any(|user| own(&user.access)) {
            let name = &service.name.value;
            report
                .at(service.name.span, format!("no user for service `{name}`: it cannot connect"))
                .fix(format!("give it a user with `service: {name}`"));
        }
    }
}
