//! Whether a topology holds on a live server, without touching anything.

use watershed_wire::subject::{contains, overlaps};

use crate::model::{Stream, Topology};
use crate::observe::Observed;
use crate::plan::{Action, Target, plan};

/// What is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is about.
    pub target: Target,
    /// What is wrong, in a sentence.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.target.kind(), self.target, self.text)
    }
}

/// What a look at the server gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Streams and consumers that are as declared.
    pub held: Vec<Target>,
    /// What is not, or is not known.
    pub problems: Vec<Problem>,
    /// Streams and consumers among them that did not answer, so that nothing is known.
    pub unknown: Vec<Target>,
    /// What is worth knowing.
    pub notes: Vec<Problem>,
}

impl Verdict {
    /// Whether something is otherwise than declared, rather than not known.
    pub fn differs(&self) -> bool {
        self.problems.iter().any(|problem| !self.unknown.contains(&problem.target))
    }
}

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
            Action::Adopt => continue,
            Action::Create => "is missing".into(),
            Action::Delete => {
                let text = "belongs to this topology and is no longer declared".into();
                verdict.notes.push(Problem { target: step.target, text });
                continue;
            }
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
    health(topology, observed, &mut verdict);
    routing(topology, observed, &mut verdict);
    verdict
}

fn health(topology: &Topology, observed: &Observed, verdict: &mut Verdict) {
    for stream in &topology.streams {
        let Some(there) = observed.streams.get(&stream.name.value) else { continue };
        let target = || Target::stream(&stream.name.value);
        if there.info.cluster.as_ref().is_some_and(|cluster| cluster.leader.is_empty()) {
            let text = "is without a leader".into();
            verdict.problems.push(Problem { target: target(), text });
        }
        for source in there.info.mirror.iter().chain(&there.info.sources) {
            if let Some(error) = &source.error {
                let text = format!("does not follow `{}`: {error}", source.name);
                verdict.problems.push(Problem { target: target(), text });
            } else if source.lag > 0 {
                let text = format!("is {} messages behind `{}`", source.lag, source.name);
                verdict.notes.push(Problem { target: target(), text });
            }
        }
    }
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
