//! An origin in another account that nothing brings here.

use watershed_wire::subject::{contains, is_literal};

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;
use crate::sharing::Passage;

pub(super) static RULE: Rule = Rule {
    code: "A008",
    name: "origin-not-imported",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "A mirror or a source reads a stream of another account through that account's API, under \
            the prefix `external.api`, and gets its messages under `external.deliver`. Both must be \
            imported, the API as a service and the messages as a stream; else the server takes the \
            stream and it stays empty. A prefix such as `$JS.hub.API` is another domain's API, and \
            needs no import.",
    bad: "imports: [{ service: { account: HUB, subject: $JS.API.> }, to: JS.hub.> }]\nstreams: { A: { max_age: 1d, sources: [{ name: ORDERS, external: { api: JS.hub.API, deliver: deliver.hub } }] } }\n",
    good: "imports: [{ service: { account: HUB, subject: $JS.API.> }, to: JS.hub.API.> }, { stream: { account: HUB, subject: deliver.hub.> } }]\nstreams: { A: { max_age: 1d, sources: [{ name: ORDERS, external: { api: JS.hub.API, deliver: deliver.hub } }] } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    // A foreign file says nothing about its account.
    if topology.name.value.is_empty() {
        return;
    }
    let brought = |passage: Passage, prefix: &str| {
        let wanted = format!("{prefix}.>");
        topology.imports.iter().filter(|import| import.passage == passage).any(|import| {
            import.local().is_some_and(|local| contains(local.as_bytes(), wanted.as_bytes()))
        })
    };
    for stream in &topology.streams {
        for (origin, place) in stream.origins() {
            let Some(external) = &origin.external else { continue };
            let api = &external.api;
            let domain = api.strip_prefix("$JS.").is_some_and(|rest| rest.ends_with("API"));
            let valid = |prefix: &str| is_literal(prefix.as_bytes());
            if valid(api) && !domain && api != "$JS.API" && !brought(Passage::Service, api) {
                report
                    .at(place, format!("no import brings the API of `{}` to `{api}`", origin.name))
                    .fix(format!(
                        "import it: `{{ service: {{ account: OTHER, subject: $JS.API.> }}, to: {api}.> }}`"
                    ));
            }
            let deliver = &external.deliver;
            if valid(deliver) && !domain && !brought(Passage::Stream, deliver) {
                report
                    .at(
                        place,
                        format!("no import brings what `{}` sends to `{deliver}`", origin.name),
                    )
                    .fix(format!(
                        "import it: `{{ stream: {{ account: OTHER, subject: {deliver}.> }} }}`"
                    ));
            }
        }
    }
}
