//! Carrying plans out.

use watershed_topology::apply::{Event, Halt, Run, Task};
use watershed_topology::plan::{Plan, Policy, Step};

use crate::backup::Backups;
use crate::client::Client;

impl Client {
    /// Runs the steps of a plan that `policy` allows and reports each one. Streams are backed up to `backups`
    /// before they are recreated.
    pub async fn apply(
        &self,
        plan: &Plan,
        policy: &Policy,
        backups: &Backups,
        mut done: impl FnMut(&Step),
    ) -> Result<usize, Box<Halt>> {
        let mut run = Run::new(plan, policy);
        while let Some(task) = run.next() {
            let step = match task {
                Task::Call(request) => {
                    let reply = self.call(&request).await;
                    run.done(Event::Answer(reply.as_deref().map_err(Clone::clone)))?
                }
                Task::Pause(time) => {
                    tokio::time::sleep(time).await;
                    run.done(Event::Passed)?
                }
                Task::BackUp(stream) => {
                    let made = backups.make(self, &stream).await;
                    run.done(Event::BackedUp(made.map(drop).map_err(|error| chain(&error))))?
                }
                Task::PutBack(stream) => {
                    let done = backups.put_back(self, &stream).await;
                    run.done(Event::PutBack(done.map_err(|error| chain(&error))))?
                }
            };
            if let Some(step) = step {
                done(step);
            }
        }
        Ok(run.steps().len())
    }
}

/// An error and what it comes from, in a line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
