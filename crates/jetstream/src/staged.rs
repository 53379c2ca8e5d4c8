//! Messages of atomic batches that have not come to their end.

use std::collections::BTreeMap;

use watershed_base::Tick;
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::publish::{BATCH_COMMIT, BATCH_SEQUENCE};
use watershed_wire::op::Publish;

use crate::limits::{BATCH_ID_BYTES_MAX, BATCHES_MAX, BATCHES_OF_STREAM_MAX};
use crate::state::StreamKey;

/// What a record takes in a round beside its content, at most.
const RECORD_OVERHEAD: usize = 128;

/// A message that waits for the end of its batch.
#[derive(Debug)]
pub(crate) struct Staged {
    subject: Box<[u8]>,
    header: Box<[u8]>,
    payload: Box<[u8]>,
}

impl Staged {
    pub(crate) fn new(message: &Publish<'_>) -> Self {
        let Publish { subject, header, payload, .. } = message;
        Self { subject: (*subject).into(), header: (*header).into(), payload: (*payload).into() }
    }

    pub(crate) fn len(&self) -> usize {
        self.subject.len() + self.header.len() + self.payload.len() + RECORD_OVERHEAD
    }

    pub(crate) fn publish(&self) -> Publish<'_> {
        let Self { subject, header, payload } = self;
        Publish { subject, reply: None, header, payload, has_header: true }
    }
}

/// A batch that has begun.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) messages: Vec<Staged>,
    /// When it is given up, unless another message comes.
    pub(crate) until: Tick,
}

/// All batches that have begun.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    pub(crate) of: BTreeMap<(StreamKey, Box<[u8]>), Batch>,
    pub(crate) bytes: usize,
}

/// The end of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With the message that says so.
    With,
    /// Before the message that says so.
    Before,
}

/// What a message says of its batch.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) number: usize,
    pub(crate) end: Option<End>,
}

impl Part {
    pub(crate) fn read(id: &[u8], block: HeaderBlock<'_>) -> Result<Self, ApiError> {
        if id.len() > BATCH_ID_BYTES_MAX {
            return Err(table::ATOMIC_PUBLISH_INVALID_BATCH_ID.into());
        }
        let number = block.value(BATCH_SEQUENCE).unwrap_or_default();
        let digits = std::str::from_utf8(number).ok().filter(|text| !text.starts_with('+'));
        let number = digits.and_then(|text| text.parse::<u64>().ok());
        let number = number.ok_or(table::ATOMIC_PUBLISH_MISSING_SEQ)?;
        let end = match block.value(BATCH_COMMIT) {
            None => None,
            Some(b"1") => Some(End::With),
            Some(b"eob") => Some(End::Before),
            Some(_) => return Err(table::ATOMIC_PUBLISH_INVALID_BATCH_COMMIT.into()),
        };
        Ok(Self { number: usize::try_from(number).unwrap_or(usize::MAX), end })
    }
}

/// Why a batch is given up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Why {
    Incomplete,
    Large,
    Timeout,
}

impl Why {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Large => "large",
            Self::Timeout => "timeout",
        }
    }
}

impl Batches {
    pub(crate) fn take(&mut self, key: StreamKey, id: &[u8]) -> Option<Vec<Staged>> {
        let batch = self.of.remove(&(key, id.into()))?;
        self.bytes -= batch.messages.iter().map(Staged::len).sum::<usize>();
        Some(batch.messages)
    }

    /// Batches of a stream that have begun.
    fn ids(&self, key: StreamKey) -> impl Iterator<Item = &[u8]> {
        let own = self.of.range((key, Box::default())..);
        own.take_while(move |((of, _), _)| *of == key).map(|((_, id), _)| &**id)
    }

    /// A stream is gone, or takes no batches any more.
    pub(crate) fn forget(&mut self, key: StreamKey) {
        let ids: Vec<Box<[u8]>> = self.ids(key).map(Box::from).collect();
        for id in ids {
            self.take(key, &id);
        }
    }

    /// Whether a batch may begin.
    pub(crate) fn has_room(&self, key: StreamKey) -> bool {
        self.of.len() < BATCHES_MAX && self.ids(key).count() < BATCHES_OF_STREAM_MAX
    }
}
