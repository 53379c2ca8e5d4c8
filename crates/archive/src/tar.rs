//! The tar around an archive's files: read as it comes, and nothing of it reaches a disk by its name.

use crate::bad::BadArchive;

/// Everything in a tar is a multiple of this.
const BLOCK: usize = 512;

/// Longest header of its own that gives a file its name.
const EXTENDED_BYTES_MAX: u64 = 64 * 1024;

/// What is next in a tar.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A file begins.
    File(String),
    /// So many bytes are next, of its content.
    Content(usize),
    /// The file ends.
    EndOfFile,
    /// So many bytes are next that mean nothing.
    Nothing(usize),
    /// The tar ends.
    End,
}

#[derive(Debug, Default)]
enum Part {
    #[default]
    Header,
    /// A header that names the next file.
    Extended(u64, Kind),
    Content(u64),
    Padding(usize),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Fields as text.
    Fields,
    /// The name as it is.
    Name,
    /// What matters to nobody here.
    Other,
}

/// Reads a tar.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    part: Part,
    /// Bytes behind what is being read up to the next block.
    padding: usize,
    name: Option<String>,
}

impl Reader {
    /// What `bytes` begin with. `None`: more of them are needed. What is no content or nothing has
    /// been taken from them.
    pub(crate) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Piece>, BadArchive> {
        match self.part {
            Part::Header => self.header(bytes),
            Part::Extended(size, kind) => self.extended(bytes, size, kind),
            Part::Content(0) => {
                self.part = Part::Padding(self.padding);
                Ok(Some(Piece::EndOfFile))
            }
            Part::Content(left) => {
                let some = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.part = Part::Content(left - some as u64);
                Ok((some > 0).then_some(Piece::Content(some)))
            }
            Part::Padding(0) => {
                self.part = Part::Header;
                Ok(Some(Piece::Nothing(0)))
            }
            Part::Padding(left) => {
                let some = bytes.len().min(left);
                self.part = Part::Padding(left - some);
                Ok((some > 0).then_some(Piece::Nothing(some)))
            }
            Part::End if bytes.is_empty() => Ok(None),
            Part::End => Ok(Some(Piece::Nothing(bytes.len()))),
        }
    }

    /// Whether the tar has ended.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.part, Part::End)
    }

    fn header(&mut self, bytes: &mut &[u8]) -> Result<Option<Piece>, BadArchive> {
        let Some((header, rest)) = bytes.split_first_chunk::<BLOCK>() else { return Ok(None) };
        *bytes = rest;
        if header.iter().all(|byte| *byte == 0) {
            self.part = Part::End;
            return Ok(Some(Piece::End));
        }
        let sum = octal(&header[148..156]).ok_or(BadArchive("a header of the tar is broken"))?;
        let blank = |(index, byte): (usize, &u8)| match index {
            148..156 => u64::from(b' '),
            _ => u64::from(*byte),
        };
        if header.iter().enumerate().map(blank).sum::<u64>() != sum {
            return Err(BadArchive("a header of the tar has a wrong checksum"));
        }
        let size = octal(&header[124..136]).ok_or(BadArchive("a file without a size"))?;
        let behind = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        self.padding = (BLOCK - behind) % BLOCK;
        let kind = match header[156] {
            b'0' | 0 => {
                let name = match self.name.take() {
                    Some(name) => name,
                    None => short_name(header)?,
                };
                self.part = Part::Content(size);
                return Ok(Some(Piece::File(name)));
            }
            b'x' => Kind::Fields,
            b'L' => Kind::Name,
            b'g' => Kind::Other,
            _ => return Err(BadArchive("it has something other than files")),
        };
        if size > EXTENDED_BYTES_MAX {
            return Err(BadArchive("a header of the tar is too long"));
        }
        self.part = Part::Extended(size, kind);
        Ok(Some(Piece::Nothing(0)))
    }

    fn extended(
        &mut self,
        bytes: &mut &[u8],
        size: u64,
        kind: Kind,
    ) -> Result<Option<Piece>, BadArchive> {
        // It is short: see above.
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let Some((content, rest)) = bytes.split_at_checked(size) else { return Ok(None) };
        *bytes = rest;
        let broken = BadArchive("a header of the tar is broken");
        let name = match kind {
            Kind::Fields => path(content)?,
            Kind::Name => Some(content.split(|byte| *byte == 0).next().unwrap_or_default()),
            Kind::Other => None,
        };
        if let Some(name) = name {
            self.name = Some(String::from_utf8(name.to_vec()).map_err(|_| broken)?);
        }
        self.part = Part::Padding(self.padding);
        Ok(Some(Piece::Nothing(0)))
    }
}

/// The number in a field. One that is so large that it does not fit is none.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}

fn short_name(header: &[u8; BLOCK]) -> Result<String, BadArchive> {
    let text = |field: &[u8]| {
        let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8(text.to_vec()).map_err(|_| BadArchive("a name of a file is broken"))
    };
    let (name, prefix) = (text(&header[..100])?, text(&header[345..500])?);
    let has_prefix = &header[257..262] == b"ustar" && !prefix.is_empty();
    Ok(if has_prefix { format!("{prefix}/{name}") } else { name })
}

/// The path among fields such as `20 path=meta.inf`, each a line whose length it begins with.
fn path(mut fields: &[u8]) -> Result<Option<&[u8]>, BadArchive> {
    const BROKEN: BadArchive = BadArchive("a header of the tar is broken");
    let mut path = None;
    while !fields.is_empty() {
        let space = fields.iter().position(|byte| *byte == b' ').ok_or(BROKEN)?;
        let length = std::str::from_utf8(&fields[..space]).ok().and_then(|own| own.parse().ok());
        let (line, rest) = fields.split_at_checked(length.ok_or(BROKEN)?).ok_or(BROKEN)?;
        let field = line.get(space + 1..).and_then(|own| own.strip_suffix(b"\n"));
        let field = field.ok_or(BROKEN)?;
        if field.starts_with(b"size=") {
            return Err(BadArchive("a file is larger than any"));
        }
        path = field.strip_prefix(b"path=").or(path);
        fields = rest;
    }
    Ok(path)
}

/// Appends a file's header. `time` is in seconds.
pub(crate) fn begin_file(name: &str, size: usize, time: i64, out: &mut Vec<u8>) {
    let time = u64::try_from(time).unwrap_or(0);
    if name.len() > 100 {
        // The length counts its own digits.
        let rest = " path=".len() + name.len() + 1;
        let digits = |total: usize| total.to_string().len();
        let mut total = rest + 1;
        while total != rest + digits(total) {
            total = rest + digits(total);
        }
        header("PaxHeaders.0/long", total, time, b'x', out);
        out.extend_from_slice(format!("{total} path={name}\n").as_bytes());
        end_file(total, out);
    }
    header(name, size, time, b'0', out);
}

fn header(name: &str, size: usize, time: u64, kind: u8, out: &mut Vec<u8>) {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, &name.as_bytes()[..name.len().min(100)]);
    put(100, b"0000600\x000000000\x000000000\x00");
    put(124, format!("{size:011o}\0{time:011o}\0").as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000nats");
    put(297, b"nats");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend_from_slice(&header);
}

/// Appends what follows a file's content.
pub(crate) fn end_file(size: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + (BLOCK - size % BLOCK) % BLOCK, 0);
}

/// Appends the end.
pub(crate) fn end(out: &mut Vec<u8>) {
    out.resize(out.len() + 2 * BLOCK, 0);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The files of a tar that comes in pieces of this length.
    fn files(tar: &[u8], piece: usize) -> Result<Vec<(String, Vec<u8>)>, BadArchive> {
        let (mut files, mut held, mut reader) = (Vec::new(), Vec::new(), Reader::default());
        for piece in tar.chunks(piece) {
            held.extend_from_slice(piece);
            let mut rest = held.as_slice();
            while let Some(next) = reader.next(&mut rest)? {
                match next {
                    Piece::File(name) => files.push((name, Vec::new())),
                    Piece::Content(length) => {
                        files.last_mut().unwrap().1.extend_from_slice(&rest[..length]);
                        rest = &rest[length..];
                    }
                    Piece::Nothing(length) => rest = &rest[length..],
                    Piece::EndOfFile | Piece::End => {}
                }
            }
            held = rest.to_vec();
        }
        Ok(files)
    }

    #[test]
    fn files_come_back() {
        let long = format!("obs/{}/o.dat", "x".repeat(255));
        let all = [("meta.inf", 100), ("msgs/1.blk", 1024), ("empty", 0), (long.as_str(), 7)];
        let content =
            |size: usize| (0..size).map(|byte: usize| byte.to_le_bytes()[0]).collect::<Vec<_>>();
        let mut tar = Vec::new();
        for (name, size) in all {
            begin_file(name, size, 1_700_000_000, &mut tar);
            tar.extend(content(size));
            end_file(size, &mut tar);
        }
        end(&mut tar);
        assert_eq!(tar.len() % BLOCK, 0);
        let expected: Vec<_> = all.map(|(name, size)| (name.to_owned(), content(size))).into();
        for piece in [1, 100, 512, 100_000] {
            assert_eq!(files(&tar, piece).as_ref(), Ok(&expected));
        }
        tar[0] ^= 1;
        assert!(files(&tar, 100).is_err());
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(
            mut bytes in prop::collection::vec(any::<u8>(), 0..3000),
            kind in prop::sample::select(vec![b'0', b'x', b'L', b'g', b'5']),
            size in any::<u64>(),
        ) {
            let _ = files(&bytes, 700);
            // Behind a header that is whole.
            let mut tar = Vec::new();
            header("name", usize::try_from(size >> 31).unwrap(), 0, kind, &mut tar);
            tar.append(&mut bytes);
            let _ = files(&tar, 700);
        }
    }
}
