//! Blocks that are compressed: a sealed block's records in frames of their own, which are read and checked
//! one by one. Whoever asks for bytes of a block asks by where they are in the plain one.
//!
//! ```text
//! compressed file:  header (16), frames, table, footer of the block
//! header:           "WCmp" version(4), that of the store's format, log(4) block(4)
//! frame:            data, parity of it (512)
//! table:            framed as a footer is; its body: end(4), then for each frame: length(4) CRC-64(8)
//! ```
//!
//! A frame has 65,536 bytes of the plain block, the last one what is left of them up to `end`, where the footer is in the plain
//! block. The highest bit of a length says that its data are those bytes; else they are compressed by Snappy,
//! whose blocks are S2's as well. The checksum is that of the data. One damaged sector is mended by the parity.

use std::io;

use crate::blocks::BlockKey;
use crate::bytes::{put_u32, put_u64};
use crate::checksum::checksum;
use crate::disk::DiskFile;
use crate::format::FORMAT;
use crate::log::{BLOCK_HEADER_BYTES, BlockHeader, FOOTER_TRAILER_BYTES, Footer};
use crate::log::{finish_footer, footer_lens, mend_footer};
use crate::parity::{SECTOR_BYTES, mend, parity};
use crate::record::{u32_at, u64_at};

const MAGIC: &[u8; 4] = b"WCmp";

const HEADER_BYTES: usize = BLOCK_HEADER_BYTES as usize;

/// Bytes of the plain block in a frame.
const FRAME_BYTES: usize = 64 * 1024;

/// Flag of a frame's length: its data are not compressed.
const PLAIN: u32 = 1 << 31;

/// Bytes of a frame in the table.
const ENTRY_BYTES: usize = 12;

/// Frames that a reader keeps unpacked.
const KEPT_FRAMES: usize = 4;

/// A frame of a compressed block.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// Where it is in the file.
    at: u64,
    /// Bytes of its data.
    length: usize,
    /// Checksum of its data.
    crc: u64,
    is_plain: bool,
}

/// Where the frames of a compressed block are.
#[derive(Debug)]
pub(crate) struct Frames {
    all: Vec<Frame>,
    /// Bytes of the plain block up to its footer.
    end: usize,
    /// Those that were unpacked last.
    kept: Vec<(usize, Vec<u8>)>,
    /// Whether anything of the file was damaged, and is mended.
    mended: bool,
}

/// The header of a block that is compressed.
pub(crate) fn header((log, block): BlockKey) -> [u8; HEADER_BYTES] {
    let mut bytes = BlockHeader { log, block }.encode();
    bytes[0..4].copy_from_slice(MAGIC);
    bytes[4..8].copy_from_slice(&FORMAT.to_le_bytes());
    bytes
}

/// Whether a block's file begins as one that is compressed.
pub(crate) fn begins(file: &impl DiskFile, key: BlockKey) -> io::Result<bool> {
    let mut found = [0; HEADER_BYTES];
    file.read_at(&mut found, 0)?;
    Ok(found == header(key))
}

/// A whole block, compressed: `plain` are its header and records, `footer` is what stands behind them.
pub(crate) fn compress(key: BlockKey, plain: &[u8], footer: &[u8]) -> io::Result<Vec<u8>> {
    let mut file = header(key).to_vec();
    let mut table = Vec::new();
    put_u32(&mut table, u32::try_from(plain.len()).map_err(io::Error::other)?);
    let mut encoder = snap::raw::Encoder::new();
    for frame in plain.get(HEADER_BYTES..).unwrap_or_default().chunks(FRAME_BYTES) {
        let packed = encoder.compress_vec(frame).map_err(io::Error::other)?;
        let (data, flag) = if packed.len() < frame.len() { (&*packed, 0) } else { (frame, PLAIN) };
        let length = u32::try_from(data.len()).map_err(io::Error::other)?;
        put_u32(&mut table, length | flag);
        put_u64(&mut table, checksum(&[data]));
        file.extend_from_slice(data);
        file.extend_from_slice(&parity(data));
    }
    finish_footer(&mut table);
    file.extend_from_slice(&table);
    file.extend_from_slice(footer);
    Ok(file)
}

/// What ends at a place of a file and is framed as a footer is.
#[derive(Debug)]
pub(crate) struct Framed {
    pub(crate) bytes: Vec<u8>,
    /// Where it begins.
    pub(crate) at: u64,
    pub(crate) mended: bool,
}

/// Reads what ends at `end` and is framed as a footer is; `None` if nothing is, or it is damaged beyond a sector.
/// One sector is mended, in the file too.
pub(crate) fn read_framed(file: &impl DiskFile, end: u64) -> io::Result<Option<Framed>> {
    let mut trailer = [0; FOOTER_TRAILER_BYTES];
    let at = end.saturating_sub(FOOTER_TRAILER_BYTES as u64);
    let read = file.read_at(&mut trailer, at)?;
    let lengths = footer_lens(&trailer).filter(|_| read == FOOTER_TRAILER_BYTES);
    for length in lengths.filter(|length| *length as u64 <= end) {
        let at = end - length as u64;
        let mut bytes = vec![0; length];
        let read = file.read_at(&mut bytes, at)?;
        match mend_footer(&mut bytes[..read], at) {
            Footer::Whole => return Ok(Some(Framed { bytes, at, mended: false })),
            Footer::Mended => {
                file.write_at(&bytes, at)?;
                file.sync()?;
                return Ok(Some(Framed { bytes, at, mended: true }));
            }
            Footer::Damaged => {}
        }
    }
    Ok(None)
}

impl Frames {
    /// The frames of a block's file; `None` if it is a plain one.
    pub(crate) fn find(file: &impl DiskFile, key: BlockKey) -> io::Result<Option<Self>> {
        let (log, block) = key;
        let mut found = [0; HEADER_BYTES];
        let read = file.read_at(&mut found, 0)?;
        if read < HEADER_BYTES || found == (BlockHeader { log, block }).encode() {
            return Ok(None);
        }
        let frames = Self::by_table(file)?;
        if found == header(key) {
            let damaged =
                || io::Error::new(io::ErrorKind::InvalidData, "the table of frames is damaged");
            return frames.ok_or_else(damaged).map(Some);
        }
        // The header is damaged. Bytes that a client stored in a plain block may look like a table: only in a
        // compressed one does a whole frame stand where the first record would.
        let Some(mut frames) = frames else { return Ok(None) };
        let is_frame = match frames.all.first().copied() {
            Some(first) => frames.data(file, first)?.is_some(),
            None => false,
        };
        Ok(is_frame.then_some(frames))
    }

    fn by_table(file: &impl DiskFile) -> io::Result<Option<Self>> {
        let Some(footer) = read_framed(file, file.len()?)? else { return Ok(None) };
        let Some(table) = read_framed(file, footer.at)? else { return Ok(None) };
        let body =
            table.bytes.split_last_chunk::<FOOTER_TRAILER_BYTES>().map_or(&[][..], |own| own.0);
        let Some((end, entries)) = body.split_first_chunk() else { return Ok(None) };
        let end = u32::from_le_bytes(*end) as usize;
        let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
        let mut at = HEADER_BYTES as u64;
        let mut all = Vec::with_capacity(entries.len());
        for entry in entries {
            let length = u32_at(entry, 0);
            let is_plain = length & PLAIN != 0;
            let length = (length & !PLAIN) as usize;
            all.push(Frame { at, length, crc: u64_at(entry, 4), is_plain });
            at += (length + SECTOR_BYTES) as u64;
        }
        let count = end.saturating_sub(HEADER_BYTES).div_ceil(FRAME_BYTES);
        let fits = rest.is_empty() && all.len() == count && at == table.at;
        let mended = footer.mended || table.mended;
        Ok(fits.then_some(Self { all, end, kept: Vec::new(), mended }))
    }

    /// Bytes of the plain block up to its footer.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Whether anything was damaged and is mended, since this was asked last.
    pub(crate) fn take_mended(&mut self) -> bool {
        std::mem::take(&mut self.mended)
    }

    /// Reads up to `length` bytes from `offset` of the plain block; less where its records end. Where a frame cannot be
    /// mended, they are zeroes, which are no record.
    pub(crate) fn read(
        &mut self,
        file: &impl DiskFile,
        key: BlockKey,
        offset: usize,
        length: usize,
    ) -> io::Result<Vec<u8>> {
        let (log, block) = key;
        let until = offset.saturating_add(length).min(self.end);
        let mut bytes = Vec::with_capacity(until.saturating_sub(offset));
        let header = BlockHeader { log, block }.encode();
        bytes.extend_from_slice(header.get(offset..until.min(HEADER_BYTES)).unwrap_or_default());
        let mut at = offset.max(HEADER_BYTES) - HEADER_BYTES;
        let until = until.max(HEADER_BYTES) - HEADER_BYTES;
        while at < until {
            let (index, from) = (at / FRAME_BYTES, at % FRAME_BYTES);
            let frame = self.unpacked(file, index)?;
            let to = frame.len().min(from + until - at);
            bytes.extend_from_slice(&frame[from..to]);
            at += to - from;
        }
        Ok(bytes)
    }

    /// The bytes of the plain block that a frame has.
    fn unpacked(&mut self, file: &impl DiskFile, index: usize) -> io::Result<&[u8]> {
        if let Some(place) = self.kept.iter().position(|(own, _)| *own == index) {
            let last = self.kept.len() - 1;
            self.kept[place..].rotate_left(1);
            return Ok(&self.kept[last].1);
        }
        let length = (self.end - HEADER_BYTES - index * FRAME_BYTES).min(FRAME_BYTES);
        let frame = self.all[index];
        let data = self.data(file, frame)?.unwrap_or_default();
        let unpacked = if frame.is_plain { Some(data) } else { unpack(&data, length) };
        let unpacked =
            unpacked.filter(|own| own.len() == length).unwrap_or_else(|| vec![0; length]);
        if self.kept.len() == KEPT_FRAMES {
            self.kept.remove(0);
        }
        self.kept.push((index, unpacked));
        Ok(&self.kept[self.kept.len() - 1].1)
    }

    /// The data of a frame, if they are whole or can be mended, which is done in the file too.
    fn data(&mut self, file: &impl DiskFile, frame: Frame) -> io::Result<Option<Vec<u8>>> {
        let Frame { at, length, crc, .. } = frame;
        let mut bytes = vec![0; length + SECTOR_BYTES];
        let read = file.read_at(&mut bytes, at)?;
        let computed = checksum(&[&bytes[..length]]);
        let is_damaged = computed != crc || bytes[length..] != parity(&bytes[..length]);
        if computed != crc {
            let inside = usize::try_from(at % SECTOR_BYTES as u64).map_err(io::Error::other)?;
            let boundary = (SECTOR_BYTES - inside) % SECTOR_BYTES;
            let whole = read == bytes.len();
            if !whole || !mend(&mut bytes, boundary, 0..length, crc ^ computed) {
                return Ok(None);
            }
        }
        if is_damaged {
            // Part of the damage may be in the parity.
            let right = parity(&bytes[..length]);
            bytes[length..].copy_from_slice(&right);
            // Nobody is refused what can be read because a disk takes no writes.
            let _ = file.write_at(&bytes, at).and_then(|()| file.sync());
            self.mended = true;
        }
        bytes.truncate(length);
        Ok(Some(bytes))
    }
}

/// Unpacks a frame that should come to `length` bytes.
fn unpack(data: &[u8], length: usize) -> Option<Vec<u8>> {
    let said = snap::raw::decompress_len(data).ok()?;
    if said != length {
        return None;
    }
    snap::raw::Decoder::new().decompress_vec(data).ok()
}

#[cfg(test)]
#[allow(clippy::disallowed_types, reason = "a file is shared, also in memory")]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::record::LogId;

    const KEY: BlockKey = (LogId(7), 3);

    /// A file in memory.
    #[derive(Debug, Default)]
    struct File(Mutex<Vec<u8>>);

    impl DiskFile for File {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let bytes = self.0.lock().unwrap();
            let rest = bytes.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }

        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
            let at = usize::try_from(offset).unwrap();
            self.0.lock().unwrap()[at..at + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }

        fn set_len(&self, length: u64) -> io::Result<()> {
            self.0.lock().unwrap().resize(usize::try_from(length).unwrap(), 0);
            Ok(())
        }

        fn len(&self) -> io::Result<u64> {
            Ok(self.0.lock().unwrap().len() as u64)
        }
    }

    /// A block of 150,000 bytes, some of which repeat and some do not, and what stands behind it.
    fn block() -> (Vec<u8>, Vec<u8>) {
        let mut plain = BlockHeader { log: KEY.0, block: KEY.1 }.encode().to_vec();
        let mut state = 1_u64;
        while plain.len() < 150_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let noise = plain.len() < 80_000;
            plain.push(if noise {
                state.to_be_bytes()[0]
            } else {
                b"as it was before "[plain.len() % 17]
            });
        }
        let mut footer = b"a footer".to_vec();
        finish_footer(&mut footer);
        (plain, footer)
    }

    fn all(file: &File) -> Vec<u8> {
        let mut frames = Frames::find(file, KEY).unwrap().expect("it is compressed");
        let end = frames.end();
        frames.read(file, KEY, 0, end + 9).unwrap()
    }

    #[test]
    fn bytes_are_where_they_were() {
        let (plain, footer) = block();
        let file = File(Mutex::new(compress(KEY, &plain, &footer).unwrap()));
        assert!(file.len().unwrap() < 120_000);
        assert!(all(&file) == plain);
        let mut frames = Frames::find(&file, KEY).unwrap().unwrap();
        for (offset, length) in [
            (0, 5),
            (10, 30),
            (16, 1),
            (65_500, 100),
            (65_552, 65_536),
            (60_000, 80_000),
            (149_999, 9),
        ] {
            let end = (offset + length).min(plain.len());
            let read = frames.read(&file, KEY, offset, length).unwrap();
            assert!(read == plain[offset..end], "{offset}, {length}");
        }
        assert!(frames.read(&file, KEY, 150_000, 9).unwrap().is_empty());
        let read = read_framed(&file, file.len().unwrap()).unwrap().unwrap();
        assert_eq!(read.bytes, footer);
        let plain = File(Mutex::new([&*plain, &footer].concat()));
        assert!(Frames::find(&plain, KEY).unwrap().is_none());
    }

    #[test]
    fn any_sector_is_mended() {
        let (plain, footer) = block();
        let whole = compress(KEY, &plain, &footer).unwrap();
        for at in (0..whole.len()).step_by(SECTOR_BYTES) {
            let mut damaged = whole.clone();
            let end = (at + SECTOR_BYTES).min(whole.len());
            damaged[at..end].fill(0x5c);
            let file = File(Mutex::new(damaged));
            assert!(all(&file) == plain, "the sector at {at}");
            // Frames are mended in the file, too.
            let frames = Frames::find(&File(Mutex::new(whole.clone())), KEY).unwrap().unwrap();
            let last = frames.all[frames.all.len() - 1];
            let of_frames = HEADER_BYTES..usize::try_from(last.at).unwrap() + last.length;
            let mended = &file.0.lock().unwrap()[of_frames.clone()];
            assert!(mended == &whole[of_frames], "the sector at {at}");
        }
    }

    #[test]
    fn a_frame_beyond_repair_is_no_record_and_takes_no_other_with_it() {
        let (plain, footer) = block();
        let whole = compress(KEY, &plain, &footer).unwrap();
        let mut damaged = whole.clone();
        damaged[70_000..72_000].fill(0);
        let read = all(&File(Mutex::new(damaged)));
        let (first, second) = (HEADER_BYTES + FRAME_BYTES, HEADER_BYTES + 2 * FRAME_BYTES);
        assert!(read[..first] == plain[..first] && read[second..] == plain[second..]);
        assert!(read[first..second].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_a_client_stored_is_no_table() {
        let (plain, footer) = block();
        // A plain block whose last record ends like a compressed one, and whose header is damaged.
        let like = compress(KEY, &plain, &footer).unwrap();
        let mut file = plain.clone();
        file.extend_from_slice(&like[HEADER_BYTES..]);
        file[3] ^= 1;
        assert!(Frames::find(&File(Mutex::new(file)), KEY).unwrap().is_none());
    }

    #[test]
    fn hostile_bytes_are_refused_or_read_and_nothing_else() {
        let (plain, footer) = block();
        let whole = compress(KEY, &plain, &footer).unwrap();
        let mut state = 7_u64;
        for _ in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = usize::try_from(state >> 16).unwrap() % bytes.len();
                bytes[at] = state.to_be_bytes()[1];
            }
            let cut = usize::try_from(state >> 8).unwrap() % 3 * 1000;
            bytes.truncate(whole.len() - cut);
            let file = File(Mutex::new(bytes));
            if let Ok(Some(mut frames)) = Frames::find(&file, KEY) {
                assert_eq!(frames.read(&file, KEY, 0, usize::MAX).unwrap().len(), frames.end());
            }
        }
    }
}
