//! A worker at a consumer, which says of each delivery what the story wants it to say.

use std::time::Duration;

use watershed_topology::Topology;
use watershed_topology::call::Request;
use watershed_topology::dead_letter::letter;
use watershed_topology::model::ConsumerName;
use watershed_topology::quantity::show_duration;
use watershed_topology::retry::retry_delay;
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::ack::AckSubject;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::pull::PullRequest;
use watershed_wire::jetstream::stream::StreamInfo;

use crate::answer::told;
use crate::client::{Client, INBOX, Reply};
use crate::limits::DELIVERIES_MAX;
use crate::story::Answer;
use crate::timeline::Timeline;
use crate::world::{Broken, Heard, World};

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) name: ConsumerName,
    config: ConsumerConfig,
    dead_letter: Option<String>,
    answers: Vec<Answer>,
    /// How many of the answers were given.
    given: usize,
    client: Client,
    state: State,
}

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has not asked for a message.
    Idle,
    /// It waits for one.
    Waiting,
    /// It takes no more.
    Ended,
}

/// A message that a worker was given.
#[derive(Debug)]
struct Delivery {
    reply: String,
    sequence: u64,
    deliveries: u64,
    payload: Vec<u8>,
}

impl Worker {
    /// A worker at a consumer that the topology has.
    pub(crate) fn start(
        world: &mut World,
        topology: &Topology,
        name: &ConsumerName,
        answers: Vec<Answer>,
    ) -> Result<Self, Broken> {
        let (_, consumer) =
            topology.consumer(name).ok_or_else(|| Broken::new(format!("no consumer {name}")))?;
        let client = connect(world, name)?;
        let worker = Self {
            name: name.clone(),
            config: consumer.config.clone(),
            dead_letter: consumer.dead_letter.as_ref().map(|stream| stream.value.clone()),
            answers,
            given: 0,
            client,
            state: State::Idle,
        };
        worker.listen(world)?;
        Ok(worker)
    }

    fn push_subject(&self) -> Option<&str> {
        let subject = self.config.deliver_subject.as_str();
        (!subject.is_empty()).then_some(subject)
    }

    fn listen(&self, world: &mut World) -> Result<(), Broken> {
        let Some(subject) = self.push_subject() else { return Ok(()) };
        let group = Some(self.config.deliver_group.as_str()).filter(|group| !group.is_empty());
        self.client.subscribe(world, subject, group)
    }

    /// The server was restarted: everybody connects again.
    pub(crate) fn reconnect(&mut self, world: &mut World) -> Result<(), Broken> {
        if self.state == State::Ended {
            return Ok(());
        }
        self.client = connect(world, &self.name)?;
        self.state = State::Idle;
        self.listen(world)
    }

    /// Takes what has come, answers, and asks for more. Says whether it did anything.
    pub(crate) fn turn(&mut self, world: &mut World, log: &mut Timeline) -> Result<bool, Broken> {
        if self.state == State::Ended {
            return Ok(false);
        }
        let mut acted = false;
        for heard in self.client.heard(world)? {
            let Heard::Message { reply, header, payload, .. } = heard else { continue };
            if let Some((code, text)) = HeaderBlock(&header).status() {
                let text = String::from_utf8_lossy(text).into_owned();
                self.told(world, log, code, &text, reply.as_deref())?;
                continue;
            }
            let delivery = reply.and_then(|reply| delivery(reply, payload));
            if let Some(delivery) = delivery {
                acted = true;
                self.take(world, log, &delivery)?;
            }
            if self.state == State::Ended {
                return Ok(true);
            }
        }
        if self.state == State::Idle && self.push_subject().is_none() {
            self.ask(world)?;
            acted = true;
        }
        Ok(acted)
    }

    /// Asks for one message, however long it takes to come.
    fn ask(&mut self, world: &mut World) -> Result<(), Broken> {
        let ConsumerName { stream, consumer } = &self.name;
        let request = PullRequest {
            batch: 1,
            expires: self.config.max_expires,
            group: self.config.priority_groups.first().cloned().unwrap_or_default(),
            ..PullRequest::default()
        };
        let call = Call::ConsumerNext { stream, consumer };
        self.state = State::Waiting;
        let request = Request::new(call, &request);
        self.client.send(world, &request.subject, Some("next"), b"", &request.body)
    }

    /// The server says something in place of a message.
    fn told(
        &mut self,
        world: &mut World,
        log: &mut Timeline,
        code: u16,
        text: &str,
        reply: Option<&str>,
    ) -> Result<(), Broken> {
        match (code, reply) {
            (100, Some(reply)) => self.client.send(world, reply, None, b"", b"")?,
            (100, None) => {}
            (404 | 408, _) => self.state = State::Idle,
            _ => {
                self.state = State::Ended;
                let text = format!("{} ends: {code} {text}", self.name.consumer);
                log.delivered(world.passed(), &self.name, text);
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        world: &mut World,
        log: &mut Timeline,
        delivery: &Delivery,
    ) -> Result<(), Broken> {
        log.deliveries += 1;
        if log.deliveries > DELIVERIES_MAX {
            return Err(Broken::new(format!("more than {DELIVERIES_MAX} deliveries")));
        }
        let last = self.answers.len().saturating_sub(1);
        let answer = self.answers.get(self.given.min(last)).copied().unwrap_or(Answer::Done);
        self.given += 1;
        self.state = State::Idle;
        let at = world.passed();
        let came = self.answer(world, delivery, answer)?;
        let counts = log.counts(&self.name);
        counts.delivered += 1;
        counts.done += u64::from(answer == Answer::Done);
        let (number, times) = (delivery.sequence, delivery.deliveries);
        let consumer = &self.name.consumer;
        let text = format!("#{number} to {consumer}, delivery {times}: {}{came}", told(answer));
        log.delivered(at, &self.name, text);
        Ok(())
    }

    /// Says what became of a message. What came of that, for people.
    fn answer(
        &mut self,
        world: &mut World,
        delivery: &Delivery,
        answer: Answer,
    ) -> Result<String, Broken> {
        let is_last = self.config.max_deliver > 0
            && i64::try_from(delivery.deliveries)
                .is_ok_and(|times| times >= self.config.max_deliver);
        match answer {
            Answer::Done => self.acknowledge(world, delivery, "+ACK")?,
            Answer::Retry(_) if is_last && self.dead_letter.is_some() => {
                return self.give_up(world, delivery);
            }
            Answer::Retry(after) => {
                let after = after
                    .map(|after| Duration::from_nanos(u64::try_from(after).unwrap_or_default()));
                let delay = retry_delay(&self.config, delivery.deliveries, after).as_nanos();
                self.acknowledge(world, delivery, &format!("-NAK {{\"delay\": {delay}}}"))?;
                let delay = i64::try_from(delay).unwrap_or(i64::MAX);
                if is_last {
                    return Ok(", and that was the last".to_owned());
                }
                return Ok(format!(", again in {}", show_duration(delay)));
            }
            Answer::Reject => return self.give_up(world, delivery),
            Answer::Nak(None) => self.acknowledge(world, delivery, "-NAK")?,
            Answer::Nak(Some(delay)) => {
                self.acknowledge(world, delivery, &format!("-NAK {{\"delay\": {delay}}}"))?;
            }
            Answer::Term => self.acknowledge(world, delivery, "+TERM")?,
            Answer::Silence => {}
            Answer::Crash => self.state = State::Ended,
        }
        Ok(String::new())
    }

    fn acknowledge(
        &mut self,
        world: &mut World,
        delivery: &Delivery,
        text: &str,
    ) -> Result<(), Broken> {
        // Confirmed, so that it is on disk before anything else happens.
        self.client.send(world, &delivery.reply, Some("confirmed"), b"", text.as_bytes())
    }

    /// Keeps a message as a dead letter, as workers of `watershed work` do, and takes it from its consumer.
    fn give_up(&mut self, world: &mut World, delivery: &Delivery) -> Result<String, Broken> {
        let mut came = String::new();
        if let Some(dead) = self.dead_letter.clone() {
            let ConsumerName { stream, consumer } = &self.name;
            let request = Request::bare(Call::StreamInfo(stream));
            let info = self.client.get::<StreamInfo>(world, &request)?.map_err(Broken::new)?;
            let subject = letter(stream, consumer, info.created.0, delivery.sequence);
            // Of the headers that such a letter has, the server looks at this one.
            let mut header = HeaderWriter::new();
            header.number("Nats-Expected-Last-Subject-Sequence", 0);
            let header = header.finish();
            let reply = self.client.ask(world, &subject, &header, &delivery.payload)?;
            came = match reply {
                Reply::Answer(_) => format!(", kept in {dead}"),
                Reply::Nobody | Reply::Denied(_) => {
                    format!(", not kept: {dead} takes no `{subject}`")
                }
            };
        }
        self.acknowledge(world, delivery, "+TERM")?;
        Ok(came)
    }
}

fn connect(world: &mut World, name: &ConsumerName) -> Result<Client, Broken> {
    let user = format!("worker-{}-{}", name.stream, name.consumer);
    Client::connect(world, &user, None, INBOX)
}

fn delivery(reply: String, payload: Vec<u8>) -> Option<Delivery> {
    let place = AckSubject::parse(reply.as_bytes())?;
    let (sequence, deliveries) = (place.stream_seq, place.deliveries);
    Some(Delivery { reply, sequence, deliveries, payload })
}
