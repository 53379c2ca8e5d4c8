//! One run at a time: a lock that stands in the account itself, so that everybody who changes it sees it.
//!
//! It is a key of a bucket of ours. Who holds it wrote that key's last message, by a publish that says which message
//! must be the last one there (`Nats-Expected-Last-Subject-Sequence`), and writes it again as long as
//! the run takes. Who finds somebody else's waits. If it was not written again for a whole lease, or the
//! process that wrote it is known to be gone, it is taken over in the same way, so that only one of
//! several can. No clocks are compared: a lease is over when who waits has waited for so long.
//!
//! The lock keeps two different plans from being carried out in turns. It is not what keeps messages safe:
//! each step looks again at what it changes, lock or no lock, so a user who may not make the bucket
//! goes on without.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use watershed_wire::jetstream::ApiError;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::error::table;
use watershed_wire::jetstream::message::StoredMessage;

use crate::call::{CallError, Request, answer};

/// The bucket's stream.
pub const STREAM: &str = "KV_watershed";

/// The key.
const SUBJECT: &str = "$KV.watershed.apply";

/// Most bytes of the bucket where the account demands that this is said.
const BYTES: i64 = 65_536;

/// Time after which a lock that was not written again may be taken over.
pub const LEASE: Duration = Duration::from_secs(10);

/// Time after which it is written again.
pub const RENEWAL: Duration = Duration::from_secs(3);

/// Time between two looks at somebody else's lock.
const LOOK: Duration = Duration::from_millis(500);

/// How often somebody else's lock must have been the same to be over.
const LOOKS_OF_A_LEASE: u32 = 20;

/// How often a call is made whose answer was lost, or whose answer makes no sense.
const TRIES_MAX: u32 = 3;

/// Who holds a lock, as it is written into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Names the run; nobody else's is the same.
    pub run: String,
    /// What it changes: a topology, or assets by name.
    pub topology: String,
    /// Person and machine.
    #[serde(default)]
    pub by: String,
    /// When it began, RFC 3339.
    #[serde(default)]
    pub since: String,
    /// Names the process among those that can see each other, if that can be said.
    #[serde(default)]
    pub process: Option<String>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is being applied", self.topology)?;
        if !self.by.is_empty() {
            write!(f, " by {}", self.by)?;
        }
        if !self.since.is_empty() {
            write!(f, " since {}", self.since)?;
        }
        Ok(())
    }
}

/// What a lock wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Send this, and wait for the answer: [`Event::Answer`].
    Call(Request),
    /// Publish this with the headers of [`expectations`], and wait for the acknowledgement: [`Event::Answer`].
    Put {
        /// Subject and payload.
        message: Request,
        /// Sequence of the last one of its subject.
        last: u64,
    },
    /// Find out whether the process that wrote this is gone for sure: [`Event::Gone`].
    Find(Holder),
    /// Let this time pass: [`Event::Passed`].
    Pause(Duration),
}

/// What came of a [`Task`].
#[derive(Debug)]
pub enum Event<'a> {
    /// The answer to a call.
    Answer(Result<&'a [u8], CallError>),
    /// Whether it is gone.
    Gone(bool),
    /// The time is over.
    Passed,
}

/// How the attempt to take a lock, or to hold it longer, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is held, by the message with this sequence.
    Held(u64),
    /// Somebody else held it for longer than was to be waited, or has taken it over. Who, if that can be read.
    Others(Option<Holder>),
    /// There can be no lock here.
    Without(String),
}

/// What there is to know about a bucket that is to be made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bucket {
    /// Whether the account may have one more stream.
    pub room: bool,
    /// Whether the server is one of a cluster: then it has three copies.
    pub clustered: bool,
}

/// The attempt to take the lock, or to hold it longer. [`next`](Self::next) says what to do,
/// [`done`](Self::done) takes what came of it.
#[derive(Debug)]
pub struct Lock {
    holder: Holder,
    course: Course,
    /// Whether it was held before.
    again: bool,
    /// Whether the bucket was found, or made.
    bucket: bool,
    /// Whether it may be made.
    room: bool,
    /// Copies of the bucket's stream.
    replicas: u8,
    /// Most bytes of it; -1 sets nothing aside.
    max_bytes: i64,
    tries: u32,
    /// How much longer to wait for others.
    patience: Duration,
    /// Somebody else's lock, and how often it was seen.
    other: Option<Other>,
}

#[derive(Debug)]
struct Other {
    sequence: u64,
    holder: Option<Holder>,
    seen: u32,
}

#[derive(Debug, Clone, Copy)]
enum Course {
    Put { last: u64 },
    Create,
    Look,
    Find,
    Wait,
}

impl Lock {
    /// Takes the lock, waiting for others for as long as `patience`.
    pub fn new(holder: Holder, patience: Duration, bucket: Bucket) -> Self {
        Self {
            holder,
            course: Course::Put { last: 0 },
            again: false,
            bucket: false,
            room: bucket.room,
            replicas: if bucket.clustered { 3 } else { 1 },
            max_bytes: -1,
            tries: 0,
            patience,
            other: None,
        }
    }

    /// Holds the lock longer, that is held by the message with this sequence.
    pub fn again(holder: Holder, sequence: u64) -> Self {
        let course = Course::Put { last: sequence };
        Self {
            course,
            again: true,
            bucket: true,
            ..Self::new(holder, Duration::ZERO, Bucket::default())
        }
    }

    /// Gives back what is held by the message with this sequence, and nobody else's.
    pub fn release(sequence: u64) -> Request {
        let up_to = sequence.saturating_add(1);
        Request::new(Call::StreamPurge(STREAM), &json!({"filter": SUBJECT, "seq": up_to}))
    }

    /// For whom it waits just now.
    pub fn waits_for(&self) -> Option<&Holder> {
        match self.course {
            Course::Wait => self.other.as_ref()?.holder.as_ref(),
            _ => None,
        }
    }

    /// What is to be done next.
    pub fn next(&self) -> Task {
        match self.course {
            Course::Put { last } => Task::Put {
                message: Request {
                    subject: SUBJECT.to_owned(),
                    body: serde_json::to_vec(&self.holder).expect("a holder is text"),
                },
                last,
            },
            Course::Create => Task::Call(Request::new(
                Call::StreamCreate(STREAM),
                &bucket(self.replicas, self.max_bytes),
            )),
            Course::Look => Task::Call(Request::new(
                Call::MessageGet(STREAM),
                &json!({"last_by_subj": SUBJECT}),
            )),
            Course::Find => match self.other.as_ref().and_then(|other| other.holder.clone()) {
                Some(holder) => Task::Find(holder),
                None => Task::Pause(LOOK),
            },
            Course::Wait => Task::Pause(LOOK),
        }
    }

    /// Takes what came of the last [`next`](Self::next). The end, if that is one.
    pub fn done(&mut self, event: Event<'_>) -> Option<Outcome> {
        match (self.course, event) {
            (Course::Put { .. }, Event::Answer(reply)) => self.put(reply),
            (Course::Create, Event::Answer(reply)) => self.created(reply),
            (Course::Look, Event::Answer(reply)) => self.looked(reply),
            (Course::Find, Event::Gone(true)) => self.take_over(),
            (Course::Find, Event::Gone(false) | Event::Passed) => self.wait(),
            (Course::Wait, Event::Passed) => {
                self.patience = self.patience.saturating_sub(LOOK);
                self.course = Course::Look;
                None
            }
            // What was not asked for changes nothing.
            _ => None,
        }
    }

    fn put(&mut self, reply: Result<&[u8], CallError>) -> Option<Outcome> {
        match reply.and_then(answer::<Stored>) {
            Ok(stored) => Some(Outcome::Held(stored.seq)),
            // Who has it?
            Err(CallError::Refused(error)) if is_taken(&error) => self.go(Course::Look),
            Err(error) if self.again && !error.is_lost() => Some(given_up(&error)),
            Err(CallError::NoJetStream) if !self.bucket => self.make(),
            Err(error) if error.is_lost() => self.unsure(&error),
            Err(error) => Some(given_up(&error)),
        }
    }

    fn make(&mut self) -> Option<Outcome> {
        if !self.room {
            let why = "the account may not have one stream more than the plan makes";
            return Some(Outcome::Without(why.to_owned()));
        }
        self.go(Course::Create)
    }

    fn created(&mut self, reply: Result<&[u8], CallError>) -> Option<Outcome> {
        match reply.and_then(answer::<Json>) {
            Ok(_) => {
                self.bucket = true;
                self.go(Course::Put { last: 0 })
            }
            Err(error) if error.meets_another() => {
                self.bucket = true;
                self.go(Course::Put { last: 0 })
            }
            Err(error) if error.is_lost() => self.unsure(&error),
            Err(CallError::Refused(error))
                if error.err_code == table::STREAM_MAX_BYTES_REQUIRED.code
                    && self.max_bytes < 0 =>
            {
                self.max_bytes = BYTES;
                None
            }
            // A cluster of one or two servers, or one in which not enough of them answer.
            Err(CallError::Refused(_)) if self.replicas > 1 => {
                self.replicas = 1;
                None
            }
            Err(error) => Some(given_up(&error)),
        }
    }

    fn looked(&mut self, reply: Result<&[u8], CallError>) -> Option<Outcome> {
        #[derive(Deserialize)]
        struct Found {
            message: StoredMessage,
        }
        let found = match reply.and_then(answer::<Found>) {
            Ok(found) => found.message,
            Err(error) if error.is_no_message() => return self.free(0),
            Err(error) if error.is_absence() && !self.again => {
                return self.go(Course::Create);
            }
            Err(error) if error.is_lost() => return self.unsure(&error),
            Err(error) => return Some(given_up(&error)),
        };
        let sequence = found.seq;
        if found.data.is_empty() {
            // A marker: somebody deleted the key by hand.
            return self.free(sequence);
        }
        let data = BASE64.decode(&found.data).ok();
        let holder = data.and_then(|data| serde_json::from_slice(&data).ok());
        if holder.as_ref().is_some_and(|holder: &Holder| holder.run == self.holder.run) {
            // It is not known since when: the lease begins with a message that is acknowledged.
            return self.go(Course::Put { last: sequence });
        }
        if self.again {
            return Some(Outcome::Others(holder));
        }
        match &mut self.other {
            Some(other) if other.sequence == sequence => other.seen += 1,
            _ => self.other = Some(Other { sequence, holder, seen: 0 }),
        }
        let Some(other) = &self.other else { return None };
        if other.seen >= LOOKS_OF_A_LEASE {
            return self.take_over();
        }
        if other.seen == 0 && other.holder.is_some() {
            return self.go(Course::Find);
        }
        self.wait()
    }

    /// Nobody holds it.
    fn free(&mut self, last: u64) -> Option<Outcome> {
        if self.again {
            return Some(Outcome::Others(None));
        }
        self.go(Course::Put { last })
    }

    fn wait(&mut self) -> Option<Outcome> {
        if self.patience.is_zero() {
            return Some(Outcome::Others(self.other.take().and_then(|other| other.holder)));
        }
        self.go(Course::Wait)
    }

    fn take_over(&mut self) -> Option<Outcome> {
        let last = self.other.take().map_or(0, |other| other.sequence);
        self.go(Course::Put { last })
    }

    /// It is not known what the server did.
    fn unsure(&mut self, error: &CallError) -> Option<Outcome> {
        self.tries += 1;
        if self.tries >= TRIES_MAX {
            return Some(given_up(error));
        }
        self.go(Course::Look)
    }

    fn go(&mut self, course: Course) -> Option<Outcome> {
        self.course = course;
        None
    }
}

fn given_up(error: &CallError) -> Outcome {
    Outcome::Without(error.to_string())
}

/// An acknowledgement of a publish.
#[derive(Deserialize)]
struct Stored {
    seq: u64,
}

/// Whether another message is the last one.
fn is_taken(error: &ApiError) -> bool {
    let codes = [table::STREAM_WRONG_LAST_SEQUENCE, table::STREAM_WRONG_LAST_SEQUENCE_CONSTANT];
    codes.iter().any(|known| known.code == error.err_code)
}

/// The headers of a message that is stored only in our bucket, and only if the last one of its subject has this
/// sequence, 0 for none.
pub fn expectations(last: u64) -> [(&'static str, String); 2] {
    [
        ("Nats-Expected-Stream", STREAM.to_owned()),
        ("Nats-Expected-Last-Subject-Sequence", last.to_string()),
    ]
}

/// The bucket as clients of NATS make them, so that `nats kv get watershed apply` shows who holds the lock.
fn bucket(replicas: u8, max_bytes: i64) -> Json {
    json!({
        "name": STREAM,
        "description": "Which topology is being applied to this account (watershed apply)",
        "subjects": ["$KV.watershed.>"],
        "retention": "limits",
        "storage": "file",
        "max_msgs_per_subject": 1,
        "max_bytes": max_bytes,
        "max_age": 0,
        "num_replicas": replicas,
        "discard": "new",
        "allow_rollup_hdrs": true,
        "deny_delete": true,
        "allow_direct": true,
    })
}

#[cfg(test)]
mod tests;
