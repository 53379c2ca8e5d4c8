//! Deleting something and making it again, so that it is never gone for good.
//!
//! First, while everything is still there: that the call is allowed (what is there is created once
//! more, which changes nothing), that the server takes the new definition (a stream is created under
//! another name, on subjects that nobody uses, and deleted), and that there is a complete backup. Then it
//! is looked at again, deleted, and created; what passes by itself is tried again, for ten seconds.
//! If the server still refuses, the old one is put back.

use serde_json::{Value as Json, json};

use super::decide::{is, unchanged};
use super::request::{self, Live, Look, Looked, plain};
use super::task::{CALLS_MAX, Cause, Event, PAUSE, PAUSES_MAX, Stop, Task};
use crate::call::{CallError, Request, answer};
use crate::observe::PROOF;
use crate::plan::{Step, Target, Work};

/// Prefix of the name under which a definition is proven.
const PROOF_NAME: &str = "watershed_proof_";

/// Longest name of a stream.
const NAME_MAX: usize = 255;

#[derive(Debug)]
pub(super) struct Recreation {
    old: Live,
    phase: Phase,
    calls: u32,
    pauses: u32,
}

#[derive(Debug)]
enum Phase {
    /// The old one is created once more.
    MayCreate,
    /// The new one is created under another name.
    Prove,
    /// And deleted there. Then the definition is proven, or was never tried.
    ClearProof {
        proven: bool,
    },
    BackUp,
    /// Is it still what was seen?
    Look(Look),
    Delete,
    /// Was it deleted? The answer was lost.
    LookWhetherGone(Look),
    Create,
    /// Was it created? The answer was lost.
    LookWhetherThere(Look),
    Wait,
    /// The old one is made again, because of this: a consumer behind what it had finished, or, where a
    /// work queue refuses that, as it was.
    PutBack {
        error: CallError,
        behind: bool,
    },
}

impl Recreation {
    pub(super) fn new(old: Live) -> Self {
        Self { old, phase: Phase::MayCreate, calls: 0, pauses: 0 }
    }

    pub(super) fn task(&self, step: &Step) -> Task {
        let target = &step.target;
        Task::Call(match &self.phase {
            Phase::MayCreate => request::create(target, &plain(&self.old.config)),
            Phase::Prove => proof(target, after(step)),
            Phase::ClearProof { .. } => request::delete(&Target::stream(&proof_name(target))),
            Phase::BackUp => return Task::BackUp(target.stream.clone()),
            Phase::Look(look) | Phase::LookWhetherGone(look) | Phase::LookWhetherThere(look) => {
                look.request(target)
            }
            Phase::Delete => request::delete(target),
            Phase::Create => request::create(target, after(step)),
            Phase::Wait => return Task::Pause(PAUSE),
            Phase::PutBack { .. } if target.consumer.is_none() => {
                return Task::PutBack(target.stream.clone());
            }
            Phase::PutBack { behind: true, .. } => request::create(target, &resumed(&self.old)),
            Phase::PutBack { behind: false, .. } => {
                request::create(target, &plain(&self.old.config))
            }
        })
    }

    /// Takes what came of its task. `None` when it is made again.
    pub(super) fn take(self, step: &Step, event: Event<'_>) -> Result<Option<Self>, Stop> {
        match event {
            Event::Answer(reply) => self.answered(step, reply),
            Event::Passed => self.then(Phase::Create),
            Event::BackedUp(Ok(())) => self.then(Phase::Look(Look::default())),
            Event::BackedUp(Err(why)) => Err(Cause::Backup(why).into()),
            Event::PutBack(done) => Err(self.put_back(done)),
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "what follows is said in one way")]
    fn then(mut self, phase: Phase) -> Result<Option<Self>, Stop> {
        self.phase = phase;
        Ok(Some(self))
    }

    fn answered(
        mut self,
        step: &Step,
        reply: Result<&[u8], CallError>,
    ) -> Result<Option<Self>, Stop> {
        let (Phase::Look(look) | Phase::LookWhetherGone(look) | Phase::LookWhetherThere(look)) =
            &mut self.phase
        else {
            return match reply.and_then(answer::<Json>) {
                Ok(_) => self.succeeded(step),
                Err(error) => self.failed(step, error),
            };
        };
        let live = match look.done(&step.target, true, reply)? {
            Looked::Open => return Ok(Some(self)),
            Looked::Absent => None,
            Looked::There(live) => Some(live),
        };
        match (&self.phase, live) {
            (Phase::Look(_), None) => Err(Cause::Changed("it is gone since".into()).into()),
            (Phase::Look(_), Some(live)) => {
                unchanged(step, &live)?;
                self.old = *live;
                self.then(Phase::Delete)
            }
            (Phase::LookWhetherGone(_), Some(_)) => self.then(Phase::Delete),
            (Phase::LookWhetherGone(_), None) => self.then(Phase::Create),
            (_, Some(live)) if is(step, &live, after(step)) => Ok(None),
            _ => self.then(Phase::Wait),
        }
    }

    fn succeeded(self, step: &Step) -> Result<Option<Self>, Stop> {
        let is_stream = step.target.consumer.is_none();
        match self.phase {
            Phase::MayCreate if is_stream => self.then(Phase::Prove),
            Phase::MayCreate => self.then(Phase::Look(Look::default())),
            Phase::Prove => self.then(Phase::ClearProof { proven: true }),
            Phase::ClearProof { proven: true } => self.then(Phase::BackUp),
            Phase::ClearProof { proven: false } => self.then(Phase::Prove),
            Phase::Delete => self.then(Phase::Create),
            Phase::Create => Ok(None),
            Phase::PutBack { .. } => Err(self.put_back(Ok(()))),
            _ => Ok(Some(self)),
        }
    }

    fn failed(mut self, step: &Step, error: CallError) -> Result<Option<Self>, Stop> {
        self.calls += 1;
        let again = error.is_lost() && self.calls < CALLS_MAX;
        match self.phase {
            // Whatever the server says, it let the call through.
            Phase::MayCreate if matches!(error, CallError::Refused(_)) => self.succeeded(step),
            // A user who may create streams of their names only. There is the backup.
            Phase::Prove if matches!(error, CallError::Denied(_)) => self.then(Phase::BackUp),
            // Left by a run that was cut off.
            Phase::Prove if error.meets_another() && self.calls < CALLS_MAX => {
                self.then(Phase::ClearProof { proven: false })
            }
            Phase::ClearProof { .. } if error.is_absence() => self.succeeded(step),
            Phase::ClearProof { proven } if again => self.then(Phase::ClearProof { proven }),
            Phase::ClearProof { .. } => Err(Stop {
                cause: error.into(),
                after: Some(format!("; the stream `{}` is left over", proof_name(&step.target))),
            }),
            Phase::Delete if error.is_absence() => self.then(Phase::Create),
            Phase::Delete if again => self.then(Phase::LookWhetherGone(Look::default())),
            Phase::Create
                if self.pauses < PAUSES_MAX && (error.passes() || error.follows_a_delete()) =>
            {
                self.pauses += 1;
                self.then(Phase::Wait)
            }
            Phase::Create if again => self.then(Phase::LookWhetherThere(Look::default())),
            Phase::Create => self.then(Phase::PutBack { error, behind: true }),
            Phase::PutBack { error: ref why, behind: true }
                if matches!(error, CallError::Refused(_)) =>
            {
                let error = why.clone();
                self.then(Phase::PutBack { error, behind: false })
            }
            Phase::PutBack { .. } => Err(self.put_back(Err(error.to_string()))),
            _ => Err(error.into()),
        }
    }

    /// How it ends when the new one could not be created.
    fn put_back(self, done: Result<(), String>) -> Stop {
        let Phase::PutBack { error, .. } = self.phase else {
            return Cause::Backup("it was not asked for".into()).into();
        };
        let after = match done {
            Ok(()) => "; the old one is back".to_owned(),
            Err(why) => format!(", which is gone now: the old one cannot be put back ({why})"),
        };
        Stop { cause: error.into(), after: Some(after) }
    }
}

fn after(step: &Step) -> &Json {
    match &step.work {
        Work::Recreate(after) => after,
        _ => &Json::Null,
    }
}

/// A consumer as it was, which goes on where it had finished.
fn resumed(old: &Live) -> Json {
    let mut config = plain(&old.config);
    if let Some(object) = config.as_object_mut() {
        object.remove("opt_start_time");
        object.insert("deliver_policy".into(), json!("by_start_sequence"));
        object.insert("opt_start_seq".into(), json!(old.resume));
    }
    config
}

fn proof_name(target: &Target) -> String {
    let mut name = format!("{PROOF_NAME}{}", target.stream);
    let end = (0..=NAME_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    name.truncate(end.unwrap_or_default());
    name
}

/// Creates a stream of that definition which nobody publishes to and which copies nothing.
fn proof(target: &Target, after: &Json) -> Request {
    let name = proof_name(target);
    let mut config = after.clone();
    if let Some(object) = config.as_object_mut() {
        for field in ["mirror", "mirror_direct", "sources", "subject_transform", "republish"] {
            object.remove(field);
        }
        object.insert("name".into(), json!(name));
        let count = object.get("subjects").and_then(Json::as_array).map_or(1, Vec::len).max(1);
        let subjects: Vec<String> =
            (0..count).map(|index| format!("_watershed.proof.{}.{index}", target.stream)).collect();
        object.insert("subjects".into(), json!(subjects));
        object.insert("metadata".into(), json!({PROOF: target.stream}));
    }
    request::create(&Target::stream(&name), &config)
}
