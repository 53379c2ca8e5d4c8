//! Carrying a plan out: which call is next, and whether to go on.

use thiserror::Error;

use crate::call::{CallError, Request, answer};
use crate::plan::{Action, Plan, Policy, Step, Target};

/// A plan on its way. [`next`](Self::next) says what to send, [`done`](Self::done) takes the
/// answer; the first surprise ends it.
#[derive(Debug)]
pub struct Run {
    steps: Vec<Step>,
    step: usize,
    request: usize,
}

/// Why a run ended before its time.
#[derive(Debug, Error)]
#[error("cannot {action} {kind} `{target}`")]
pub struct Halt {
    /// What was to be done.
    pub action: &'static str,
    /// To a stream or a consumer.
    pub kind: &'static str,
    /// Which one.
    pub target: Target,
    /// How many steps were done before.
    pub done: usize,
    /// What happened.
    pub source: CallError,
}

impl Run {
    /// The steps of `plan` that `policy` allows, without those that need one that it does not.
    pub fn new(plan: &Plan, policy: &Policy) -> Self {
        // The consumers of a stream that would be made again are planned for the new one.
        let waits = |step: &Step| {
            let stream = Target::stream(&step.target.stream);
            let needed = |other: &&Step| {
                other.target == stream && other.action == Action::Recreate && !policy.allows(other)
            };
            step.target != stream && plan.steps.iter().any(|other| needed(&other))
        };
        let allowed = plan.steps.iter().filter(|step| policy.allows(step) && !waits(step));
        let steps = allowed.cloned().collect();
        Self { steps, step: 0, request: 0 }
    }

    /// Steps in all.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step and the call that come next; `None` when all is done.
    pub fn next(&self) -> Option<(&Step, &Request)> {
        let step = self.steps.get(self.step)?;
        Some((step, step.requests.get(self.request)?))
    }

    /// Takes the answer to the last [`next`](Self::next). The step that is complete by it, if any.
    pub fn done(&mut self, reply: Result<&[u8], CallError>) -> Result<Option<&Step>, Halt> {
        let Some(step) = self.steps.get(self.step) else { return Ok(None) };
        let read = reply.and_then(answer::<serde_json::Value>);
        if let Err(source) = read {
            return Err(Halt {
                action: step.action.word(),
                kind: step.target.kind(),
                target: step.target.clone(),
                done: self.step,
                source,
            });
        }
        self.request += 1;
        if self.request < step.requests.len() {
            return Ok(None);
        }
        self.request = 0;
        self.step += 1;
        Ok(self.steps.get(self.step - 1))
    }
}
