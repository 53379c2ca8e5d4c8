//! What passes between the accounts of the topologies that `up` runs.

use anyhow::{Context as _, bail};
use watershed_server::{Passage, PassageKind};
use watershed_topology::sharing::{self, Import};

use crate::load::Workspace;

/// What is exported and imported, as the server takes it. That one allows what the other takes was
/// checked when both were read.
pub(super) fn passages(workspace: &Workspace) -> anyhow::Result<Vec<Passage>> {
    let mut passages = Vec::new();
    for loaded in &workspace.topologies {
        let own = loaded.topology.account_name();
        for import in &loaded.topology.imports {
            let account = &import.account.value;
            let other = workspace.topologies.iter().map(|loaded| &loaded.topology);
            let other = other.into_iter().find(|other| other.account_name() == account.as_str());
            let place = workspace.sources.place(import.account.span);
            let Some(other) = other else {
                bail!(
                    "{place}: the account `{account}` is none of these topologies: name its file too"
                );
            };
            let transform = import.passage().with_context(|| format!("{place}"))?;
            let (from, to) = match import.passage {
                sharing::Passage::Stream => (account.as_str(), own),
                sharing::Passage::Service => (own, account.as_str()),
            };
            let kind = match import.passage {
                sharing::Passage::Stream => PassageKind::Messages,
                sharing::Passage::Service => {
                    PassageKind::Requests { many: many(other.sharing(), import) }
                }
            };
            passages.push(Passage { from: from.into(), to: to.into(), transform, kind });
        }
    }
    Ok(passages)
}

/// Whether the export says that a request has more than one reply.
fn many(account: sharing::Account<'_>, import: &Import) -> bool {
    let export = account.export_of(import);
    export.and_then(|export| export.response.as_deref()).is_some_and(|word| word != "singleton")
}
