//! Streams and consumers of a node: what all parts of it share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use watershed_base::{AccountId, Now, Random, Tick, Timers};
use watershed_store::log::Position;
use watershed_store::log::{BLOCK_BYTES, Sealed};
use watershed_store::{LogId, Record};
use watershed_wire::header::HeaderWriter;
use watershed_wire::jetstream::check::Bounds;
use watershed_wire::op::Publish;

use crate::accounts::AccountsAtWork;
use crate::ahead::Ahead;
use crate::batch_reads::BatchReads;
use crate::calls::Calls;
use crate::consumer_key::ConsumerKey;
use crate::damage::{Damage, Damaged};
use crate::disk::Disk;
use crate::fast::FastBatches;
use crate::garbage::Garbage;
use crate::gather::Gather;
use crate::limits::{JOURNAL_BYTES_PER_CHECKPOINT, ROUND_BYTES_WAITING_MAX, TAIL_BYTES_MAX};
use crate::live::{Live, LiveTable};
use crate::network::Network;
use crate::output::DiskOutput;
use crate::publishes::{Expecting, Republished};
use crate::reading::Reading;
use crate::record::{Command, command_record};
use crate::restores::Restore;
use crate::rounds::{Owed, Refused, Rounds};
use crate::snapshots::Snapshot;
use crate::staged::Batches;
use crate::state::{Effects, Hit, Search, State, StreamKey, Subjects, Writer};
use crate::tail::Tail;
use crate::told::{Audits, Begun, Caller, Notices};
use crate::uncounted::Unsettled;

/// What JetStream may use.
#[derive(Debug, Clone, Copy)]
pub struct JetStreamSettings {
    /// Bytes on disk that streams may set aside; when they keep more, nothing is taken.
    pub max_file_store: u64,
    /// Bytes in memory that streams may set aside; when they keep more, nothing is taken.
    pub max_memory_store: u64,
    /// Bounds of every account's streams and consumers.
    pub bounds: Bounds,
    /// Bytes of rounds after which a checkpoint lets the journal be used again.
    pub journal_bytes_per_checkpoint: usize,
    /// Bytes at which a block of a stream is sealed.
    pub block_bytes: u32,
}

impl JetStreamSettings {
    /// Settings for a store of at most this many bytes on disk and in memory.
    pub fn new(max_file_store: u64, max_memory_store: u64) -> Self {
        Self {
            max_file_store,
            max_memory_store,
            bounds: Bounds::default(),
            journal_bytes_per_checkpoint: JOURNAL_BYTES_PER_CHECKPOINT,
            block_bytes: BLOCK_BYTES,
        }
    }
}

/// What an account may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountStore {
    /// Whether it may have streams at all.
    pub enabled: bool,
    /// Bytes in memory that its streams may keep, or set aside.
    pub max_memory: Option<u64>,
    /// Bytes on disk that its streams may keep, or set aside.
    pub max_file: Option<u64>,
    /// Bounds of its streams and consumers.
    pub bounds: Bounds,
}

impl Default for AccountStore {
    fn default() -> Self {
        Self { enabled: true, max_memory: None, max_file: None, bounds: Bounds::default() }
    }
}

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    /// A consumer has something to do.
    Consumer(ConsumerKey),
    /// Events of consumers have waited long enough for a round.
    Events,
    /// A round has waited long enough for company.
    Round,
    /// Streams that had no room for copies try again.
    Follow,
    /// The oldest message of a stream is too old.
    Expire(StreamKey),
    /// The time of a stream's next schedule has come.
    Schedules(StreamKey),
    /// What is still to be done to a stream, and had no room for its record, is tried again.
    Chores(StreamKey),
    /// Work of streams in memory goes on, after others had their turn.
    Local,
    /// Blocks that hold nothing any more are to go.
    Space,
    /// A batch has waited for too long for its end.
    Batches,
    /// A fast batch of a stream has waited for too long for its next message.
    FastBatches(StreamKey),
    /// It is looked at who keeps a snapshot or a restore waiting.
    Archives,
}

/// A change of something that no journal keeps, that goes on when others had their turn.
#[derive(Debug)]
pub(crate) struct LocalChange {
    pub(crate) log: LogId,
    pub(crate) command: Command,
    pub(crate) owed: OwnedOwed,
}

/// A consumer whose backlog is being counted, and the reply that is owed when it is.
#[derive(Debug)]
pub(crate) struct Counting {
    pub(crate) key: ConsumerKey,
    pub(crate) owed: OwnedOwed,
}

/// What a call waits for.
#[derive(Debug)]
pub(crate) enum Work {
    /// A message that a wildcard takes.
    Search(Search),
    /// Subjects that a filter takes.
    Subjects(Subjects),
}

/// What was found for a call that has waited.
#[derive(Debug)]
pub(crate) enum Found {
    Message(Hit),
    Subjects(Subjects),
}

/// A call that waits for a search.
#[derive(Debug)]
pub(crate) struct Searching {
    pub(crate) log: LogId,
    pub(crate) work: Work,
    pub(crate) account: AccountId,
    pub(crate) subject: Box<str>,
    pub(crate) reply: Box<[u8]>,
    pub(crate) body: Box<[u8]>,
    pub(crate) caller: Option<Box<Caller>>,
    /// Whether calls of its account wait for it.
    pub(crate) changes: bool,
}

impl Searching {
    /// Memory that the call takes while it waits, beside what it has found.
    pub(crate) fn len(&self) -> usize {
        self.subject.len() + self.reply.len() + self.body.len() + size_of::<Self>()
    }
}

/// A reply that is owed, with its subject.
#[derive(Debug)]
pub(crate) struct OwnedOwed {
    pub(crate) account: AccountId,
    pub(crate) subject: Box<[u8]>,
    pub(crate) asked: crate::rounds::Asked,
}

impl OwnedOwed {
    pub(crate) fn new(owed: Owed<'_>) -> Self {
        Self { account: owed.account, subject: owed.subject.into(), asked: owed.asked }
    }

    pub(crate) fn borrow(&self) -> Owed<'_> {
        Owed { account: self.account, subject: &self.subject, asked: self.asked }
    }
}

/// JetStream of one node. See the crate's documentation.
#[derive(Debug)]
pub struct JetStream {
    /// `None` where JetStream is off.
    pub(crate) settings: Option<JetStreamSettings>,
    /// Its domain; empty for none.
    pub(crate) domain: String,
    /// What accounts may keep, where it is not everything.
    pub(crate) stores: BTreeMap<AccountId, AccountStore>,
    /// What runs for accounts.
    pub(crate) work: AccountsAtWork,
    pub(crate) state: State,
    /// Streams at work, by their places.
    pub(crate) live: LiveTable,
    pub(crate) timers: Timers<TimerKey>,
    pub(crate) random: Random,
    /// The present, as it was last told.
    pub(crate) now: Now,
    /// Consumers that may have something to deliver.
    pub(crate) ready: BTreeSet<ConsumerKey>,
    /// The one of them that had its turn last.
    pub(crate) served: ConsumerKey,
    /// Consumers that wait for a client to read what it has been sent.
    pub(crate) held: BTreeSet<ConsumerKey>,
    /// Consumers whose requests wait for what is on its way to the disk.
    pub(crate) settling: BTreeSet<ConsumerKey>,
    /// Push consumers by where they deliver.
    pub(crate) targets: BTreeMap<(AccountId, Box<[u8]>), BTreeSet<ConsumerKey>>,
    /// Streams with consumers that have events which no record has taken.
    pub(crate) unsaved: BTreeSet<StreamKey>,
    /// Streams that may have something to copy.
    pub(crate) following: BTreeSet<StreamKey>,
    /// Streams that have something to copy and no room for it.
    pub(crate) following_waits: BTreeSet<StreamKey>,
    pub(crate) calls: Calls,
    pub(crate) local: Vec<LocalChange>,
    /// Consumers that do not know yet what they have before them.
    pub(crate) counting: VecDeque<Counting>,
    /// Calls that wait for a search, and what they take.
    pub(crate) searching: VecDeque<Searching>,
    pub(crate) searching_bytes: usize,
    /// Batches of messages that clients read.
    pub(crate) batch_reads: BatchReads,
    /// What people are to be told.
    pub(crate) notices: Notices,
    /// Who made calls that wait for a change.
    pub(crate) audits: Audits,
    /// Publishes that wait for a search.
    pub(crate) expecting: Expecting,
    /// What is counted when a change is made.
    pub(crate) unsettled: Unsettled,
    /// What was published again and is to be stored.
    pub(crate) republished: Republished,
    /// Atomic batches that have begun.
    pub(crate) batches: Batches,
    /// Fast batches that have begun.
    pub(crate) fast: FastBatches,
    /// What was found for the call that is being answered.
    pub(crate) found: Option<Found>,
    /// Snapshots that are being sent, by their names, and those of them that may go on.
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    pub(crate) snapshots_ready: VecDeque<String>,
    /// Streams that are being made out of archives, by their names.
    pub(crate) restores: BTreeMap<String, Restore>,
    /// Those that are complete but for their last record: who asked for them, and their bytes.
    pub(crate) restored: BTreeMap<LogId, (Begun, u64)>,
    /// Logs of hidden streams that nobody finishes, and that are to go.
    pub(crate) restores_left: Vec<LogId>,
    /// Consumers that have acknowledged messages which are still to go, and who waits for that.
    pub(crate) acknowledging: BTreeMap<ConsumerKey, Vec<OwnedOwed>>,
    /// Messages that went in this turn because they were acknowledged with others.
    pub(crate) finished: u64,
    /// The consumer that had its turn last.
    pub(crate) finished_for: ConsumerKey,
    /// Consumers whose deliveries are to get other times.
    pub(crate) rescheduling: BTreeSet<ConsumerKey>,
    pub(crate) rounds: Rounds,
    pub(crate) gather: Gather,
    pub(crate) tail: Tail,
    /// Reads on their way, by ticket.
    pub(crate) reads: BTreeMap<u64, Reading>,
    last_ticket: u64,
    pub(crate) damage: Damage,
    /// Number of the last log that was given away.
    last_log: u32,
    /// Bytes of rounds since the last checkpoint.
    pub(crate) journal_bytes: usize,
    pub(crate) disk: Disk,
    /// What is acknowledged and not durable.
    pub(crate) ahead: Ahead,
    /// A checkpoint after this round, as far as it is written.
    pub(crate) writing: Option<(u64, Writer)>,
    /// Logs with full blocks whose footers are to be made.
    pub(crate) sealing: VecDeque<LogId>,
    /// Footers that are made and not written.
    pub(crate) sealed: Vec<(LogId, Sealed)>,
    pub(crate) outputs: Vec<DiskOutput>,
    /// Memory of what has gone, to be freed a little at a time.
    pub(crate) garbage: Vec<Garbage>,
    /// Where effects are gathered.
    pub(crate) effects: Effects,
    pub(crate) refused: Refused,
    /// Where replies are put together.
    pub(crate) scratch: Vec<u8>,
    /// Where a record is kept while it is delivered.
    pub(crate) record: Vec<u8>,
    /// Where the subject is kept that it is delivered to.
    pub(crate) via: Vec<u8>,
}

impl JetStream {
    /// JetStream without streams; `None` where it is off. `seed` is that of all choices.
    pub fn new(settings: Option<JetStreamSettings>, seed: u64) -> Self {
        let block_bytes = settings.map_or(BLOCK_BYTES, |settings| settings.block_bytes);
        Self {
            settings,
            domain: String::new(),
            stores: BTreeMap::new(),
            work: AccountsAtWork::default(),
            state: State::new(block_bytes),
            live: LiveTable::default(),
            timers: Timers::default(),
            random: Random::new(seed),
            now: Now::default(),
            ready: BTreeSet::new(),
            served: ConsumerKey::default(),
            held: BTreeSet::new(),
            settling: BTreeSet::new(),
            targets: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            following: BTreeSet::new(),
            following_waits: BTreeSet::new(),
            calls: Calls::default(),
            local: Vec::new(),
            counting: VecDeque::new(),
            searching: VecDeque::new(),
            searching_bytes: 0,
            batch_reads: BatchReads::default(),
            notices: Notices::default(),
            audits: Audits::default(),
            expecting: Expecting::default(),
            unsettled: Unsettled::new(),
            republished: Republished::new(),
            batches: Batches::default(),
            fast: FastBatches::default(),
            found: None,
            snapshots: BTreeMap::new(),
            snapshots_ready: VecDeque::new(),
            restores: BTreeMap::new(),
            restored: BTreeMap::new(),
            restores_left: Vec::new(),
            acknowledging: BTreeMap::new(),
            finished: 0,
            finished_for: ConsumerKey::default(),
            rescheduling: BTreeSet::new(),
            rounds: Rounds::new(1),
            gather: Gather::default(),
            tail: Tail::default(),
            reads: BTreeMap::new(),
            last_ticket: 0,
            damage: Damage::default(),
            last_log: 0,
            journal_bytes: 0,
            disk: Disk::default(),
            ahead: Ahead::default(),
            writing: None,
            sealing: VecDeque::new(),
            sealed: Vec::new(),
            outputs: Vec::new(),
            garbage: Vec::new(),
            effects: Effects::default(),
            refused: Refused::default(),
            scratch: Vec::new(),
            record: Vec::new(),
            via: Vec::new(),
        }
    }

    /// Gives it a domain: its API answers under `$JS.<domain>.API` as well, and says so. It is one token of a subject.
    pub fn set_domain(&mut self, domain: &str) {
        domain.clone_into(&mut self.domain);
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.settings.is_some()
    }

    /// Says what an account is called.
    pub fn name_account(&mut self, account: AccountId, name: &str) {
        self.state.accounts.insert(name, account);
    }

    /// Says what an account may keep.
    pub fn limit_account(&mut self, account: AccountId, store: AccountStore) {
        self.stores.insert(account, store);
    }

    /// What an account may keep.
    pub(crate) fn store_of(&self, account: AccountId) -> AccountStore {
        self.stores.get(&account).copied().unwrap_or_default()
    }

    /// What an account's streams and consumers are held to: its own bounds and the server's.
    pub(crate) fn bounds(&self, account: AccountId) -> Bounds {
        let server = self.settings.map(|settings| settings.bounds);
        self.store_of(account).bounds.and(server.unwrap_or_default())
    }

    /// Whether so much waits for the disk that those who publish should wait: a disk that is slow is
    /// waited for, one that refuses is not.
    pub fn is_behind(&self) -> bool {
        self.has_much_to_write() && self.takes_messages()
    }

    fn has_much_to_write(&self) -> bool {
        self.rounds.bytes_waiting() > ROUND_BYTES_WAITING_MAX || self.tail.len() > TAIL_BYTES_MAX
    }

    /// Whether messages can be stored.
    pub(crate) fn takes_messages(&self) -> bool {
        self.disk.takes_messages(self.has_much_to_write())
    }

    /// What keeps what is stored from becoming durable, for people.
    pub fn trouble(&self) -> Option<&'static str> {
        self.disk.trouble()
    }

    /// When [`JetStream::timeout`] must be called next.
    pub fn next_deadline(&self) -> Option<Tick> {
        self.timers.next()
    }

    /// A stream at work.
    pub(crate) fn live(&mut self, key: StreamKey) -> &mut Live {
        self.live.get_mut(key).expect("a stream that is there is at work")
    }

    /// Has `length` bytes of a log read from a position on; `reading` is who waits for them.
    pub(crate) fn read_block(
        &mut self,
        reading: Reading,
        log: LogId,
        position: Position,
        length: usize,
    ) {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.reads.insert(ticket, reading);
        let (block, offset) = (position.block, position.offset);
        self.outputs.push(DiskOutput::Read { ticket, log, block, offset, length });
    }

    /// Has the record at a position of a log read, and nothing behind it.
    pub(crate) fn read_record(&mut self, reading: Reading, log: LogId, position: Position) {
        self.read_block(reading, log, position, position.length as usize);
    }

    /// A message could not be read: people are told, once.
    pub(crate) fn note_damage(&mut self, log: LogId, sequence: u64) {
        if self.damage.note(log, sequence) {
            self.outputs.extend(self.damaged_message(log, sequence).map(DiskOutput::Damaged));
        }
    }

    /// The messages that could not be read when somebody last wanted them, and are still there.
    pub fn damaged(&self) -> Vec<Damaged> {
        let known = self.damage.iter();
        known.filter_map(|(log, sequence)| self.damaged_message(log, sequence)).collect()
    }

    fn damaged_message(&self, log: LogId, sequence: u64) -> Option<Damaged> {
        let stream = self.state.stream(self.state.by_log(log)?);
        stream.log.position(sequence)?;
        let account = self.state.accounts.name(stream.account).to_owned();
        Some(Damaged { account, stream: stream.config.name.clone(), sequence })
    }

    /// A log that was never used.
    pub(crate) fn next_log(&mut self) -> LogId {
        self.last_log = self.last_log.max(self.state.last_log) + 1;
        LogId(self.last_log)
    }

    /// Sends a reply to `subject`, if there is one.
    pub(crate) fn reply(
        net: &mut impl Network,
        account: AccountId,
        subject: &[u8],
        header: &[u8],
        payload: &[u8],
    ) {
        if subject.is_empty() {
            return;
        }
        let has_header = !header.is_empty();
        let message = Publish { subject, reply: None, header, payload, has_header };
        net.send(account, subject, &message);
    }

    /// Sends a status in place of a message.
    pub(crate) fn send_status(
        net: &mut impl Network,
        account: AccountId,
        reply: &[u8],
        code: u16,
        text: &str,
        fields: &[(&str, u64)],
    ) {
        let mut header = HeaderWriter::with_status(code, text);
        for (name, value) in fields {
            header.number(name, *value);
        }
        let header = header.finish();
        Self::reply(net, account, reply, &header, b"");
    }

    /// Makes a change a record of the open round. Says whether there was room.
    pub(crate) fn journal(&mut self, log: LogId, command: &Command, owed: Owed<'_>) -> bool {
        let body = command.encode();
        let record: Record<'_> = command_record(log, self.now.wall, &body);
        if !self.disk.takes_records() || !record.fits() || !self.rounds.has_room(body.len()) {
            return false;
        }
        self.rounds.push(&record, owed);
        true
    }
}
