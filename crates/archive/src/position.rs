//! Where a consumer is, as nats-server keeps it.

use serde::{Deserialize, Serialize};

use crate::bad::BadArchive;
use crate::blocks::varint;

/// What the file begins with, and the version that is written.
const MAGIC: u8 = 22;
const VERSION: u8 = 2;

/// A message that was delivered and not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Which delivery of the consumer was its first.
    pub consumer_seq: u64,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// Where a consumer is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Deliveries so far.
    pub deliveries: u64,
    /// The highest sequence of the stream that was delivered.
    pub delivered: u64,
    /// What is not acknowledged, by sequence.
    pub pending: Vec<Pending>,
}

impl Position {
    /// Everything up to here is acknowledged: in the consumer's count, and in the stream's.
    pub fn floor(&self) -> (u64, u64) {
        let first = self.pending.first();
        let behind =
            |own: &Pending| (own.consumer_seq.saturating_sub(1), own.sequence.saturating_sub(1));
        first.map_or((self.deliveries, self.delivered), behind)
    }

    /// The file. `seconds` is the time since 1970.
    pub(crate) fn encode(&self, seconds: i64) -> Vec<u8> {
        let mut out = vec![MAGIC, VERSION];
        let (consumer_floor, stream_floor) = self.floor();
        for number in [consumer_floor, stream_floor, self.deliveries, self.delivered] {
            put(number, &mut out);
        }
        put(self.pending.len() as u64, &mut out);
        if !self.pending.is_empty() {
            put_signed(seconds, &mut out);
        }
        for own in &self.pending {
            put(own.sequence.saturating_sub(stream_floor), &mut out);
            put(own.consumer_seq.saturating_sub(consumer_floor), &mut out);
            put_signed(0, &mut out);
        }
        let again = self.pending.iter().filter(|own| own.deliveries > 1);
        put(again.clone().count() as u64, &mut out);
        for own in again {
            put(own.sequence.saturating_sub(stream_floor), &mut out);
            put(own.deliveries - 1, &mut out);
        }
        out
    }

    /// Reads the file.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadArchive> {
        Self::read(bytes).ok_or(BadArchive("the position of a consumer is broken"))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (&[MAGIC, VERSION], mut bytes) = bytes.split_first_chunk()? else { return None };
        let mut number = || varint(&mut bytes);
        let (consumer_floor, stream_floor) = (number()?, number()?);
        let (deliveries, delivered) = (number()?, number()?);
        if (delivered | stream_floor | deliveries | consumer_floor) >= 1 << 62 {
            return None;
        }
        let count = number()?;
        if count > 0 {
            number()?; // The time that others are told from.
        }
        let mut pending = Vec::new();
        for _ in 0..count {
            let sequence = number()?.checked_add(stream_floor)?;
            let consumer_seq = number()?.checked_add(consumer_floor)?;
            number()?;
            if sequence == 0 || sequence > delivered {
                return None;
            }
            pending.push(Pending { sequence, consumer_seq: consumer_seq.max(1), deliveries: 1 });
        }
        pending.sort_by_key(|own| own.sequence);
        if pending.windows(2).any(|two| two[0].sequence == two[1].sequence) {
            return None;
        }
        for _ in 0..number()? {
            let (sequence, count) = (number()?.checked_add(stream_floor)?, number()?);
            let found = pending.binary_search_by_key(&sequence, |own| own.sequence);
            if let Some(own) = found.ok().and_then(|index| pending.get_mut(index)) {
                own.deliveries = count.checked_add(1).filter(|all| *all < 1 << 62)?;
            }
        }
        Some(Self { deliveries, delivered, pending })
    }
}

fn put(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn put_signed(number: i64, out: &mut Vec<u8>) {
    put(((number << 1) ^ (number >> 63)).cast_unsigned(), out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pending(sequence: u64, consumer_seq: u64, deliveries: u64) -> Pending {
        Pending { sequence, consumer_seq, deliveries }
    }

    /// What nats-server 2.14 wrote of a consumer that has delivered three messages.
    #[test]
    fn positions_are_those_of_nats_server() {
        let bytes =
            b"\x16\x02\0\0\x03\x05\x03\xb8\xbd\xcf\xb0\x0d\x01\x01\x02\x03\x02\x02\x05\x03\x02\0";
        let position = Position::decode(bytes).unwrap();
        let all = vec![pending(1, 1, 1), pending(3, 2, 1), pending(5, 3, 1)];
        assert_eq!(position, Position { deliveries: 3, delivered: 5, pending: all });
        let finished = Position::decode(b"\x16\x02\x01\x01\x01\x01\0\0").unwrap();
        assert_eq!(finished, Position { deliveries: 1, delivered: 1, pending: Vec::new() });
        assert_eq!(finished.encode(1), b"\x16\x02\x01\x01\x01\x01\0\0");
    }

    proptest! {
        #[test]
        fn positions_come_back(
            gaps in prop::collection::vec((1_u64..50, 1_u64..4), 0..20),
            more in 0_u64..5,
        ) {
            let mut position = Position::default();
            for (gap, deliveries) in gaps {
                position.delivered += gap;
                position.deliveries += 1;
                position.pending.push(pending(position.delivered, position.deliveries, deliveries));
            }
            position.delivered += more;
            position.deliveries += more;
            prop_assert_eq!(Position::decode(&position.encode(1_700_000_000)), Ok(position));
        }

        #[test]
        fn anything_is_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 2..100)) {
            (bytes[0], bytes[1]) = (MAGIC, VERSION);
            let _ = Position::decode(&bytes);
        }
    }
}
