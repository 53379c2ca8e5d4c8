//! A user for guests who is not declared.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::schema::nearest;

pub(super) static RULE: Rule = Rule {
    code: "A017",
    name: "guest-unknown",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "`no_auth_user` names the user that somebody is who shows no credentials. nats-server does not start \
            where no user is called that.",
    bad: "users: { web: { role: admin, password: { env: P } } }\nserver: { no_auth_user: wbe }\n",
    good: "users: { web: { role: admin, password: { env: P } } }\nserver: { no_auth_user: web }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let Some(name) = &topology.server.no_auth_user else { return };
    let known = || topology.users.iter().map(|user| user.name.value.as_str());
    if known().any(|user| user == name.value) {
        return;
    }
    let finding = report.at(name.span, format!("unknown user `{}`", name.value));
    if let Some(meant) = nearest(&name.value, known()) {
        finding.fix(format!("did you mean `{meant}`?"));
    }
}
