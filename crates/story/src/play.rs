//! A story, from its first step to its last or to what fails.

use std::time::Duration;

use watershed_topology::Topology;
use watershed_topology::call::{CallError, Request, answer};
use watershed_topology::quantity::show_duration;
use watershed_topology::source::{Span, Spanned};
use watershed_wire::header::HeaderWriter;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::publish::PubAck;
use watershed_wire::jetstream::stream::PurgeRequest;

use crate::client::{Client, INBOX, Reply};
use crate::expect::{number, stream_of};
use crate::setup::{apply, machine, permissions};
use crate::story::{Fact, Outcome, Publish, Step, Story};
use crate::timeline::Timeline;
use crate::worker::Worker;
use crate::world::{Broken, World};

/// A story that ended as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Time that passed in it.
    pub time: Duration,
}

/// Why a story did not end as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where the story says what did not happen.
    pub span: Span,
    /// What is not as it says.
    pub message: String,
    /// When, in the story's time.
    pub at: Duration,
    /// What happened to the messages that it is about: a line each.
    pub timeline: Vec<String>,
}

/// Plays a story about `topology` on a server of its own.
pub fn run(topology: &Topology, story: &Story) -> Result<Passed, Failure> {
    let mut play = Play::begin(topology, story)?;
    for step in &story.steps {
        play.step(step)?;
    }
    Ok(Passed { time: Duration::from_nanos(play.world.passed()) })
}

struct Play<'t> {
    topology: &'t Topology,
    /// Where the story stands, for what is nobody's fault in it.
    span: Span,
    world: World,
    client: Client,
    workers: Vec<Worker>,
    log: Timeline,
}

/// What a step came to where it is not as the story says.
struct Wrong {
    span: Span,
    message: String,
    timeline: Vec<String>,
}

/// The client that looks and publishes, where the story names nobody.
const NARRATOR: &str = "story";

impl<'t> Play<'t> {
    fn begin(topology: &'t Topology, story: &Story) -> Result<Self, Failure> {
        let span = story.name.span;
        let fail =
            |message: String| Failure { span, message, at: Duration::ZERO, timeline: Vec::new() };
        let broken = |error: Broken| fail(format!("the story cannot be played: {error}"));
        let mut world = World::new(machine(topology)).map_err(broken)?;
        let mut client = Client::connect(&mut world, NARRATOR, None, INBOX).map_err(broken)?;
        apply(&mut world, &mut client, topology)
            .map_err(broken)?
            .map_err(|why| fail(format!("the topology cannot be applied: {why}")))?;
        let (workers, log) = (Vec::new(), Timeline::default());
        Ok(Self { topology, span, world, client, workers, log })
    }

    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        let wrong = match self.carry_out(step) {
            Ok(None) => return Ok(()),
            Ok(Some(wrong)) => wrong,
            Err(error) => Wrong {
                span: self.span,
                message: format!("the story cannot be played: {error}"),
                timeline: Vec::new(),
            },
        };
        let Wrong { span, message, timeline } = wrong;
        Err(Failure { span, message, at: Duration::from_nanos(self.world.passed()), timeline })
    }

    fn carry_out(&mut self, step: &Step) -> Result<Option<Wrong>, Broken> {
        match step {
            Step::Publish(publish) => return self.publish(publish),
            Step::Worker { consumer, answers } => {
                self.workers.retain(|worker| worker.name != consumer.value);
                let (world, answers) = (&mut self.world, answers.clone());
                self.workers.push(Worker::start(world, self.topology, &consumer.value, answers)?);
            }
            Step::Stop { consumer } => {
                self.workers.retain(|worker| worker.name != consumer.value);
            }
            Step::Advance { time } => self.advance(time.value)?,
            Step::Restart => {
                self.log.note(self.world.passed(), "the server restarts".to_owned());
                self.world.restart()?;
                self.client = Client::connect(&mut self.world, NARRATOR, None, INBOX)?;
                for worker in &mut self.workers {
                    worker.reconnect(&mut self.world)?;
                }
            }
            Step::Purge { stream, subject } => {
                if let Some(wrong) = self.purge(stream, subject.as_deref())? {
                    return Ok(Some(wrong));
                }
            }
            Step::Expect { facts } => {
                for fact in facts {
                    if let Some(wrong) = self.check(fact)? {
                        return Ok(Some(wrong));
                    }
                }
            }
        }
        self.work()?;
        Ok(None)
    }

    /// Lets the workers take what there is for them now.
    fn work(&mut self) -> Result<(), Broken> {
        loop {
            let mut acted = false;
            for worker in &mut self.workers {
                acted |= worker.turn(&mut self.world, &mut self.log)?;
            }
            if !acted {
                return Ok(());
            }
        }
    }

    fn advance(&mut self, nanos: i64) -> Result<(), Broken> {
        let mut left = u64::try_from(nanos).unwrap_or_default();
        while left > 0 {
            left = self.world.pass(left)?;
            self.work()?;
        }
        Ok(())
    }

    fn publish(&mut self, publish: &Publish) -> Result<Option<Wrong>, Broken> {
        let Publish { subject, payload, headers, times, user, expect } = publish;
        let mut sender = match user {
            Some(user) => Some(self.as_user(user)?),
            None => None,
        };
        let mut header = Vec::new();
        if !headers.is_empty() {
            let mut writer = HeaderWriter::new();
            for (name, value) in headers {
                writer.field(name, value.as_bytes());
            }
            header = writer.finish();
        }
        for _ in 0..*times {
            let client = sender.as_mut().unwrap_or(&mut self.client);
            let reply = client.ask(&mut self.world, &subject.value, &header, payload.as_bytes())?;
            let (outcome, said) = outcome(&reply);
            let at = self.world.passed();
            match &said {
                Said::Stored { stream, sequence, .. } => {
                    let text = format!("#{sequence} stored in {stream}: {}", subject.value);
                    self.log.stored(at, stream, text);
                }
                Said::Text(text) => self.log.note(at, format!("{}: {text}", subject.value)),
            }
            if outcome != expect.value {
                let what = &subject.value;
                let wanted = expect.value;
                let mut message = format!("expected `{what}` to be {wanted}, but it is {outcome}");
                if let (Outcome::Refused(_), Said::Text(text)) = (outcome, &said) {
                    message = format!("{message}: {text}");
                }
                return Ok(Some(Wrong { span: expect.span, message, timeline: Vec::new() }));
            }
            self.work()?;
        }
        Ok(None)
    }

    fn as_user(&mut self, name: &Spanned<String>) -> Result<Client, Broken> {
        let users = &self.topology.users;
        let user = users.iter().find(|user| user.name.value == name.value);
        let user = user.ok_or_else(|| Broken::new(format!("no user {}", name.value)))?;
        let allowed = permissions(self.topology, user).map_err(Broken::new)?;
        let prefix = user.inbox_prefix.as_ref().map_or(INBOX, |prefix| &prefix.value);
        Client::connect(&mut self.world, &name.value, allowed, prefix)
    }

    fn purge(
        &mut self,
        stream: &Spanned<String>,
        subject: Option<&str>,
    ) -> Result<Option<Wrong>, Broken> {
        let name = stream_of(self.topology, &stream.value).unwrap_or(&stream.value);
        let filter = subject.unwrap_or_default().to_owned();
        let request =
            Request::new(Call::StreamPurge(name), &PurgeRequest { filter, ..Default::default() });
        let answer = self.client.get::<Purged>(&mut self.world, &request)?;
        Ok(match answer {
            Ok(answer) => {
                let text = format!("{name} is purged: {} messages", answer.purged);
                self.log.stored(self.world.passed(), name, text);
                None
            }
            Err(error) => {
                let message = format!("`{name}` cannot be purged: {error}");
                Some(Wrong { span: stream.span, message, timeline: Vec::new() })
            }
        })
    }

    fn check(&mut self, fact: &Fact) -> Result<Option<Wrong>, Broken> {
        let (world, log) = (&mut self.world, &mut self.log);
        let found = number(world, &mut self.client, self.topology, log, &fact.what)?;
        if fact.expected.value.holds(found) {
            return Ok(None);
        }
        let (stream, consumer) = fact.what.about();
        let name = consumer.map_or_else(|| stream.to_owned(), |one| format!("{stream}/{one}"));
        let (key, expected) = (fact.what.key(), fact.expected.value);
        let after = show_duration(i64::try_from(self.world.passed()).unwrap_or(i64::MAX));
        let message =
            format!("expected `{key}` of {name} to be {expected}, but it is {found} after {after}");
        let stream = stream_of(self.topology, stream).unwrap_or(stream);
        let timeline = self.log.about(stream, consumer);
        Ok(Some(Wrong { span: fact.expected.span, message, timeline }))
    }
}

/// The answer to `STREAM.PURGE`.
#[derive(serde::Deserialize)]
struct Purged {
    purged: u64,
}

/// What was said of a publish.
enum Said {
    Stored { stream: String, sequence: u64 },
    Text(String),
}

fn outcome(reply: &Reply) -> (Outcome, Said) {
    let body = match reply {
        Reply::Answer(body) => body,
        Reply::Nobody => return (Outcome::Nobody, Said::Text("no stream stores it".to_owned())),
        Reply::Denied(text) => return (Outcome::Denied, Said::Text(text.clone())),
    };
    match answer::<PubAck>(body) {
        Ok(PubAck { stream, seq, duplicate: true, .. }) => {
            (Outcome::Duplicate, Said::Text(format!("a duplicate of #{seq} in {stream}")))
        }
        Ok(PubAck { stream, seq: sequence, .. }) if !stream.is_empty() => {
            (Outcome::Stored, Said::Stored { stream, sequence })
        }
        Err(CallError::Refused(error)) => {
            (Outcome::Refused(error.err_code), Said::Text(error.description.into_owned()))
        }
        _ => (Outcome::Nobody, Said::Text("answered, and not by a stream".to_owned())),
    }
}
