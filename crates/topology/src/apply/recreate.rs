//! Deleting something and making it again, so that it is never gone for good.
//!
//! First, while everything is still there: that the call is allowed (one that says nothing is
//! refused by the server, and not by a permission), that the server takes the new definition (a stream is created under
//! another name, on subjects that nobody uses, and deleted), and that there is a complete backup. Then it
//! is looked at again, deleted, and created; what passes by itself is tried again, for ten seconds.
//! If the server still refuses, the old one is put back.

use serde_json::{Value as Json, json};
use watershed_wire::jetstream::call::Call;

use super::decide::{is, unchanged};
use super::request::{self, Live, Look, Looked, resumed};
use super::task::{CALLS_MAX, Cause, Event, LOOKS_MAX, PAUSE, PAUSES_MAX, Stop, Task};
use crate::call::{CallError, Request, answer};
use crate::observe::{PROOF, plain};
use crate::plan::{Step, Target};

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
    /// Is the call to create it allowed?
    MayCreate,
    /// The new one is created under another name, `beside` the old one or as it fits when that is gone.
    Prove {
        beside: bool,
    },
    /// Something has that name. Is it a proof, left by a run that was cut off?
    LookAtProof {
        beside: bool,
        met: CallError,
    },
    /// The proof is deleted. Then the definition is proven, or is tried again.
    ClearProof {
        beside: bool,
        proven: bool,
    },
    BackUp,
    /// Is it still what was seen?
    Look(Look),
    /// It could not be backed up. Did somebody else make it again?
    LookUnsaved(Look, String),
    Delete,
    /// Was it deleted? The answer was lost.
    LookWhetherGone(Look),
    Create,
    /// Was it created? The answer was lost.
    LookWhetherThere(Look),
    /// A while, and then this.
    Wait(Box<Self>),
    /// It could not be created, because of this. Or was it, by somebody else?
    LookInstead(Look, CallError),
    /// The old one is made again, because of this: a consumer behind what it had finished, or, where a
    /// work queue refuses that, as it was.
    PutBack {
        error: CallError,
        behind: bool,
    },
}

impl Phase {
    /// The look that is under way, if one is.
    fn look(&mut self) -> Option<&mut Look> {
        match self {
            Self::Look(look)
            | Self::LookUnsaved(look, _)
            | Self::LookWhetherGone(look)
            | Self::LookWhetherThere(look)
            | Self::LookInstead(look, _) => Some(look),
            _ => None,
        }
    }

    /// Whether what is made again may be gone.
    fn is_between(&self) -> bool {
        match self {
            Self::Delete
            | Self::LookWhetherGone(_)
            | Self::Create
            | Self::LookWhetherThere(_)
            | Self::LookInstead(..)
            | Self::PutBack { .. } => true,
            Self::Wait(next) => next.is_between(),
            _ => false,
        }
    }
}

impl Recreation {
    pub(super) fn new(old: Live) -> Self {
        Self { old, phase: Phase::MayCreate, calls: 0, pauses: 0 }
    }

    /// Whether it may be gone until this goes on.
    pub(super) fn is_between(&self) -> bool {
        self.phase.is_between()
    }

    pub(super) fn task(&self, step: &Step) -> Task {
        let target = &step.target;
        Task::Call(match &self.phase {
            // Without a body: it is refused, and changes nothing whatever happens meanwhile.
            Phase::MayCreate => {
                Request { body: Vec::new(), ..request::create(target, &plain(&self.old.config)) }
            }
            Phase::Prove { beside: true } => proof(target, after(step)),
            Phase::Prove { beside: false } => proof(target, &fitting(step, &self.old)),
            Phase::LookAtProof { .. } => Request::bare(Call::StreamInfo(&proof_name(target))),
            Phase::ClearProof { .. } => request::delete(&Target::stream(&proof_name(target))),
            Phase::BackUp => return Task::BackUp(target.stream.clone()),
            Phase::Look(look)
            | Phase::LookUnsaved(look, _)
            | Phase::LookWhetherGone(look)
            | Phase::LookWhetherThere(look)
            | Phase::LookInstead(look, _) => look.request(target),
            Phase::Delete => request::delete(target),
            Phase::Create => request::create(target, after(step)),
            Phase::Wait(_) => return Task::Pause(PAUSE),
            Phase::PutBack { .. } if target.consumer.is_none() => {
                return Task::PutBack(target.stream.clone());
            }
            Phase::PutBack { behind: true, .. } => {
                request::create(target, &resumed(&self.old.config, self.old.resume))
            }
            Phase::PutBack { behind: false, .. } => {
                request::create(target, &plain(&self.old.config))
            }
        })
    }

    /// Takes what came of its task. `None` when it is made again.
    pub(super) fn take(self, step: &Step, event: Event<'_>) -> Result<Option<Self>, Stop> {
        match event {
            Event::Answer(reply) => self.answered(step, reply),
            Event::Passed => match self.phase {
                Phase::Wait(next) => Ok(Some(Self { phase: *next, ..self })),
                _ => Ok(Some(self)),
            },
            Event::BackedUp(Ok(())) => self.then(Phase::Look(Look::whole(&step.target))),
            Event::BackedUp(Err(why)) => self.then(Phase::LookUnsaved(Look::default(), why)),
            Event::PutBack(done) => Err(self.put_back(done)),
            // Nothing was to be compared, or to be looked for.
            Event::Compared(_) | Event::Ids(_) => Ok(Some(self)),
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "what follows is said in one way")]
    fn then(mut self, phase: Phase) -> Result<Option<Self>, Stop> {
        self.phase = phase;
        Ok(Some(self))
    }

    /// `phase`, after a while; `None` if that was often enough.
    fn later(mut self, phase: Phase) -> Option<Self> {
        if self.pauses >= PAUSES_MAX {
            return None;
        }
        self.pauses += 1;
        self.phase = Phase::Wait(Box::new(phase));
        Some(self)
    }

    fn answered(
        mut self,
        step: &Step,
        reply: Result<&[u8], CallError>,
    ) -> Result<Option<Self>, Stop> {
        let Some(look) = self.phase.look() else {
            return match reply.and_then(answer::<Json>) {
                Ok(json) => self.succeeded(step, &json),
                Err(error) => self.failed(step, error),
            };
        };
        let live = match look.done(&step.target, reply) {
            Ok(Looked::Open) => return Ok(Some(self)),
            Ok(Looked::Absent) => None,
            Ok(Looked::There(live)) => Some(live),
            Err(error) => return self.unseen(step, error),
        };
        let made = live.as_ref().is_some_and(|live| is(step, live, after(step)));
        match (self.phase, live) {
            // By another run of the same plan.
            (_, Some(_)) if made => Ok(None),
            // Another run may be making it again right now.
            (Phase::LookUnsaved(_, why), None) if self.pauses < LOOKS_MAX => {
                let phase = Box::new(Phase::LookUnsaved(Look::default(), why));
                Ok(Some(Self { phase: Phase::Wait(phase), pauses: self.pauses + 1, ..self }))
            }
            (Phase::Look(_), None) if self.pauses < LOOKS_MAX => {
                let phase = Box::new(Phase::Look(Look::whole(&step.target)));
                Ok(Some(Self { phase: Phase::Wait(phase), pauses: self.pauses + 1, ..self }))
            }
            (Phase::LookUnsaved(_, why), _) => Err(Cause::Backup(why).into()),
            (Phase::Look(_), None) => Err(Cause::Changed("it is gone since".into()).into()),
            (Phase::Look(_), Some(live)) => {
                unchanged(step, &live)?;
                Ok(Some(Self { old: *live, phase: Phase::Delete, ..self }))
            }
            (Phase::LookWhetherGone(_), Some(live)) => {
                unchanged(step, &live)?;
                Ok(Some(Self { phase: Phase::Delete, ..self }))
            }
            (Phase::LookWhetherGone(_), None) => Ok(Some(Self { phase: Phase::Create, ..self })),
            (Phase::LookInstead(_, error), None) => {
                Ok(Some(Self { phase: Phase::PutBack { error, behind: true }, ..self }))
            }
            // Somebody else's is there: it is not ours to replace.
            (Phase::LookInstead(_, error), Some(_)) => Err(Stop {
                cause: error.into(),
                after: Some("; another one is there in its place".into()),
            }),
            (phase, _) => Ok(Some(Self { phase, ..self }.create_later(None))),
        }
    }

    /// A look that failed. Before anything went, that is the end; later it is tried again.
    fn unseen(mut self, step: &Step, error: CallError) -> Result<Option<Self>, Stop> {
        let phase = std::mem::replace(&mut self.phase, Phase::MayCreate);
        match phase {
            Phase::LookWhetherGone(_) | Phase::LookWhetherThere(_) if error.is_unavailable() => {
                let gone = matches!(phase, Phase::LookWhetherGone(_));
                let again = if gone {
                    Phase::LookWhetherGone(Look::whole(&step.target))
                } else {
                    Phase::LookWhetherThere(Look::default())
                };
                self.later(again).map(Some).ok_or_else(|| Stop {
                    cause: error.into(),
                    after: Some(", which may be gone now".into()),
                })
            }
            // Whoever puts it back looks, too.
            Phase::LookInstead(_, error) => {
                Ok(Some(Self { phase: Phase::PutBack { error, behind: true }, ..self }))
            }
            Phase::LookWhetherThere(_) => {
                Ok(Some(Self { phase: Phase::PutBack { error, behind: true }, ..self }))
            }
            _ => Err(error.into()),
        }
    }

    /// Creates it after a while, or gives up, because of an error if there was one.
    fn create_later(self, error: Option<CallError>) -> Self {
        let (old, calls, pauses) = (self.old.clone(), self.calls, self.pauses);
        self.later(Phase::Create).unwrap_or_else(|| {
            let error = error.unwrap_or(CallError::NoJetStream);
            Self { old, phase: Phase::LookInstead(Look::default(), error), calls, pauses }
        })
    }

    fn succeeded(self, step: &Step, json: &Json) -> Result<Option<Self>, Stop> {
        let is_stream = step.target.consumer.is_none();
        match self.phase {
            Phase::MayCreate if is_stream => self.then(Phase::Prove { beside: true }),
            Phase::MayCreate => self.then(Phase::Look(Look::whole(&step.target))),
            Phase::Prove { beside } => self.then(Phase::ClearProof { beside, proven: true }),
            Phase::LookAtProof { beside, .. } if is_proof(json) => {
                self.then(Phase::ClearProof { beside, proven: false })
            }
            Phase::LookAtProof { met, .. } => Err(Stop {
                cause: met.into(),
                after: Some(format!(
                    ": the stream `{}`, under which its definition would be tried, is somebody else's",
                    proof_name(&step.target)
                )),
            }),
            Phase::ClearProof { proven: true, .. } => self.then(Phase::BackUp),
            Phase::ClearProof { beside, .. } => self.then(Phase::Prove { beside }),
            Phase::Delete => self.then(Phase::Create),
            Phase::Create => Ok(None),
            Phase::PutBack { .. } => Err(self.put_back(Ok(()))),
            _ => Ok(Some(self)),
        }
    }

    fn failed(mut self, step: &Step, error: CallError) -> Result<Option<Self>, Stop> {
        self.calls += 1;
        let again = error.is_lost() && self.calls < CALLS_MAX;
        let left = |word: &str| {
            Some(format!("; the stream `{}` {word} left over", proof_name(&step.target)))
        };
        match self.phase {
            // Whatever the server says, it let the call through.
            Phase::MayCreate if matches!(error, CallError::Refused(_)) => {
                self.succeeded(step, &Json::Null)
            }
            // A user who may create streams of their names only. There is the backup.
            Phase::Prove { .. } if matches!(error, CallError::Denied(_)) => {
                self.then(Phase::BackUp)
            }
            // As many streams as may be: one will go before the other comes.
            Phase::Prove { .. } if error.is_one_stream_too_many() => self.then(Phase::BackUp),
            Phase::Prove { beside: true } if error.is_want_of_room() && frees(step, &self.old) => {
                self.then(Phase::Prove { beside: false })
            }
            Phase::Prove { beside } if error.meets_another() && self.calls < CALLS_MAX => {
                self.then(Phase::LookAtProof { beside, met: error })
            }
            Phase::Prove { beside } if again => {
                self.then(Phase::ClearProof { beside, proven: false })
            }
            Phase::Prove { .. } if error.is_lost() => {
                Err(Stop { cause: error.into(), after: left("may be") })
            }
            Phase::LookAtProof { beside, .. } if error.is_absence() => {
                self.then(Phase::Prove { beside })
            }
            Phase::ClearProof { .. } if error.is_absence() => self.succeeded(step, &Json::Null),
            Phase::ClearProof { beside, proven } if again => {
                self.then(Phase::ClearProof { beside, proven })
            }
            Phase::ClearProof { .. } => Err(Stop { cause: error.into(), after: left("is") }),
            Phase::Delete if error.is_absence() => self.then(Phase::Create),
            Phase::Delete if error.is_lost() => {
                self.then(Phase::LookWhetherGone(Look::whole(&step.target)))
            }
            Phase::Create if error.is_lost() => self.then(Phase::LookWhetherThere(Look::default())),
            Phase::Create if error.passes() || error.follows_a_delete() => {
                Ok(Some(self.create_later(Some(error))))
            }
            Phase::Create => self.then(Phase::LookInstead(Look::default(), error)),
            Phase::PutBack { error, behind } if again => {
                Ok(Some(Self { phase: Phase::PutBack { error, behind }, ..self }))
            }
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

/// Whether the stream of an answer is a proof.
fn is_proof(info: &Json) -> bool {
    info.pointer("/config/metadata").is_some_and(|metadata| metadata.get(PROOF).is_some())
}

/// Room that a stream has set aside where the new one is to be.
fn set_aside(step: &Step, old: &Live) -> i64 {
    let storage = |config: &Json| config.get("storage").cloned().unwrap_or(json!("file"));
    if storage(&old.config) != storage(after(step)) {
        return 0;
    }
    old.config.get("max_bytes").and_then(Json::as_i64).unwrap_or_default().max(0)
}

/// Whether there is more room when the old one is gone.
fn frees(step: &Step, old: &Live) -> bool {
    set_aside(step, old) > 0
        && after(step).get("max_bytes").and_then(Json::as_i64).is_some_and(|bytes| bytes > 0)
}

/// The new definition with the room that it needs more than the old one has set aside.
fn fitting(step: &Step, old: &Live) -> Json {
    let mut config = after(step).clone();
    let bytes = config.get("max_bytes").and_then(Json::as_i64).unwrap_or_default();
    if let Some(object) = config.as_object_mut() {
        object.insert("max_bytes".into(), json!((bytes - set_aside(step, old)).max(1)));
    }
    config
}

fn after(step: &Step) -> &Json {
    step.work.after().unwrap_or(&Json::Null)
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
