//! What a client hears: answers, deliveries, and what consumers give up.

use serde_json::Value;
use watershed_sim::node::Received;

use super::{Ahead, Client, UNAVAILABLE};
use crate::model::api;
use crate::model::consumer::Delivery;
use crate::model::operation::{Operation, STREAMS};
use crate::model::stream::{Stream, Told};

impl Client<'_> {
    /// Takes note of what came.
    pub(super) fn listen(&mut self) -> Result<(), String> {
        if self.is_dead() {
            return Ok(());
        }
        let mut came = std::mem::take(&mut self.unheard);
        came.extend(self.node.received());
        for message in came {
            self.trace(|| {
                format!("    {} {:?} {}", message.subject, message.reply, message.payload)
            });
            if let Some(delivery) =
                api::delivery(&message.subject, message.reply.as_deref(), &message.payload)
            {
                self.delivered(delivery)?;
            } else if message.subject.starts_with("$JS.EVENT.") {
                self.advised(&message)?;
            } else if let Some(number) = message.subject.strip_prefix("r.") {
                // A batch says more.
                let number = number.split('.').next().unwrap_or_default();
                let number = number.parse().map_err(|_| format!("{message:?}"))?;
                self.answered(number, &message.payload)?;
            }
        }
        Ok(())
    }

    fn answered(&mut self, number: u64, payload: &str) -> Result<(), String> {
        if let Some(step) = self.journal.as_mut().and_then(|all| all.last_mut()) {
            step.answer = serde_json::from_str(payload).ok();
            step.heard = true;
        }
        if self.awaited.as_ref().is_some_and(|(awaited, ..)| *awaited == number) {
            return self.call_answered(payload);
        }
        let Some(asked) = self.asked.remove(&number) else { return Ok(()) };
        if let Some(expected) = asked.told {
            let reply = serde_json::from_str(payload).map_err(|error| error.to_string())?;
            let told = api::told(&reply);
            match told {
                // It may have happened, where it is not known whether the disk did its part.
                Told::Refused(code) if UNAVAILABLE.contains(&code) && !self.dies => {
                    self.refused = number;
                    return Ok(());
                }
                // Without a disk, what a client said to its deliveries has no effect yet.
                Told::Refused(_) if !self.works() => return Ok(()),
                _ if told != expected => {
                    let number = asked.operation;
                    return Err(format!("publish {number} is told {told:?}, not {expected:?}"));
                }
                // What was so before says nothing of what is on its way.
                Told::Refused(_) | Told::Duplicate(_) => return Ok(()),
                Told::Stored(_) => {}
            }
        }
        self.answered = asked.operation;
        if let Some((_, next)) = self.doubted.take_if(|(own, _)| *own == asked.operation) {
            self.past(asked.stream).push(asked.operation, Some(next));
        }
        let (operation, stream) = (asked.operation, asked.stream);
        let waits =
            asked.told.is_none() || self.world[stream].now().is_none_or(|own| !own.rules.is_async);
        if waits {
            self.past(stream).told(operation);
        } else {
            self.ahead.push(Ahead { operation, stream, round: self.node.accepted() });
        }
        Ok(())
    }

    fn delivered(&mut self, delivery: Delivery) -> Result<(), String> {
        let Some(stream) = STREAMS.into_iter().find(|own| *own == delivery.stream) else {
            return Err(format!("a delivery of no stream: {delivery:?}"));
        };
        let number = self.operations;
        let mut next = self.world[stream].now().cloned().ok_or("a delivery of no stream")?;
        let purges = matches!(&self.awaited,
            Some((_, own, Operation::Purge { .. })) if *own == stream);
        let set = |stream: &mut Stream, loses| {
            stream.consumers.values_mut().for_each(|consumer| consumer.loses = loses);
        };
        set(&mut next, purges);
        next.delivered(self.present(), &delivery)
            .map_err(|error| format!("{error}: {delivery:?}"))?;
        set(&mut next, false);
        self.past(stream).push(number, Some(next));
        if let Some(step) = self.journal.as_mut().and_then(|all| all.last_mut()) {
            step.got.push(delivery.clone());
        }
        self.deliveries.push(delivery);
        self.served += 1;
        self.happened += 1;
        Ok(())
    }

    /// A consumer has given a message up.
    fn advised(&mut self, message: &Received) -> Result<(), String> {
        let advice: Value =
            serde_json::from_str(&message.payload).map_err(|error| error.to_string())?;
        let name = advice["stream"].as_str().unwrap_or_default();
        let Some(stream) = STREAMS.into_iter().find(|own| *own == name) else { return Ok(()) };
        let number = self.operations;
        let mut next = self.world[stream].now().cloned().ok_or("advice on no stream")?;
        let consumer = advice["consumer"].as_str().unwrap_or_default();
        let sequence = advice["stream_seq"].as_u64().unwrap_or(0);
        self.happened += 1;
        next.given_up(self.present(), consumer, sequence)
            .map_err(|error| format!("{error}: {advice}"))?;
        self.past(stream).push(number, Some(next));
        Ok(())
    }
}
