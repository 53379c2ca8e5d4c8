//! Whether a topology holds on a live server, without touching anything.

mod health;
mod verdict;

use watershed_wire::subject::{contains, overlaps};

pub use self::health::used;
pub use self::verdict::{Problem, Verdict};
use crate::model::{Stream, Topology};
use crate::observe::Observed;
use crate::plan::{Action, Target, Work, plan};

/// Looks at everything that is declared: that it is there and equal, that copies run, and that
/// every subject that a service publishes is stored where the file says.
pub fn verify(topology: &Topology, observed: &Observed) -> Verdict {
    let plan = plan(topology, observed);
    let mut verdict = Verdict { held: plan.unchanged, unknown: plan.unknown, ..Verdict::default() };
    for target in plan.unmanaged {
        verdict
            .notes
            .push(Problem { target: target.clone(), text: "is as declared, and unmanaged".into() });
        verdict.held.push(target);
    }
    for step in plan.steps {
        let fields: Vec<&str> = step.changes.iter().map(|change| change.field.as_str()).collect();
        let text = match step.action {
            Action::Adopt | Action::Release | Action::Clear | Action::Drop => continue,
            Action::Create => "is missing".into(),
            Action::Delete => {
                let text = "belongs to this topology and is no longer declared".into();
                verdict.notes.push(Problem { target: step.target, text });
                continue;
            }
            Action::Migrate | Action::Revert if step.seen.is_none() => {
                let note = step.notes.first().map(String::as_str).unwrap_or_default();
                format!("is half migrated: {}", note.split_once(": ").map_or(note, |(_, how)| how))
            }
            Action::Migrate if matches!(step.work, Work::Migrate { part: Some(_), .. }) => {
                format!("is missing: it {}", step.notes.first().cloned().unwrap_or_default())
            }
            // It has another name now.
            Action::Migrate if fields.is_empty() => step.notes.first().cloned().unwrap_or_default(),
            _ => format!("differs in {}", fields.join(", ")),
        };
        verdict.problems.push(Problem { target: step.target, text });
    }
    for refusal in plan.refused {
        let target = refusal.target;
        let text = if verdict.unknown.contains(&target) {
            format!("is {}", refusal.reason)
        } else {
            format!("is not as declared: {}", refusal.reason)
        };
        verdict.problems.push(Problem { target, text });
    }
    verdict.held.sort();
    health::look(topology, observed, &mut verdict);
    routing(topology, observed, &mut verdict);
    verdict
}

/// Every declared subject goes to the stream that the file has for it, and to no other.
fn routing(topology: &Topology, observed: &Observed, verdict: &mut Verdict) {
    for (_, subject) in topology.published() {
        let text = subject.value.as_bytes();
        let known = |stream: &&Stream| !observed.silent.contains(&stream.name.value);
        for stream in topology.streams.iter().filter(known) {
            let declared =
                stream.config.subjects.iter().filter(|own| overlaps(own.as_bytes(), text));
            for own in declared {
                let holds = |name: &String| {
                    let there = observed.streams.get(name);
                    there.is_some_and(|there| {
                        let mut live = there.info.config.subjects.iter();
                        live.any(|live| contains(live.as_bytes(), own.as_bytes()))
                    })
                };
                if !holds(&stream.name.value) {
                    let text = format!("does not store `{}`, which is published", subject.value);
                    let target = Target::stream(&stream.name.value);
                    verdict.problems.push(Problem { target, text });
                }
            }
        }
    }
}
