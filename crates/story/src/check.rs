//! Whether a topology has what its stories name.

use watershed_topology::Topology;
use watershed_topology::diagnostic::{Diagnostic, Severity};
use watershed_topology::model::ConsumerName;
use watershed_topology::schema::nearest;
use watershed_topology::source::{Span, Spanned};

use crate::expect::stream_of;
use crate::story::{Step, Stories, What};

/// Names in stories that the topology does not have.
pub fn check(stories: &Stories, topology: &Topology) -> Vec<Diagnostic> {
    let mut checker = Checker { topology, found: Vec::new() };
    for step in stories.stories.iter().flat_map(|story| &story.steps) {
        match step {
            Step::Publish(publish) => {
                if let Some(user) = &publish.user {
                    checker.user(user);
                }
            }
            Step::Worker { consumer, .. } | Step::Stop { consumer } => checker.consumer(consumer),
            Step::Purge { stream, .. } => checker.stream(stream),
            Step::Expect { facts } => {
                for fact in facts {
                    match &fact.what {
                        What::Messages(stream) => checker.stream(stream),
                        What::Delivered(name) | What::Done(name) | What::Unprocessed(name) => {
                            checker.consumer(name);
                        }
                        What::Dead(name) => checker.dead(name),
                    }
                }
            }
            Step::Advance { .. } | Step::Restart => {}
        }
    }
    checker.found
}

struct Checker<'t> {
    topology: &'t Topology,
    found: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn unknown(&mut self, span: Span, what: &str, name: &str, known: &[String]) {
        let message = format!("unknown {what} `{name}`");
        let found = Diagnostic::new("F004", Severity::Error, span, message);
        let meant = nearest(name, known.iter().map(String::as_str));
        self.found.push(match meant {
            Some(meant) => found.fix(format!("did you mean `{meant}`?")),
            None if known.is_empty() => found.note(format!("the topology is without {what}s")),
            None => found.note(format!("the topology has {}", known.join(", "))),
        });
    }

    fn user(&mut self, user: &Spanned<String>) {
        let names = self.topology.users.iter().map(|one| one.name.value.clone());
        let names: Vec<String> = names.collect();
        if !names.contains(&user.value) {
            self.unknown(user.span, "user", &user.value, &names);
        }
    }

    fn stream(&mut self, name: &Spanned<String>) {
        if stream_of(self.topology, &name.value).is_none() {
            let names = self.topology.streams.iter().map(|stream| stream.name.value.clone());
            self.unknown(name.span, "stream", &name.value, &names.collect::<Vec<_>>());
        }
    }

    fn consumer(&mut self, name: &Spanned<ConsumerName>) {
        if self.topology.consumer(&name.value).is_none() {
            let names = self.topology.consumers();
            let names = names
                .map(|(stream, consumer)| format!("{}/{}", stream.name.value, consumer.name.value));
            self.unknown(
                name.span,
                "consumer",
                &name.value.to_string(),
                &names.collect::<Vec<_>>(),
            );
        }
    }

    fn dead(&mut self, name: &Spanned<ConsumerName>) {
        match self.topology.consumer(&name.value) {
            None => self.consumer(name),
            Some((_, consumer)) if consumer.dead_letter.is_none() => {
                let message =
                    format!("`{}` is without a `dead_letter`: nothing is kept", name.value);
                self.found.push(Diagnostic::new("F004", Severity::Error, name.span, message));
            }
            Some(_) => {}
        }
    }
}
