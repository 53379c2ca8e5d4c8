//! An import that takes the account's own streams away.

use watershed_wire::subject::{is_valid, overlaps};

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::sharing::Passage;

pub(super) static RULE: Rule = Rule {
    code: "A015",
    name: "import-shadows-api",
    severity: Severity::Error,
    server: ServerSays::Accepts,
    about: "An imported service that answers on `$JS.API` stands where the account's own API does. \
            Clients would create and delete streams in the other account.",
    bad: "imports: [{ service: { account: HUB, subject: $JS.API.> } }]\n",
    good: "imports: [{ service: { account: HUB, subject: $JS.API.> }, to: JS.hub.API.> }]\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for import in topology.imports.iter().filter(|import| import.passage == Passage::Service) {
        let Some(local) = import.local().filter(|local| is_valid(local.as_bytes())) else {
            continue;
        };
        if overlaps(local.as_bytes(), b"$JS.API.>") {
            let other = &import.account.value;
            report
                .at(
                    import.subject.span,
                    format!("`{local}` is the API of this account's own streams"),
                )
                .fix(format!("bring it elsewhere: `to: JS.{other}.API.>`"));
        }
    }
}
