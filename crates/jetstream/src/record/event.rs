//! What changes a consumer's position, as the journal keeps it.
//!
//! ```text
//! 1  delivered: sequence (8), consumer sequence (8), deliveries (8)
//! 2  acknowledged: sequence (8)
//! 3  acknowledged with all before it: sequence (8)
//! 4  given up: sequence (8)
//! 5  to be delivered again: sequence (8), at (8, nanoseconds since 1970)
//! ```

use watershed_store::bytes::{BadState, Reader, put_i64, put_u64};
use watershed_wire::time::UnixNanos;

/// What changes a consumer's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Delivered { sequence: u64, consumer_seq: u64, deliveries: u64 },
    Acked { sequence: u64 },
    AckedAll { sequence: u64 },
    GivenUp { sequence: u64 },
    Retry { sequence: u64, at: UnixNanos },
}

impl Event {
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::Delivered { sequence, consumer_seq, deliveries } => {
                out.push(1);
                put_u64(out, sequence);
                put_u64(out, consumer_seq);
                put_u64(out, deliveries);
            }
            Self::Acked { sequence } => {
                out.push(2);
                put_u64(out, sequence);
            }
            Self::AckedAll { sequence } => {
                out.push(3);
                put_u64(out, sequence);
            }
            Self::GivenUp { sequence } => {
                out.push(4);
                put_u64(out, sequence);
            }
            Self::Retry { sequence, at } => {
                out.push(5);
                put_u64(out, sequence);
                put_i64(out, at.0);
            }
        }
    }
}

/// Reads events, one behind the other.
pub(crate) fn decode_events(bytes: &[u8]) -> impl Iterator<Item = Result<Event, BadState>> {
    let mut reader = Reader(bytes);
    std::iter::from_fn(move || {
        if reader.0.is_empty() {
            return None;
        }
        let event = decode(&mut reader);
        if event.is_err() {
            // Where the next one begins is not known.
            reader = Reader(&[]);
        }
        Some(event)
    })
}

fn decode(reader: &mut Reader<'_>) -> Result<Event, BadState> {
    let kind = reader.u8()?;
    let sequence = reader.u64()?;
    Ok(match kind {
        1 => {
            let (consumer_seq, deliveries) = (reader.u64()?, reader.u64()?);
            Event::Delivered { sequence, consumer_seq, deliveries }
        }
        2 => Event::Acked { sequence },
        3 => Event::AckedAll { sequence },
        4 => Event::GivenUp { sequence },
        5 => Event::Retry { sequence, at: UnixNanos(reader.i64()?) },
        _ => return Err(BadState),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive() {
        let events = [
            Event::Delivered { sequence: 1, consumer_seq: 2, deliveries: 3 },
            Event::Acked { sequence: 4 },
            Event::AckedAll { sequence: 5 },
            Event::GivenUp { sequence: 6 },
            Event::Retry { sequence: 7, at: UnixNanos(8) },
        ];
        let mut bytes = Vec::new();
        for event in &events {
            event.encode(&mut bytes);
        }
        let read = |bytes: &[u8]| decode_events(bytes).collect::<Result<Vec<_>, _>>();
        assert_eq!(read(&bytes), Ok(events.to_vec()));
        assert!(read(&bytes[..bytes.len() - 1]).is_err());
        assert!(read(&[9; 9]).is_err());
    }
}
