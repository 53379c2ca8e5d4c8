//! A worker at a consumer, which says of each delivery what the story wants it to say.

use std::time::Duration;

use watershed_topology::Topology;
use watershed_topology::call::Request;
use watershed_topology::dead_letter::letter;
use watershed_topology::model::ConsumerName;
use watershed_topology::quantity::show_duration;
use watershed_topology::retry::retry_delay;
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::ack::AckSubject;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::pull::PullRequest;
use watershed_wire::jetstream::stream::StreamInfo;

use crate::answer::told;
use crate::limits::DELIVERIES_MAX;
use crate::server::{Broken, Heard, Link, Message, Reply, Server, get};
use crate::story::Answer;
use crate::timeline::Timeline;

/// What a dead letter expects, of whose headers the server looks at this one: that it is the first of its subject.
const FIRST: (&str, &str) = ("Nats-Expected-Last-Subject-Sequence", "0");

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) name: ConsumerName,
    config: ConsumerConfig,
    dead_letter: Option<String>,
    answers: Vec<Answer>,
    /// How many of the answers were given.
    given: usize,
    link: Link,
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
        server: &mut impl Server,
        topology: &Topology,
        name: &ConsumerName,
        answers: Vec<Answer>,
    ) -> Result<Self, Broken> {
        let (_, consumer) =
            topology.consumer(name).ok_or_else(|| Broken::new(format!("no consumer {name}")))?;
        let worker = Self {
            name: name.clone(),
            config: consumer.config.clone(),
            dead_letter: consumer.dead_letter.as_ref().map(|stream| stream.value.clone()),
            answers,
            given: 0,
            link: server.connect(topology, None)?,
            state: State::Idle,
        };
        worker.listen(server)?;
        Ok(worker)
    }

    fn push_subject(&self) -> Option<&str> {
        let subject = self.config.deliver_subject.as_str();
        (!subject.is_empty()).then_some(subject)
    }

    fn listen(&self, server: &mut impl Server) -> Result<(), Broken> {
        let Some(subject) = self.push_subject() else { return Ok(()) };
        let group = Some(self.config.deliver_group.as_str()).filter(|group| !group.is_empty());
        server.listen(self.link, subject, group)
    }

    /// Whether messages may still come.
    pub(crate) fn is_at_work(&self) -> bool {
        self.state != State::Ended
    }

    /// It takes nothing more.
    pub(crate) fn end(&mut self, server: &mut impl Server) -> Result<(), Broken> {
        if self.is_at_work() {
            self.state = State::Ended;
            server.leave(self.link)?;
        }
        Ok(())
    }

    /// The server was restarted: everybody connects again.
    pub(crate) fn reconnect(
        &mut self,
        server: &mut impl Server,
        topology: &Topology,
    ) -> Result<(), Broken> {
        if !self.is_at_work() {
            return Ok(());
        }
        self.link = server.connect(topology, None)?;
        self.state = State::Idle;
        self.listen(server)
    }

    /// Takes what has come, answers, and asks for more. Says whether it did anything.
    pub(crate) fn turn(
        &mut self,
        server: &mut impl Server,
        log: &mut Timeline,
    ) -> Result<bool, Broken> {
        if !self.is_at_work() {
            return Ok(false);
        }
        let mut acted = false;
        for heard in server.heard(self.link)? {
            let Heard { reply, status, payload } = heard;
            if let Some((code, text)) = status {
                self.told(server, log, code, &text, reply.as_deref())?;
            } else if let Some(delivery) = reply.and_then(|reply| delivery(reply, payload)) {
                acted = true;
                self.take(server, log, &delivery)?;
            }
            if !self.is_at_work() {
                return Ok(true);
            }
        }
        if self.state == State::Idle && self.push_subject().is_none() {
            self.ask(server)?;
            acted = true;
        }
        Ok(acted)
    }

    /// Asks for one message, however long it takes to come.
    fn ask(&mut self, server: &mut impl Server) -> Result<(), Broken> {
        let ConsumerName { stream, consumer } = &self.name;
        let request = PullRequest {
            batch: 1,
            expires: self.config.max_expires,
            group: self.config.priority_groups.first().cloned().unwrap_or_default(),
            ..PullRequest::default()
        };
        let request = Request::new(Call::ConsumerNext { stream, consumer }, &request);
        self.state = State::Waiting;
        server.request(self.link, &Message::plain(&request.subject, &request.body))
    }

    /// The server says something in place of a message.
    fn told(
        &mut self,
        server: &mut impl Server,
        log: &mut Timeline,
        code: u16,
        text: &str,
        reply: Option<&str>,
    ) -> Result<(), Broken> {
        match (code, reply) {
            (100, Some(reply)) => server.request(self.link, &Message::plain(reply, b""))?,
            (100, None) => {}
            (404 | 408, _) => self.state = State::Idle,
            _ => {
                self.end(server)?;
                let text = format!("{} ends: {code} {text}", self.name.consumer);
                log.delivered(server.passed(), &self.name, text);
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        server: &mut impl Server,
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
        let at = server.passed();
        let came = self.answer(server, delivery, answer)?;
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
        server: &mut impl Server,
        delivery: &Delivery,
        answer: Answer,
    ) -> Result<String, Broken> {
        let is_last = self.config.max_deliver > 0
            && i64::try_from(delivery.deliveries)
                .is_ok_and(|times| times >= self.config.max_deliver);
        match answer {
            Answer::Done => self.acknowledge(server, delivery, "+ACK")?,
            Answer::Retry(_) if is_last && self.dead_letter.is_some() => {
                return self.give_up(server, delivery);
            }
            Answer::Retry(after) => {
                let after = after
                    .map(|after| Duration::from_nanos(u64::try_from(after).unwrap_or_default()));
                let delay = retry_delay(&self.config, delivery.deliveries, after).as_nanos();
                self.acknowledge(server, delivery, &format!("-NAK {{\"delay\": {delay}}}"))?;
                let delay = i64::try_from(delay).unwrap_or(i64::MAX);
                if is_last {
                    return Ok(", and that was the last".to_owned());
                }
                return Ok(format!(", again in {}", show_duration(delay)));
            }
            Answer::Reject => return self.give_up(server, delivery),
            Answer::Nak(None) => self.acknowledge(server, delivery, "-NAK")?,
            Answer::Nak(Some(delay)) => {
                self.acknowledge(server, delivery, &format!("-NAK {{\"delay\": {delay}}}"))?;
            }
            Answer::Term => self.acknowledge(server, delivery, "+TERM")?,
            Answer::Silence => {}
            Answer::Crash => self.end(server)?,
        }
        Ok(String::new())
    }

    fn acknowledge(
        &mut self,
        server: &mut impl Server,
        delivery: &Delivery,
        text: &str,
    ) -> Result<(), Broken> {
        // Confirmed, so that it is on disk before anything else happens.
        server.ask(self.link, &Message::plain(&delivery.reply, text.as_bytes()))?;
        Ok(())
    }

    /// Keeps a message as a dead letter, as workers of `watershed work` do, and takes it from its consumer.
    fn give_up(&mut self, server: &mut impl Server, delivery: &Delivery) -> Result<String, Broken> {
        let mut came = String::new();
        if let Some(dead) = self.dead_letter.clone() {
            let ConsumerName { stream, consumer } = &self.name;
            let request = Request::bare(Call::StreamInfo(stream));
            let info = get::<StreamInfo>(server, self.link, &request)?.map_err(Broken::new)?;
            let subject = letter(stream, consumer, info.created.0, delivery.sequence);
            let headers = [(FIRST.0.to_owned(), FIRST.1.to_owned())];
            let payload = &delivery.payload;
            let message = Message { subject: &subject, headers: &headers, payload };
            let reply = server.ask(self.link, &message)?;
            came = match reply {
                Reply::Answer(_) => format!(", kept in {dead}"),
                Reply::Nobody | Reply::Denied(_) => {
                    format!(", not kept: {dead} takes no `{subject}`")
                }
            };
        }
        self.acknowledge(server, delivery, "+TERM")?;
        Ok(came)
    }
}

fn delivery(reply: String, payload: Vec<u8>) -> Option<Delivery> {
    let place = AckSubject::parse(reply.as_bytes())?;
    let (sequence, deliveries) = (place.stream_seq, place.deliveries);
    Some(Delivery { reply, sequence, deliveries, payload })
}
