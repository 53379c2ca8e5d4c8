//! What subjects become in the accounts of the topologies that `up` runs.

use std::collections::BTreeMap;

use anyhow::Context as _;
use watershed_server::Mapping;

use crate::load::Workspace;

/// The mappings of each account, as the server takes them. What is only meant in a cluster is left out: this server
/// is never in one.
pub(super) fn mappings(workspace: &Workspace) -> anyhow::Result<BTreeMap<String, Vec<Mapping>>> {
    let mut accounts = BTreeMap::new();
    for loaded in &workspace.topologies {
        let topology = &loaded.topology;
        let mut subjects: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
        let mut order = Vec::new();
        for own in topology.mappings.iter().filter(|own| own.cluster.is_none()) {
            let subject = own.subject.value.as_str();
            order.push((subject, own.subject.span));
            let shares = subjects.entry(subject).or_default();
            shares.push((&own.to.value, own.weight.unwrap_or(100)));
        }
        let mut all = Vec::new();
        for (subject, span) in order {
            let Some(shares) = subjects.remove(subject) else { continue };
            let mapping = Mapping::new(subject, &shares)
                .with_context(|| format!("{}: invalid mapping", workspace.sources.place(span)))?;
            all.push(mapping);
        }
        accounts.insert(topology.account_name().to_owned(), all);
    }
    Ok(accounts)
}
