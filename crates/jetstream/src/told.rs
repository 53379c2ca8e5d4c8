//! What people are to be told, and what is remembered for that.

use std::collections::{BTreeMap, VecDeque};

use watershed_base::AccountId;
use watershed_wire::jetstream::client::ClientInfo;
use watershed_wire::time::UnixNanos;

use crate::limits::NOTICE_BYTES_WAITING_MAX;

/// Calls that wait for a change, of which it is remembered who made them.
const REMEMBERED_MAX: usize = 1024;

/// Something that is told.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) account: AccountId,
    pub(crate) subject: Box<str>,
    pub(crate) body: Box<str>,
}

impl Notice {
    fn len(&self) -> usize {
        self.subject.len() + self.body.len() + size_of::<Self>()
    }
}

/// What is to be told, in order.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    all: VecDeque<Notice>,
    bytes: usize,
}

impl Notices {
    /// Takes one in. They go faster than they come, unless one change makes many: some are left out then.
    pub(crate) fn push(&mut self, notice: Notice) {
        if self.bytes + notice.len() <= NOTICE_BYTES_WAITING_MAX {
            self.bytes += notice.len();
            self.all.push_back(notice);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Notice> {
        let notice = self.all.pop_front()?;
        self.bytes -= notice.len();
        Some(notice)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// Who made a call.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) client: ClientInfo,
    /// Whether somebody wants to hear of it.
    pub(crate) is_audited: bool,
}

/// A call that is remembered until it is answered; 0 for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AuditId(u32);

/// A call that waits for a change.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) subject: Box<str>,
    pub(crate) request: Box<[u8]>,
    pub(crate) client: ClientInfo,
}

/// The calls that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Audits {
    all: BTreeMap<u32, Audit>,
    last: u32,
}

impl Audits {
    /// Remembers a call. Of very many, the oldest is forgotten.
    pub(crate) fn remember(&mut self, audit: Audit) -> AuditId {
        if self.all.len() >= REMEMBERED_MAX {
            self.all.pop_first();
        }
        self.last = self.last.wrapping_add(1).max(1);
        self.all.insert(self.last, audit);
        AuditId(self.last)
    }

    /// The call, which is answered.
    pub(crate) fn take(&mut self, id: AuditId) -> Option<Audit> {
        self.all.remove(&id.0)
    }
}

/// Who asked for a snapshot or a restore, and when.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) client: ClientInfo,
    pub(crate) at: UnixNanos,
}
