//! Events applied, and the state at a checkpoint.

use watershed_store::Log;
use watershed_store::bytes::{BadState, Reader, put_count, put_counted, put_i64, put_u64};
use watershed_wire::jetstream::consumer::AckPolicy;
use watershed_wire::time::UnixNanos;

use super::{Consumer, Event};
use crate::now::{Now, Tick};
use crate::stream::StreamKey;

impl Consumer {
    /// Keeps an event for the next round.
    pub(super) fn remember(&mut self, event: Event) {
        event.encode(&mut self.unsaved);
    }

    /// Events that no round has taken yet.
    pub(crate) fn take_unsaved(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unsaved)
    }

    /// Bytes of events that no round has taken yet.
    pub(crate) fn unsaved_len(&self) -> usize {
        self.unsaved.len()
    }

    pub(crate) fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// Changes the position, now or when the journal is replayed. Says whether a message is done.
    pub(crate) fn apply(&mut self, now: Now, event: Event) -> bool {
        match event {
            Event::Delivered { sequence, consumer_seq, deliveries } => {
                self.deliver(now, sequence, consumer_seq, deliveries);
                self.config.ack_policy == AckPolicy::None
            }
            Event::Acked { sequence } => {
                self.last_acked = Some(now.wall);
                self.outstanding.remove(sequence)
            }
            Event::AckedAll { sequence } => {
                self.last_acked = Some(now.wall);
                let done = self.outstanding.up_to(sequence);
                for sequence in &done {
                    self.outstanding.remove(*sequence);
                }
                !done.is_empty()
            }
            Event::GivenUp { sequence } => {
                self.outstanding.remove(sequence);
                false
            }
            Event::Retry { sequence, at } => {
                let wait = u64::try_from(at.0.saturating_sub(now.wall.0)).unwrap_or(0);
                match wait {
                    0 => self.outstanding.retry(sequence),
                    wait => self.outstanding.postpone(sequence, Tick(now.tick.0 + wait)),
                }
                false
            }
        }
    }

    fn deliver(&mut self, now: Now, sequence: u64, consumer_seq: u64, deliveries: u64) {
        self.deliveries = consumer_seq;
        self.last_delivered = Some(now.wall);
        if deliveries == 1 {
            self.backlog = self.backlog.saturating_sub(1);
            if self.ahead.front() == Some(&sequence) {
                self.ahead.pop_front();
            } else {
                self.cursor = self.cursor.max(sequence + 1);
            }
            self.delivered = self.delivered.max(sequence);
        }
        if self.config.ack_policy != AckPolicy::None {
            let wait = u64::try_from(self.ack_wait(deliveries)).unwrap_or(0);
            let deadline = Tick(now.tick.0.saturating_add(wait));
            self.outstanding.deliver(sequence, consumer_seq, deliveries, deadline);
        }
    }

    /// Appends what [`Consumer::restore`] reads.
    pub(crate) fn checkpoint(&self, out: &mut Vec<u8>) {
        let config = serde_json::to_vec(&self.config).expect("configurations are JSON");
        put_counted(out, &config);
        put_i64(out, self.created.0);
        for number in [self.cursor, self.deliveries, self.delivered] {
            put_u64(out, number);
        }
        put_count(out, self.ahead.len());
        for sequence in &self.ahead {
            put_u64(out, *sequence);
        }
        put_count(out, self.outstanding.len());
        for (sequence, delivery) in self.outstanding.iter() {
            put_u64(out, sequence);
            put_u64(out, delivery.consumer_seq);
            put_u64(out, delivery.deliveries);
        }
    }

    /// Reads a consumer of `stream`. What was outstanding has all of its time again.
    pub(crate) fn restore(
        reader: &mut Reader<'_>,
        now: Now,
        stream: StreamKey,
        log: &Log,
    ) -> Result<Self, BadState> {
        let config = serde_json::from_slice(reader.counted()?).map_err(|_| BadState)?;
        let created = UnixNanos(reader.i64()?);
        let mut consumer = Self::new(stream, config, created, log);
        consumer.cursor = reader.u64()?;
        consumer.deliveries = reader.u64()?;
        consumer.delivered = reader.u64()?;
        let ahead = reader.count(8)?;
        consumer.ahead = (0..ahead).map(|_| reader.u64()).collect::<Result<_, _>>()?;
        for _ in 0..reader.count(24)? {
            let (sequence, consumer_seq) = (reader.u64()?, reader.u64()?);
            let deliveries = reader.u64()?;
            let wait = u64::try_from(consumer.ack_wait(deliveries)).unwrap_or(0);
            let deadline = Tick(now.tick.0.saturating_add(wait));
            consumer.outstanding.deliver(sequence, consumer_seq, deliveries, deadline);
        }
        consumer.count_backlog(log);
        Ok(consumer)
    }
}
