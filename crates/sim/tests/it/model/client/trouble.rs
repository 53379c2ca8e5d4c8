//! What a client makes of a disk that refuses: some of what it asked for was done, and the rest was not.

use super::{Client, Health, PATIENCE, RETRY};
use crate::model::api::{self, StreamView};
use crate::model::operation::STREAMS;
use crate::model::outcome::every_outcome;
use crate::model::past::{Restarts, find};

impl Client<'_> {
    /// The disk refused: what is on it is what is true, and that is what clients are shown.
    pub(super) fn failed(&mut self) -> Result<(), String> {
        self.health = Health::Failed;
        self.trace(|| "    the disk failed".into());
        self.made_durable();
        self.ahead.clear();
        // Who waited is told; what comes after that follows from what is on disk.
        let (told, others) =
            self.node.received().into_iter().partition(|message| message.subject.starts_with("r."));
        self.unheard = told;
        self.listen()?;
        self.unheard = others;
        self.asked.clear();
        let done = self.finish_call();
        self.look(Restarts::Refused);
        if let Some((number, stream)) = done {
            self.past(stream).told(number);
        }
        if self.is_dead() { Ok(()) } else { self.listen() }
    }

    /// Tries whether a disk that refused takes writes again. If it does, everything works as before.
    pub(crate) fn heal(&mut self) -> Result<(), String> {
        if self.health != Health::Failed || self.node.heal().is_err() {
            return Ok(());
        }
        self.trace(|| "    the disk is tried again".into());
        for _ in 0..PATIENCE {
            if self.node.commit().is_err() {
                return self.failed();
            }
            self.listen()?;
            self.keep()?;
        }
        self.pass(RETRY)?;
        if self.is_dead() {
            return Ok(());
        }
        self.asked.clear();
        self.look(Restarts::No);
        if self.is_dead() {
            return Ok(());
        }
        self.health = Health::Works;
        self.listen()
    }

    /// Looks which of the states that streams may have they do have.
    fn look(&mut self, restarts: Restarts) {
        let now = self.now();
        for stream in STREAMS {
            // Where nothing can be read, a restart will tell.
            let Ok(seen) = StreamView::seen(self, stream) else { continue };
            if let Some(seen) = &seen {
                self.delivered_before(stream, seen);
            }
            match find(&self.world[stream], now, restarts, seen.as_ref()) {
                Ok((operation, state)) => self.past(stream).push(operation, state),
                // What a change leaves to be done is not done yet: a restart will tell.
                Err(_) => self.health = Health::Dead,
            }
        }
    }

    /// What came before the client looked was delivered from a state that it does not know yet.
    fn delivered_before(&mut self, stream: &'static str, seen: &StreamView) {
        let (number, present) = (self.operations, self.present());
        for message in std::mem::take(&mut self.unheard) {
            let delivery =
                api::delivery(&message.subject, message.reply.as_deref(), &message.payload);
            let delivery = delivery.filter(|own| {
                let consumer = seen.consumers.get(&own.consumer).filter(|_| own.stream == stream);
                consumer.is_some_and(|consumer| own.consumer_seq <= consumer.delivered.0)
            });
            let Some(delivery) = delivery else {
                self.unheard.push(message);
                continue;
            };
            let after = self.world[stream].states().filter_map(|(_, state)| {
                let mut next = state?.clone();
                next.delivered(present, &delivery).is_ok().then_some(next)
            });
            for next in after.collect::<Vec<_>>() {
                self.past(stream).push_doubtful(number, Some(next));
            }
            self.deliveries.push(delivery);
        }
    }

    /// What the client waits for is done on what is on disk, if that is possible. Says what was done.
    fn finish_call(&mut self) -> Option<(u64, &'static str)> {
        let (number, stream, operation) = self.awaited.take()?;
        let now = self.now();
        let all = self.world[stream]
            .states()
            .flat_map(|(_, state)| every_outcome(state, now, &operation));
        for next in all.collect::<Vec<_>>() {
            self.past(stream).push_doubtful(number, next);
        }
        for _ in 0..PATIENCE {
            if !self.node.has_work() {
                break;
            }
            let (Ok(()) | Err(_)) = self.node.commit();
            self.unheard.extend(self.node.received());
            let mut came = self.unheard.iter();
            if let Some(answer) = came.find(|own| own.subject == format!("r.{number}")) {
                let reply = serde_json::from_str(&answer.payload).ok()?;
                return api::code(&reply).is_none().then_some((number, stream));
            }
        }
        None
    }
}
