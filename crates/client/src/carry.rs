//! Carrying plans out.

use watershed_topology::apply::{Event, Halt, Run, Task};
use watershed_topology::plan::{Plan, Policy, Step};

use crate::backup::Backups;
use crate::client::Client;

/// What there is to tell of a run.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// A step is done.
    Done(&'a Step),
    /// What a step does just now; it may take a while.
    Doing(&'a Step, &'a str),
    /// Whether others do without a stream from now on, until this goes on: see [`Run::is_between`].
    Between(bool),
}

impl Client {
    /// Runs the steps of a plan that `policy` allows and tells of it. Streams are backed up to `backups`
    /// before they are recreated.
    pub async fn apply(
        &self,
        plan: &Plan,
        policy: &Policy,
        backups: &Backups,
        mut tell: impl FnMut(News<'_>),
    ) -> Result<usize, Box<Halt>> {
        let mut run = Run::new(plan, policy);
        let mut between = false;
        while let Some(task) = run.next() {
            if run.is_between() != between {
                between = !between;
                tell(News::Between(between));
            }
            if let Some((step, doing)) = run.says() {
                tell(News::Doing(step, doing));
            }
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
                Task::Compare(comparison) => {
                    run.done(Event::Compared(self.compare(&comparison).await))?
                }
                Task::Ids(ids) => run.done(Event::Ids(self.repeated_id(&ids).await))?,
                Task::PutBack(stream) => {
                    let done = backups.put_back(self, &stream).await;
                    run.done(Event::PutBack(done.map_err(|error| chain(&error))))?
                }
            };
            if let Some(step) = step {
                tell(News::Done(step));
            }
        }
        if between {
            tell(News::Between(false));
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
