//! A mapping that nats-server does not start with.

use std::collections::BTreeMap;

use watershed_wire::subject::problem;
use watershed_wire::subject::transform::Transform;

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::Topology;

pub(super) static RULE: Rule = Rule {
    code: "A018",
    name: "mapping-invalid",
    severity: Severity::Error,
    server: ServerSays::Nothing,
    about: "A mapping turns one subject into another: each `$1` stands for a wildcard of the first. Where several \
            mappings share the messages of a subject, their weights are percents, and come to 100 at most; what is \
            missing keeps its subject.",
    bad: "mappings: [{ subject: a.*, to: b.$2 }, { subject: c, to: d, weight: 60 }, { subject: c, to: e, weight: 60 }]\n",
    good: "mappings: [{ subject: a.*, to: b.$1 }, { subject: c, to: d, weight: 60 }, { subject: c, to: e, weight: 40 }]\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    let mut weights: BTreeMap<(&str, Option<&str>), u64> = BTreeMap::new();
    for mapping in &topology.mappings {
        let (subject, to) = (&mapping.subject, &mapping.to);
        if let Some(problem) = problem(subject.value.as_bytes()) {
            report.at(subject.span, format!("invalid subject `{}`: {problem}", subject.value));
            continue;
        }
        if let Err(error) = Transform::new(&subject.value, &to.value) {
            report
                .at(to.span, format!("`{}` cannot become `{}`: {error}", subject.value, to.value));
        }
        let all = weights.entry((&subject.value, mapping.cluster.as_deref())).or_default();
        *all = all.saturating_add(mapping.weight.unwrap_or(100));
        if *all > 100 {
            let message = format!("more than 100 percent of `{}`", subject.value);
            report.at(subject.span, message).fix("write weights that come to 100 at most");
        }
    }
}
