//! Opening a store to look at it, and reading all of it.

use std::path::Path;

use watershed_engine::{Engine, JetStreamSettings, Settings, StoredMessage};
use watershed_store::blocks::{BLOCKS_FOLDER, BlockReader, block_path};
use watershed_store::checkpoint::Checkpoints;
use watershed_store::format::{FORMAT, Origin};
use watershed_store::journal::{JOURNAL_FOLDER, Torn};
use watershed_store::log::Position;
use watershed_store::opening::{self, Finding, Opened};
use watershed_store::record::repair;
use watershed_store::{Disk, DiskFile, LogId, Record};

use super::{Loss, Progress, Sizes, StoreReport, StoredStream};
use crate::clock::Clock;
use crate::disk::OsDisk;
use crate::store::{StoreError, of_folder};

/// A store that was opened to be looked at.
pub(super) struct Looked<D: Disk> {
    pub(super) engine: Engine,
    pub(super) checkpoints: Checkpoints<D>,
    findings: Vec<Finding>,
    /// The format that it has, or had before it was opened.
    format: u32,
    /// Numbers of rounds are counted from here.
    origin: u64,
    last_round: u64,
    checkpoint: u64,
    /// Bytes to put into blocks, and what was found there.
    pub(super) mends: Vec<Mend>,
    losses: Vec<Loss>,
    reader: BlockReader<D>,
}

/// Bytes of a block that are to be put into it again.
pub(super) struct Mend {
    pub(super) log: LogId,
    pub(super) block: u32,
    pub(super) offset: u32,
    pub(super) bytes: Vec<u8>,
}

impl<D: Disk + Clone> Looked<D> {
    pub(super) fn open(folder: &Path, disk: &D) -> Result<Self, StoreError> {
        // Only a new store gets an origin, and this is none.
        let mut opened =
            opening::open(disk, Origin::default()).map_err(|error| of_folder(folder, error))?;
        let origin = opened.origin.0;
        let covered = opened.checkpoint.as_ref().map_or(origin, |checkpoint| checkpoint.round);
        let jetstream = Some(JetStreamSettings::new(u64::MAX, u64::MAX));
        let mut engine = Engine::new(Settings { jetstream, ..Settings::default() });
        engine.restore(Clock::new().now(), disk, &mut opened)?;
        let Opened { journal, checkpoints, findings, earlier, .. } = opened;
        Ok(Self {
            engine,
            checkpoints,
            findings,
            format: earlier.unwrap_or(FORMAT),
            origin,
            last_round: journal.next_round() - 1,
            checkpoint: covered,
            reader: BlockReader::new(disk.clone()),
            mends: Vec::new(),
            losses: Vec::new(),
        })
    }

    /// Whether a checkpoint is damaged.
    pub(super) fn lacks_checkpoint(&self) -> bool {
        self.findings.iter().any(|finding| matches!(finding, Finding::Checkpoint(_)))
    }

    /// Reads every message that is in a block.
    pub(super) fn read_blocks(&mut self, progress: Progress<'_>) {
        let (mut done, total) = (0, self.engine.known_blocks().len());
        for stream in self.engine.stored_streams() {
            let messages: Vec<StoredMessage> = self.engine.stored_messages(stream.log).collect();
            let of_block =
                |a: &StoredMessage, b: &StoredMessage| a.position.block == b.position.block;
            for messages in messages.chunk_by(of_block) {
                let lost = self.read_block(stream.log, messages);
                self.lose(&stream.account, &stream.name, lost);
                done += 1;
                progress(done, total);
            }
        }
    }

    /// Reads the messages of one block. Gives back those that are lost, and why.
    fn read_block(&mut self, log: LogId, messages: &[StoredMessage]) -> Vec<(u64, String)> {
        let Some(block) = messages.first().map(|message| message.position.block) else {
            return Vec::new();
        };
        let path = block_path(log, block);
        let in_block: Vec<_> = messages.iter().filter(|message| !message.in_journal).collect();
        let whole = match self.reader.whole(log, block) {
            Ok(whole) => whole,
            Err(error) => {
                let why = format!("{path} cannot be read: {error}");
                return in_block.iter().map(|message| (message.sequence, why.clone())).collect();
            }
        };
        if !in_block.is_empty() && !whole.has_header {
            self.mends.push(Mend { log, block, offset: 0, bytes: whole.header.to_vec() });
        }
        let mut lost = Vec::new();
        for message in in_block {
            match look(&whole.bytes, log, message.sequence, message.position) {
                Look::Whole => {}
                // It is mended whenever it is read: a frame that has it is whole.
                Look::Mended(_) if whole.is_compressed => {}
                Look::Mended(bytes) => {
                    let offset = message.position.offset;
                    self.mends.push(Mend { log, block, offset, bytes });
                }
                Look::Lost(why) => lost.push((message.sequence, format!("{path} {why}"))),
            }
        }
        lost
    }

    /// Puts messages that were lost side by side together.
    fn lose(&mut self, account: &str, stream: &str, lost: Vec<(u64, String)>) {
        let mut before: Option<Loss> = None;
        for (sequence, why) in lost {
            match &mut before {
                Some(loss) if loss.last + 1 == sequence => {
                    loss.last = sequence;
                    loss.messages += 1;
                }
                _ => self.losses.extend(before.replace(Loss {
                    account: account.to_owned(),
                    stream: stream.to_owned(),
                    first: sequence,
                    last: sequence,
                    messages: 1,
                    why,
                })),
            }
        }
        self.losses.extend(before);
    }

    pub(super) fn report(&self, folder: &Path) -> StoreReport {
        let streams = self.engine.stored_streams().into_iter().map(|stream| StoredStream {
            account: stream.account,
            name: stream.name,
            memory: stream.memory,
            messages: stream.state.messages,
            bytes: stream.state.bytes,
            first: stream.state.first_seq,
            last: stream.state.last_seq,
            consumers: stream.state.consumer_count,
        });
        let mut findings: Vec<String> = self.findings.iter().map(say).collect();
        for (log, block) in self.reader.mended() {
            findings.push(format!("a sector of {} is damaged", block_path(*log, *block)));
        }
        for mend in &self.mends {
            let (path, offset) = (block_path(mend.log, mend.block), mend.offset);
            findings.push(if offset == 0 {
                format!("the header of {path} is damaged")
            } else {
                format!("one bit of {path} is wrong, in the message at byte {offset}")
            });
        }
        StoreReport {
            format: self.format,
            rounds: self.last_round - self.origin,
            checkpoint: self.checkpoint - self.origin,
            sizes: sizes(folder),
            streams: streams.collect(),
            findings,
            losses: self.losses.clone(),
        }
    }
}

/// A finding, before anything is done about it.
fn say(finding: &Finding) -> String {
    match finding {
        Finding::Format => "FORMAT is damaged or missing".into(),
        Finding::Checkpoint(_) => finding.to_string(),
        Finding::Rounds(rounds) if rounds.len() == 1 => "1 round of the journal is damaged".into(),
        Finding::Rounds(rounds) => format!("{} rounds of the journal are damaged", rounds.len()),
        Finding::Torn(Torn { records, path, offset, .. }) => format!(
            "the last round is not whole ({path} at byte {offset}): it was being written when the power \
             went, or was damaged since, and up to {records} records are lost"
        ),
        Finding::Footer(log, block) => {
            format!("the footer of {} is damaged", block_path(*log, *block))
        }
    }
}

/// What was found where a message is.
enum Look {
    Whole,
    /// What it should be; one bit was wrong.
    Mended(Vec<u8>),
    Lost(String),
}

fn look(block: &[u8], log: LogId, sequence: u64, position: Position) -> Look {
    let (start, length) = (position.offset as usize, position.length as usize);
    let Some(bytes) = block.get(start..start + length) else {
        return Look::Lost(format!("ends before byte {}", start + length));
    };
    let is_it = |bytes: &[u8]| {
        let record = Record::decode(bytes).ok();
        record.is_some_and(|(record, _)| (record.log, record.sequence) == (log, sequence))
    };
    if is_it(bytes) {
        return Look::Whole;
    }
    let mut mended = bytes.to_vec();
    if repair(&mut mended, length) && is_it(&mended) {
        return Look::Mended(mended);
    }
    Look::Lost(format!("is damaged at byte {start}"))
}

fn sizes(folder: &Path) -> Sizes {
    let disk = OsDisk::existing(folder);
    let length = |path: &str| disk.open_to_read(path).and_then(|file| file.len()).unwrap_or(0);
    let all = |folder: &str| {
        let names = disk.list(folder).unwrap_or_default();
        names.iter().map(|name| length(&format!("{folder}/{name}"))).sum()
    };
    Sizes {
        journal: all(JOURNAL_FOLDER),
        blocks: all(BLOCKS_FOLDER),
        checkpoints: length("checkpoint-0") + length("checkpoint-1"),
    }
}
