//! An import that no server takes.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::sharing::unfit;

pub(super) static RULE: Rule = Rule {
    code: "A013",
    name: "import-unfit",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "An import names subjects of another account and, with `to` or `prefix`, what they are \
            here. Every wildcard there must have its place here, else two subjects would become \
            one; `to` names them by their number, or has as many wildcards. nats-server does not \
            start with an import or an export that is wrong.",
    bad: "imports: [{ stream: { account: ORDERS, subject: orders.*.paid }, to: paid }]\n",
    good: "imports: [{ stream: { account: ORDERS, subject: orders.*.paid }, to: paid.$1 }]\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for found in unfit(&topology.sharing()) {
        report.push(found);
    }
}
