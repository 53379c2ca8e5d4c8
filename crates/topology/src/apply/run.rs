//! A plan on its way, step by step.

use std::time::Duration;

use serde_json::Value as Json;

use super::decide::{Decision, decide};
use super::migrate::Migration;
use super::recreate::Recreation;
use super::replace::Replacement;
use super::request::{self, Look, Looked};
use super::task::{CALLS_MAX, Event, Halt, LOOKS_MAX, PAUSE, PAUSES_MAX, Stop, Task};
use crate::call::{CallError, Request, answer};
use crate::plan::{Action, Plan, Policy, Step, Target, Work};

/// A plan on its way. [`next`](Self::next) says what to do, [`done`](Self::done) takes what came of it;
/// the first surprise ends it.
#[derive(Debug)]
pub struct Run {
    steps: Vec<Step>,
    step: usize,
    course: Course,
    drain: Duration,
}

/// Where a step is.
#[derive(Debug)]
enum Course {
    /// The asset is looked at.
    Look { look: Look, calls: u32, looks: u32 },
    /// The same, later: another run may be making it again.
    LookLater { looks: u32 },
    /// What was decided is called for.
    Act { request: Request, calls: u32, pauses: u32 },
    /// The same, later.
    Pause { request: Request, calls: u32, pauses: u32 },
    /// It is made again.
    Recreate(Recreation),
    /// The stream is moved to what it is to be.
    Migrate(Box<Migration>),
    /// The consumer is replaced by one that goes on where it was.
    Replace(Box<Replacement>),
}

/// What follows from an event.
enum Next {
    Course(Box<Course>),
    /// The step is done.
    Done,
}

impl From<Course> for Next {
    fn from(course: Course) -> Self {
        Self::Course(Box::new(course))
    }
}

impl Run {
    /// The steps of `plan` that `policy` allows, without those that need one that it does not.
    pub fn new(plan: &Plan, policy: &Policy) -> Self {
        let allowed = plan.steps.iter().filter(|step| policy.allows(step));
        let steps: Vec<Step> = allowed.filter(|step| !waits(plan, policy, step)).cloned().collect();
        let drain = policy.drain;
        let course = Course::first(steps.first(), drain);
        Self { steps, step: 0, course, drain }
    }

    /// What the step that is on its way does just now, if it takes long enough to say so.
    pub fn says(&self) -> Option<(&Step, &str)> {
        let step = self.steps.get(self.step)?;
        match &self.course {
            Course::Migrate(migration) => Some((step, migration.says()?)),
            Course::Replace(replacement) => Some((step, replacement.says()?)),
            _ => None,
        }
    }

    /// Whether others do without a stream or consumer until this goes on: it was deleted to be made again, or its
    /// publishers are on their way to another stream. Then this is no moment to stop.
    pub fn is_between(&self) -> bool {
        match &self.course {
            Course::Recreate(recreation) => recreation.is_between(),
            Course::Migrate(migration) => migration.is_between(),
            _ => false,
        }
    }

    /// Steps in all.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What is to be done next; `None` when all is.
    pub fn next(&self) -> Option<Task> {
        let step = self.steps.get(self.step)?;
        Some(match &self.course {
            Course::Look { look, .. } => Task::Call(look.request(&step.target)),
            Course::Act { request, .. } => Task::Call(request.clone()),
            Course::Pause { .. } | Course::LookLater { .. } => Task::Pause(PAUSE),
            Course::Recreate(recreation) => recreation.task(step),
            Course::Migrate(migration) => migration.task(step),
            Course::Replace(replacement) => replacement.task(step),
        })
    }

    /// Takes what came of the last [`next`](Self::next). The step that is complete by it, if any.
    pub fn done(&mut self, event: Event<'_>) -> Result<Option<&Step>, Box<Halt>> {
        let Some(step) = self.steps.get(self.step) else { return Ok(None) };
        let course = std::mem::replace(&mut self.course, Course::first(None, self.drain));
        let next = course.take(step, event).map_err(|stop| {
            Box::new(Halt {
                action: step.action.verb(),
                kind: step.target.kind(),
                target: step.target.clone(),
                done: self.step,
                after: stop.after,
                source: stop.cause,
            })
        })?;
        match next {
            Next::Course(course) => {
                self.course = *course;
                Ok(None)
            }
            Next::Done => {
                self.step += 1;
                self.course = Course::first(self.steps.get(self.step), self.drain);
                Ok(self.steps.get(self.step - 1))
            }
        }
    }
}

/// Whether a step is left out: the consumers of a stream that would be made again are planned for the
/// new one, and those of one that is migrated go along with it first.
fn waits(plan: &Plan, policy: &Policy, step: &Step) -> bool {
    let stream = Target::stream(&step.target.stream);
    let first = |other: &&Step| match other.action {
        Action::Recreate => !policy.allows(other),
        Action::Migrate | Action::Revert => true,
        _ => false,
    };
    let mut others = plan.steps.iter().filter(|other| other.target == stream);
    step.target != stream && others.any(|other| first(&other))
}

impl Course {
    /// How a step begins. What is to be created is most often not there.
    fn first(step: Option<&Step>, drain: Duration) -> Self {
        match step {
            Some(step @ Step { work: Work::Migrate { .. } | Work::Back { .. }, .. }) => {
                Self::Migrate(Box::new(Migration::new(step, drain)))
            }
            Some(Step { work: Work::Replace { .. }, .. }) => {
                Self::Replace(Box::new(Replacement::new(drain)))
            }
            Some(Step { target, work: Work::Create(after), .. }) => {
                Self::Act { request: request::create(target, after), calls: 0, pauses: 0 }
            }
            Some(step) => Self::Look { look: look_at(step), calls: 0, looks: 0 },
            None => Self::Look { look: Look::default(), calls: 0, looks: 0 },
        }
    }

    fn take(self, step: &Step, event: Event<'_>) -> Result<Next, Stop> {
        match (self, event) {
            (Self::Recreate(recreation), event) => Ok(match recreation.take(step, event)? {
                None => Next::Done,
                Some(recreation) => Self::Recreate(recreation).into(),
            }),
            (Self::Replace(replacement), event) => Ok(match replacement.take(step, event)? {
                None => Next::Done,
                Some(replacement) => Self::Replace(Box::new(replacement)).into(),
            }),
            (Self::Migrate(migration), event) => Ok(match migration.take(step, event)? {
                None => Next::Done,
                Some(migration) => Self::Migrate(Box::new(migration)).into(),
            }),
            (Self::Look { look, calls, looks }, Event::Answer(reply)) => {
                looked(step, look, calls, looks, reply)
            }
            (Self::LookLater { looks }, Event::Passed) => {
                Ok(Self::Look { look: look_at(step), calls: 0, looks }.into())
            }
            (Self::Act { request, calls, pauses }, Event::Answer(reply)) => {
                match reply.and_then(answer::<Json>) {
                    Ok(_) => Ok(Next::Done),
                    Err(error) => acted(step, error, request, calls, pauses),
                }
            }
            (Self::Pause { request, calls, pauses }, Event::Passed) => {
                Ok(Self::Act { request, calls, pauses }.into())
            }
            // What was not asked for changes nothing.
            (course, _) => Ok(course.into()),
        }
    }
}

/// The look at a step's asset.
fn look_at(step: &Step) -> Look {
    match step.work {
        Work::Delete | Work::Drop(_) | Work::Recreate(_) => Look::whole(&step.target),
        _ => Look::default(),
    }
}

/// What the look at an asset leads to.
fn looked(
    step: &Step,
    mut look: Look,
    calls: u32,
    looks: u32,
    reply: Result<&[u8], CallError>,
) -> Result<Next, Stop> {
    let live = match look.done(&step.target, reply)? {
        Looked::Open => return Ok(Course::Look { look, calls, looks }.into()),
        Looked::Absent if matches!(step.work, Work::Recreate(_)) && looks < LOOKS_MAX => {
            return Ok(Course::LookLater { looks: looks + 1 }.into());
        }
        Looked::Absent => None,
        Looked::There(live) => Some(live),
    };
    Ok(match decide(step, live.as_deref())? {
        Decision::Nothing => Next::Done,
        Decision::Call(request) => Course::Act { request, calls, pauses: 0 }.into(),
        Decision::Recreate(live) => Course::Recreate(Recreation::new(*live)).into(),
    })
}

/// What a refused or lost call leads to.
fn acted(
    step: &Step,
    error: CallError,
    request: Request,
    calls: u32,
    pauses: u32,
) -> Result<Next, Stop> {
    let calls = calls + 1;
    if error.passes() && pauses < PAUSES_MAX {
        return Ok(Course::Pause { request, calls: 0, pauses: pauses + 1 }.into());
    }
    if (error.is_lost() || error.meets_another()) && calls < CALLS_MAX {
        return Ok(Course::Look { look: look_at(step), calls, looks: 0 }.into());
    }
    Err(error.into())
}
