//! A request that nobody answers.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::schema::nearest;
use crate::sharing::{Import, Passage};
use watershed_wire::subject::{is_valid, uncovered};

pub(super) static RULE: Rule = Rule {
    code: "X017",
    name: "request-unanswered",
    severity: Severity::Warning,
    server: ServerSays::Nothing,
    about: "A service asks on a subject that no service of this file replies to: the request \
            fails, with no responders. Somebody outside of the system is declared as a service \
            too.",
    bad: "services: { s: { requests: [status.a] } }\n",
    good: "services: { s: { requests: [status.a] }, t: { replies: [\"status.*\"] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let all = topology.services.iter().flat_map(|service| &service.replies);
    let valid = all.map(|subject| subject.value.as_str()).filter(|one| is_valid(one.as_bytes()));
    let imports = topology.imports.iter().filter(|import| import.passage == Passage::Service);
    let imported: Vec<String> = imports.filter_map(Import::local).collect();
    let replies: Vec<&str> = valid.chain(imported.iter().map(String::as_str)).collect();
    for service in &topology.services {
        for subject in service.requests.iter().filter(|one| is_valid(one.value.as_bytes())) {
            let Some(lost) = uncovered(&subject.value, &replies) else { continue };
            let message =
                format!("nobody replies to `{lost}`, which `{}` asks on", service.name.value);
            let finding = report.at(subject.span, message);
            if let Some(near) = nearest(&subject.value, replies.iter().copied()) {
                finding.fix(format!("did you mean `{near}`?"));
            }
        }
    }
}
