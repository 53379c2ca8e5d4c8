//! A story, from its first step to its last or to what fails.

use std::time::Duration;

use watershed_topology::Topology;
use watershed_topology::call::{CallError, Request, answer};
use watershed_topology::model::ConsumerName;
use watershed_topology::quantity::show_duration;
use watershed_topology::source::{Span, Spanned};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::publish::PubAck;
use watershed_wire::jetstream::stream::PurgeRequest;

use crate::clock::{Due, first_due};
use crate::expect::{number, stream_of};
use crate::machine::machine;
use crate::server::{Broken, Link, Message, Reply, Server, get};
use crate::setup::{apply, remove};
use crate::story::{Fact, Outcome, Publish, Step, Story};
use crate::timeline::Timeline;
use crate::worker::Worker;
use crate::world::World;

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

/// Plays a story about `topology` on an engine of its own, in virtual time.
pub fn run(topology: &Topology, story: &Story) -> Result<Passed, Failure> {
    match World::new(machine(topology)) {
        Ok(mut world) => play(topology, story, None, &mut world),
        Err(error) => Err(unplayed(story, &error)),
    }
}

/// Plays a story about `topology` on a server that others may use. What it makes bears `mark`, which is nobody else's, and
/// is deleted at the end, however that is. What is there already is left alone, and stands in the way.
pub fn run_on(
    topology: &Topology,
    story: &Story,
    mark: &str,
    server: &mut impl Server,
) -> Result<Passed, Failure> {
    let mut own = topology.clone();
    own.account.get_or_insert_with(|| topology.name.clone());
    mark.clone_into(&mut own.name.value);
    let played = play(&own, story, first_due(&own, story), server);
    server.end();
    let left = match remove(server, &own) {
        Ok(left) if left.is_empty() => return played,
        Ok(left) => left.join(", "),
        Err(error) => format!("something of `{mark}`: {error}"),
    };
    let before = played.err().map(|failure| format!("{}; and ", failure.message));
    let message = format!("{}the server still has {left}", before.unwrap_or_default());
    Err(Failure { message, ..unplayed(story, &Broken::new("")) })
}

/// A story that failed without a step that did.
fn unplayed(story: &Story, why: &Broken) -> Failure {
    let message = format!("the story cannot be played: {why}");
    Failure { span: story.name.span, message, at: Duration::ZERO, timeline: Vec::new() }
}

/// Plays it, where nothing may be `due` before it ends.
fn play(
    topology: &Topology,
    story: &Story,
    due: Option<Due>,
    server: &mut impl Server,
) -> Result<Passed, Failure> {
    let mut play = Play::begin(topology, story, due, server)?;
    let steps = story.steps.iter().try_for_each(|step| play.step(step));
    let time = Duration::from_nanos(play.server.passed());
    // Nobody of this story takes what is meant for the next one.
    let ended = play.end();
    match &play.due {
        Some(due) if time > due.after => {
            let (took, what) = (time.as_millis(), &due.what);
            let why = format!("it took {took} ms on this server, and {what}");
            Err(unplayed(story, &Broken::new(why)))
        }
        _ => steps.and(ended.map_err(|error| unplayed(story, &error))).map(|()| Passed { time }),
    }
}

struct Play<'t, S> {
    topology: &'t Topology,
    story: &'t Story,
    /// What happens by itself, and when first; `None` where the clock is moved by hand.
    due: Option<Due>,
    server: &'t mut S,
    /// Who looks and publishes, where the story names nobody.
    narrator: Link,
    workers: Vec<Worker>,
    log: Timeline,
}

/// What a step came to where it is not as the story says.
struct Wrong {
    span: Span,
    message: String,
    timeline: Vec<String>,
}

impl<'t, S: Server> Play<'t, S> {
    fn begin(
        topology: &'t Topology,
        story: &'t Story,
        due: Option<Due>,
        server: &'t mut S,
    ) -> Result<Self, Failure> {
        let broken = |error: Broken| unplayed(story, &error);
        let narrator = server.connect(topology, None).map_err(broken)?;
        apply(server, narrator, topology).map_err(broken)?.map_err(|why| Failure {
            message: format!("the topology cannot be applied: {why}"),
            ..unplayed(story, &Broken::new(""))
        })?;
        server.begin();
        let (workers, log) = (Vec::new(), Timeline::default());
        Ok(Self { topology, story, due, server, narrator, workers, log })
    }

    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        let Wrong { span, message, timeline } = match self.carry_out(step) {
            Ok(None) => return Ok(()),
            Ok(Some(wrong)) => wrong,
            Err(error) => return Err(unplayed(self.story, &error)),
        };
        Err(Failure { span, message, at: Duration::from_nanos(self.server.passed()), timeline })
    }

    fn carry_out(&mut self, step: &Step) -> Result<Option<Wrong>, Broken> {
        match step {
            Step::Publish(publish) => return self.publish(publish),
            Step::Worker { consumer, answers } => {
                self.stop(&consumer.value)?;
                let (server, answers) = (&mut *self.server, answers.clone());
                self.workers.push(Worker::start(server, self.topology, &consumer.value, answers)?);
            }
            Step::Stop { consumer } => self.stop(&consumer.value)?,
            Step::Advance { time } => self.advance(time.value)?,
            Step::Restart => {
                self.log.note(self.server.passed(), "the server restarts".to_owned());
                self.server.restart()?;
                self.narrator = self.server.connect(self.topology, None)?;
                for worker in &mut self.workers {
                    worker.reconnect(self.server, self.topology)?;
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

    fn end(&mut self) -> Result<(), Broken> {
        for worker in &mut self.workers {
            worker.end(self.server)?;
        }
        self.server.leave(self.narrator)
    }

    /// A worker takes nothing more.
    fn stop(&mut self, consumer: &ConsumerName) -> Result<(), Broken> {
        for worker in self.workers.iter_mut().filter(|worker| worker.name == *consumer) {
            worker.end(self.server)?;
        }
        self.workers.retain(|worker| worker.name != *consumer);
        Ok(())
    }

    /// Lets the workers take what there is for them now.
    fn work(&mut self) -> Result<(), Broken> {
        loop {
            let mut acted = false;
            for worker in &mut self.workers {
                acted |= worker.turn(self.server, &mut self.log)?;
            }
            if acted {
                continue;
            }
            let at_work = self.workers.iter().filter(|worker| worker.is_at_work());
            let at_work: Vec<_> = at_work.map(|worker| worker.name.clone()).collect();
            if !self.server.settle(&at_work)? {
                return Ok(());
            }
        }
    }

    fn advance(&mut self, nanos: i64) -> Result<(), Broken> {
        let mut left = u64::try_from(nanos).unwrap_or_default();
        while left > 0 {
            left = self.server.pass(left)?;
            self.work()?;
        }
        Ok(())
    }

    fn publish(&mut self, publish: &Publish) -> Result<Option<Wrong>, Broken> {
        let Publish { subject, payload, headers, times, user, expect } = publish;
        let sender = match user {
            Some(user) => self.as_user(user)?,
            None => self.narrator,
        };
        let payload = payload.as_bytes();
        let message = Message { subject: &subject.value, headers, payload };
        for _ in 0..*times {
            let (outcome, said) = outcome(&self.server.ask(sender, &message)?);
            let at = self.server.passed();
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

    fn as_user(&mut self, name: &Spanned<String>) -> Result<Link, Broken> {
        let users = &self.topology.users;
        let user = users.iter().find(|user| user.name.value == name.value);
        let user = user.ok_or_else(|| Broken::new(format!("no user {}", name.value)))?;
        self.server.connect(self.topology, Some(user))
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
        let answer = get::<Purged>(self.server, self.narrator, &request)?;
        Ok(match answer {
            Ok(answer) => {
                let text = format!("{name} is purged: {} messages", answer.purged);
                self.log.stored(self.server.passed(), name, text);
                None
            }
            Err(error) => {
                let message = format!("`{name}` cannot be purged: {error}");
                Some(Wrong { span: stream.span, message, timeline: Vec::new() })
            }
        })
    }

    fn check(&mut self, fact: &Fact) -> Result<Option<Wrong>, Broken> {
        let since = self.server.passed();
        let found = loop {
            let (link, log) = (self.narrator, &mut self.log);
            let found = number(self.server, link, self.topology, log, &fact.what)?;
            if fact.expected.value.holds(found) {
                return Ok(None);
            }
            // What is due later is not to be waited for.
            let now = Duration::from_nanos(self.server.passed());
            let soon = self.due.as_ref().is_some_and(|due| now > due.after / 2);
            let never = fact.what.only_grows() && fact.expected.value.is_exceeded_by(found);
            if soon || never || !self.server.may_become(since)? {
                break found;
            }
            self.work()?;
        };
        let (stream, consumer) = fact.what.about();
        let name = consumer.map_or_else(|| stream.to_owned(), |one| format!("{stream}/{one}"));
        let (key, expected) = (fact.what.key(), fact.expected.value);
        let after = show_duration(i64::try_from(self.server.passed()).unwrap_or(i64::MAX));
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
        Reply::Denied(_) => return (Outcome::Denied, Said::Text("denied".to_owned())),
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
