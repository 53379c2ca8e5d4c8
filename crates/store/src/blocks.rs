//! Block files: written lazily from durable rounds, synced at a checkpoint, read at any time.
//!
//! Where a record goes was decided by its [`Log`](crate::log::Log). Until a checkpoint the journal
//! has everything, so a block file may lack any of its bytes after a power cut: opening the store
//! replays the journal, and writes the same bytes at the same places.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;

use crate::disk::{Disk, DiskFile, read_all};
use crate::frames::{self, Frames, read_framed};
use crate::log::{BLOCK_HEADER_BYTES, BlockHeader, Position, Sealed, is_footer};
use crate::record::{LogId, Record};
use crate::round::{Place, Round};

/// Folder of the block files.
pub const BLOCKS_FOLDER: &str = "blocks";

const HEADER_BYTES: usize = BLOCK_HEADER_BYTES as usize;

/// End of a block's file, and that of one which is to take its place.
const SUFFIX: &str = ".wb";
const UNFINISHED_SUFFIX: &str = ".wb.new";

/// Block files that are kept open, unless somebody says otherwise.
const OPEN_FILES_MAX: usize = 256;

/// A record of a round, and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Log that it belongs to.
    pub log: LogId,
    /// Where it goes.
    pub position: Position,
    /// Where it is in the round.
    pub place: Place,
}

/// A block: its log, and its number there.
pub type BlockKey = (LogId, u32);

/// Path of a block's file.
pub fn block_path(log: LogId, block: u32) -> String {
    path((log, block))
}

fn path((log, block): BlockKey) -> String {
    format!("{BLOCKS_FOLDER}/{:08x}-{block:08x}{SUFFIX}", log.0)
}

fn unfinished_path((log, block): BlockKey) -> String {
    format!("{BLOCKS_FOLDER}/{:08x}-{block:08x}{UNFINISHED_SUFFIX}", log.0)
}

/// An open block file.
#[derive(Debug)]
struct Open<F> {
    file: F,
    /// When it was used last.
    used: u64,
    layout: Layout,
}

/// How the records of a block lie in its file.
#[derive(Debug)]
enum Layout {
    /// Nobody has read it.
    Unknown,
    Plain,
    Compressed(Box<Frames>),
}

/// Open block files, those that were used last.
#[derive(Debug)]
struct Files<D: Disk> {
    disk: D,
    open: BTreeMap<BlockKey, Open<D::File>>,
    open_max: usize,
    uses: u64,
}

impl<D: Disk> Files<D> {
    fn new(disk: D) -> Self {
        Self { disk, open: BTreeMap::new(), open_max: OPEN_FILES_MAX, uses: 0 }
    }

    /// The file of a block; made, if `create` says so and it isn't there.
    fn file(&mut self, key: BlockKey, create: bool) -> io::Result<&D::File> {
        Ok(&self.open(key, create)?.file)
    }

    fn open(&mut self, key: BlockKey, create: bool) -> io::Result<&mut Open<D::File>> {
        self.uses += 1;
        if !self.open.contains_key(&key) {
            let file = match self.disk.open(&path(key)) {
                Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                    self.disk.create(&path(key))?
                }
                file => file?,
            };
            if self.open.len() >= self.open_max
                && let Some(oldest) =
                    self.open.iter().min_by_key(|(_, own)| own.used).map(|(key, _)| *key)
            {
                self.open.remove(&oldest);
            }
            self.open.insert(key, Open { file, used: 0, layout: Layout::Unknown });
        }
        let open = self.open.get_mut(&key).expect("it was just opened");
        open.used = self.uses;
        Ok(open)
    }
}

/// What of a block was written since it was last synced.
#[derive(Debug, Default)]
struct Dirty {
    range: Range<u64>,
    /// Whether a sync failed since: what was not written counts as written.
    suspect: bool,
}

/// Why blocks could not be made durable.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The disk refused; it may be tried again.
    #[error("blocks cannot be synced: {0}")]
    Refused(#[source] io::Error),
    /// A sync failed, and what should be written again is no longer there. Only the journal has it:
    /// no checkpoint may be made until the store was opened anew.
    #[error("{0} lost what was written to it")]
    Lost(String),
}

/// Writes block files.
#[derive(Debug)]
pub struct BlockWriter<D: Disk> {
    files: Files<D>,
    /// Blocks with bytes that were not synced, and where those are.
    dirty: BTreeMap<BlockKey, Dirty>,
    /// Blocks that are newer than any checkpoint: none on disk refers to them.
    fresh: BTreeSet<BlockKey>,
    /// Whether entries of the folder were not synced.
    folder_dirty: bool,
    /// Blocks that hold nothing any more, to which the next checkpoint does not refer.
    condemned: Vec<BlockKey>,
    /// Blocks to which the last checkpoint does not refer, but the one before may.
    doomed: Vec<BlockKey>,
    /// Blocks to be compressed that no checkpoint says are full, and those of which only the last one does.
    ripening: [BTreeSet<BlockKey>; 2],
    /// Blocks to be compressed. Whichever checkpoint a start begins with, it writes nothing into them.
    ripe: BTreeSet<BlockKey>,
}

impl<D: Disk> BlockWriter<D> {
    /// A writer on `disk`.
    pub fn new(disk: D) -> io::Result<Self> {
        disk.create_dir(BLOCKS_FOLDER)?;
        disk.sync_dir("")?;
        let files = Files::new(disk);
        let (dirty, fresh) = (BTreeMap::new(), BTreeSet::new());
        let (condemned, doomed) = (Vec::new(), Vec::new());
        let (ripening, ripe) = (<[BTreeSet<_>; 2]>::default(), BTreeSet::new());
        Ok(Self { files, dirty, fresh, folder_dirty: false, condemned, doomed, ripening, ripe })
    }

    /// Keeps at most `most` files open.
    pub fn with_open_files(mut self, most: usize) -> Self {
        self.files.open_max = most;
        self
    }

    /// Writes records of a round. Neighbours in a block are written at once.
    pub fn place(&mut self, round: &Round, placements: &[Placement]) -> io::Result<()> {
        let mut by_block: BTreeMap<BlockKey, Vec<&Placement>> = BTreeMap::new();
        for placement in placements {
            let key = (placement.log, placement.position.block);
            by_block.entry(key).or_default().push(placement);
        }
        for (key, placements) in by_block {
            let mut bytes = Vec::new();
            let mut start = placements[0].position.offset;
            if start == BLOCK_HEADER_BYTES {
                start = 0;
                bytes.extend_from_slice(&BlockHeader { log: key.0, block: key.1 }.encode());
                self.folder_dirty = true;
                self.fresh.insert(key);
            }
            let first = start == 0;
            for placement in placements {
                debug_assert_eq!(
                    u64::from(start) + bytes.len() as u64,
                    u64::from(placement.position.offset),
                    "records of a round lie side by side in a block"
                );
                bytes.extend_from_slice(round.slice(placement.place));
            }
            let file = self.files.file(key, true)?;
            if first && frames::begins(file, key)? {
                // Without any checkpoint the journal makes everything anew.
                file.set_len(0)?;
            }
            file.write_at(&bytes, u64::from(start))?;
            self.soil(key, u64::from(start)..u64::from(start) + bytes.len() as u64);
        }
        Ok(())
    }

    /// Writes the footer of a block that is full.
    pub fn seal(&mut self, log: LogId, sealed: &Sealed) -> io::Result<()> {
        let key = (log, sealed.block);
        let file = self.files.file(key, true)?;
        let offset = u64::from(sealed.offset);
        let footer = sealed.footer();
        file.write_at(&footer, offset)?;
        // An earlier life of the block may have been longer.
        let end = offset + footer.len() as u64;
        file.set_len(end)?;
        self.soil(key, offset..end);
        if sealed.compressed {
            self.compress_later(key);
        }
        Ok(())
    }

    /// A full block is to be compressed when both checkpoints say that it is full.
    pub fn compress_later(&mut self, key: BlockKey) {
        self.ripening[0].insert(key);
    }

    /// Whether any block can be compressed.
    pub(crate) fn has_ripe(&self) -> bool {
        !self.ripe.is_empty()
    }

    /// The next block that is to be compressed.
    pub(crate) fn next_ripe(&mut self) -> Option<BlockKey> {
        self.ripe.pop_first()
    }

    /// Compresses a full block: another file takes the place of its file. Says whether it did, or there was nothing to
    /// be done.
    pub(crate) fn compress(&mut self, key: BlockKey) -> io::Result<bool> {
        let is_gone = |all: &[BlockKey]| all.contains(&key);
        if is_gone(&self.condemned) || is_gone(&self.doomed) || self.dirty.contains_key(&key) {
            return Ok(false);
        }
        let file = match self.files.file(key, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        let length = file.len()?;
        if frames::begins(file, key)? {
            return Ok(false);
        }
        let Some(footer) = read_framed(file, length)? else { return Ok(false) };
        let mut plain = read_all(file, length)?;
        plain.truncate(usize::try_from(footer.at).map_err(io::Error::other)?);
        // A wrong bit of a record can be mended while it stands in a plain block.
        if !is_whole(&plain, 0) {
            return Ok(false);
        }
        let bytes = frames::compress(key, &plain, &footer.bytes)?;
        if bytes.len() as u64 >= length {
            return Ok(false);
        }
        let unfinished = unfinished_path(key);
        let disk = &self.files.disk;
        let written = disk.remove(&unfinished).and_then(|()| {
            let file = disk.create(&unfinished)?;
            file.write_at(&bytes, 0)?;
            file.sync()?;
            disk.rename(&unfinished, &path(key))
        });
        if let Err(error) = written {
            let _ = disk.remove(&unfinished);
            return Err(error);
        }
        self.files.open.remove(&key);
        // Either file will do after a power cut: the entry is made durable with the next checkpoint.
        self.folder_dirty = true;
        Ok(true)
    }

    /// Bytes of a block were written. They stand behind those before, or in their place.
    fn soil(&mut self, key: BlockKey, written: Range<u64>) {
        let dirty = self.dirty.entry(key).or_default();
        dirty.range = if dirty.range.is_empty() {
            written
        } else {
            dirty.range.start.min(written.start)..dirty.range.end.max(written.end)
        };
    }

    /// Gives a block up that holds nothing any more. Its file goes when no checkpoint on disk refers
    /// to it: until then opening the store may need it.
    pub fn remove(&mut self, log: LogId, block: u32) {
        let key = (log, block);
        // What is younger than the checkpoints goes at once, if it can: the next start would make it
        // from the journal, if it needed it.
        if !self.fresh.remove(&key) || self.delete(key).is_err() {
            self.condemned.push(key);
        }
    }

    /// Whether there are blocks that hold nothing any more.
    pub fn has_given_up(&self) -> bool {
        !self.condemned.is_empty() || !self.doomed.is_empty()
    }

    /// A checkpoint was written that knows of everything so far. What cannot be removed is tried again
    /// with the next one.
    pub fn checkpointed(&mut self) -> io::Result<()> {
        let [new, old] = &mut self.ripening;
        self.ripe.append(old);
        std::mem::swap(new, old);
        let condemned = std::mem::take(&mut self.condemned);
        let doomed = std::mem::replace(&mut self.doomed, condemned);
        let mut removed = Ok(());
        for key in doomed {
            if let Err(error) = self.delete(key) {
                self.doomed.push(key);
                removed = Err(error);
            }
        }
        removed
    }

    fn delete(&mut self, key: BlockKey) -> io::Result<()> {
        self.files.open.remove(&key);
        self.dirty.remove(&key);
        self.folder_dirty = true;
        self.files.disk.remove(&path(key))
    }

    /// Makes everything durable that was written so far.
    pub fn sync(&mut self) -> Result<(), SyncError> {
        // The checkpoint for which this is done refers to all that is there.
        self.fresh.clear();
        // What nobody will refer to needs no sync.
        for key in &self.condemned {
            self.dirty.remove(key);
        }
        while let Some((key, dirty)) = self.dirty.pop_first() {
            let synced = self.sync_one(key, &dirty);
            if synced.is_err() {
                self.dirty.insert(key, Dirty { suspect: true, ..dirty });
            }
            synced?;
        }
        if self.folder_dirty {
            self.files.disk.sync_dir(BLOCKS_FOLDER).map_err(SyncError::Refused)?;
            self.folder_dirty = false;
        }
        Ok(())
    }

    fn sync_one(&mut self, key: BlockKey, dirty: &Dirty) -> Result<(), SyncError> {
        let file = self.files.file(key, false).map_err(SyncError::Refused)?;
        if dirty.suspect {
            // After a sync that failed, pages that were not written count as written. What programs
            // see is mostly still right: where its checksums say so, it is written once more.
            let Range { start, end } = dirty.range;
            let length = usize::try_from(end - start).unwrap_or_default();
            let mut bytes = vec![0; length];
            let read = file.read_at(&mut bytes, start).map_err(SyncError::Refused)?;
            if read != length || !is_whole(&bytes, start) {
                return Err(SyncError::Lost(path(key)));
            }
            file.write_at(&bytes, start).map_err(SyncError::Refused)?;
        }
        file.sync().map_err(SyncError::Refused)
    }

    /// Removes the blocks that nobody knows: left by a crash between a checkpoint and the removal
    /// of what it had made superfluous.
    pub fn retain(&mut self, mut known: impl FnMut(LogId, u32) -> bool) -> io::Result<()> {
        for name in self.files.disk.list(BLOCKS_FOLDER)? {
            let parse = |text: Option<&str>| u32::from_str_radix(text?, 16).ok();
            let (log, block) = (parse(name.get(0..8)), parse(name.get(9..17)));
            let (Some(log), Some(block)) = (log, block) else { continue };
            let key = (LogId(log), block);
            if name.ends_with(UNFINISHED_SUFFIX) {
                self.files.disk.remove(&unfinished_path(key))?;
            } else if !known(LogId(log), block) {
                self.delete(key)?;
            }
        }
        Ok(())
    }
}

/// Whether the bytes of a block from `start` on are records, one behind the other, and at most a footer.
fn is_whole(bytes: &[u8], start: u64) -> bool {
    let header = if start == 0 { BLOCK_HEADER_BYTES as usize } else { 0 };
    let Some(mut rest) = bytes.get(header..) else { return false };
    while let Ok((_, length)) = Record::decode(rest) {
        rest = &rest[length..];
    }
    rest.is_empty() || is_footer(rest)
}

/// All of a block.
#[derive(Debug)]
pub struct WholeBlock {
    /// Its bytes, each where it is in a plain block.
    pub bytes: Vec<u8>,
    /// Whether its file is compressed.
    pub is_compressed: bool,
    /// The first bytes that its file should have.
    pub header: [u8; HEADER_BYTES],
    /// Whether it has them.
    pub has_header: bool,
}

/// Reads block files.
#[derive(Debug)]
pub struct BlockReader<D: Disk> {
    files: Files<D>,
    mended: Vec<BlockKey>,
}

impl<D: Disk> BlockReader<D> {
    /// A reader on `disk`.
    pub fn new(disk: D) -> Self {
        Self { files: Files::new(disk), mended: Vec::new() }
    }

    /// Keeps at most `most` files open.
    pub fn with_open_files(mut self, most: usize) -> Self {
        self.files.open_max = most;
        self
    }

    /// Reads up to `length` bytes from `offset` of a block; less where its file ends.
    pub fn read(
        &mut self,
        log: LogId,
        block: u32,
        offset: u32,
        length: usize,
    ) -> io::Result<Vec<u8>> {
        let key = (log, block);
        let Open { file, layout, .. } = self.laid_out(key)?;
        let Layout::Compressed(frames) = layout else {
            let mut bytes = vec![0; length];
            let count = file.read_at(&mut bytes, u64::from(offset))?;
            bytes.truncate(count);
            return Ok(bytes);
        };
        let bytes = frames.read(file, key, offset as usize, length);
        if frames.take_mended() {
            self.mended.push(key);
        }
        bytes
    }

    /// The file of a block, of which it is known whether it is compressed.
    fn laid_out(&mut self, key: BlockKey) -> io::Result<&mut Open<D::File>> {
        let open = self.files.open(key, false)?;
        if matches!(open.layout, Layout::Unknown) {
            let frames = Frames::find(&open.file, key)?;
            open.layout = frames.map_or(Layout::Plain, |own| Layout::Compressed(Box::new(own)));
        }
        Ok(open)
    }

    /// Reads all of a block.
    pub fn whole(&mut self, log: LogId, block: u32) -> io::Result<WholeBlock> {
        let key = (log, block);
        let Open { file, layout, .. } = self.laid_out(key)?;
        let mut found = [0; HEADER_BYTES];
        file.read_at(&mut found, 0)?;
        let (length, header, is_compressed) = match layout {
            Layout::Compressed(frames) => (frames.end(), frames::header(key), true),
            Layout::Plain | Layout::Unknown => {
                let length = usize::try_from(file.len()?).map_err(io::Error::other)?;
                (length, BlockHeader { log, block }.encode(), false)
            }
        };
        let bytes = self.read(log, block, 0, length)?;
        Ok(WholeBlock { bytes, is_compressed, header, has_header: found == header })
    }

    /// Reads the footer of a sealed block. One of which a sector is damaged is mended, in the file
    /// too.
    pub fn footer(&mut self, log: LogId, block: u32) -> io::Result<Vec<u8>> {
        let file = self.files.file((log, block), false)?;
        if let Some(footer) = read_framed(file, file.len()?)? {
            if footer.mended {
                self.mended.push((log, block));
            }
            return Ok(footer.bytes);
        }
        let text = format!("the footer of {} is damaged", path((log, block)));
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    /// Blocks whose footers or frames were mended.
    pub fn mended(&self) -> &[(LogId, u32)] {
        &self.mended
    }

    /// Forgets a block's file.
    pub fn forget(&mut self, log: LogId, block: u32) {
        self.files.open.remove(&(log, block));
    }
}
