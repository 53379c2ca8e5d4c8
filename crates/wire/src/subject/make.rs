//! Functions of transforms: what they make of the tokens of a subject (ADR-30).
//!
//! Their results are nats-server 2.15.1's. Where that one would make an empty token, nothing changes.

/// A function with its arguments. Places are indexes of tokens; lengths count bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Make {
    /// A token as it is.
    Token(usize),
    /// Which of so many buckets the tokens at these places belong to; without a place, the subject.
    Partition(u32, Vec<usize>),
    /// A number below this one.
    Random(u32),
    /// A part of a token, or several.
    Cut(Cut, usize, i32),
    /// What stands between the occurrences of a text.
    Split(usize, String),
}

/// How a token is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Its first bytes.
    Left,
    /// Its last bytes.
    Right,
    /// In two, behind its first bytes.
    SplitFromLeft,
    /// In two, before its last bytes.
    SplitFromRight,
    /// In pieces of one length, the last of which may be shorter.
    SliceFromLeft,
    /// In pieces of one length, the first of which may be shorter.
    SliceFromRight,
}

impl Make {
    /// Whether it makes one token, whatever the subject.
    pub(super) fn is_one(&self) -> bool {
        match self {
            Self::Token(_) | Self::Partition(..) | Self::Random(_) => true,
            Self::Cut(cut, ..) => matches!(cut, Cut::Left | Cut::Right),
            Self::Split(..) => false,
        }
    }

    /// Appends what it makes of a subject, `all` of whose tokens are given. What is random about it
    /// follows from `random`.
    pub(super) fn append(&self, subject: &[u8], all: &[&[u8]], random: u64, out: &mut Vec<u8>) {
        let token = |at: usize| all.get(at).copied().unwrap_or_default();
        match self {
            Self::Token(at) => out.extend_from_slice(token(*at)),
            Self::Partition(buckets, places) => {
                let hash = match places.as_slice() {
                    [] => fnv1a(subject),
                    places => fnv1a(places.iter().flat_map(|at| token(*at))),
                };
                number(hash.checked_rem(*buckets).unwrap_or(0), out);
            }
            Self::Random(below) => {
                let scaled = (random & u64::from(u32::MAX)) * u64::from(*below);
                number(u32::try_from(scaled >> 32).unwrap_or(0), out);
            }
            Self::Cut(cut, at, by) => cut.append(token(*at), *by, out),
            Self::Split(at, by) => split(token(*at), by.as_bytes(), out),
        }
    }
}

impl Cut {
    fn append(self, token: &[u8], by: i32, out: &mut Vec<u8>) {
        let by = usize::try_from(by).unwrap_or(0);
        if by == 0 || by >= token.len() {
            return out.extend_from_slice(token);
        }
        let (left, right) = (token.split_at(by), token.split_at(token.len() - by));
        match self {
            Self::Left => out.extend_from_slice(left.0),
            Self::Right => out.extend_from_slice(right.1),
            Self::SplitFromLeft => join([left.0, left.1], out),
            Self::SplitFromRight => join([right.0, right.1], out),
            Self::SliceFromLeft => join(token.chunks(by), out),
            Self::SliceFromRight => {
                let (first, rest) = token.split_at(token.len() % by);
                let first = Some(first).filter(|first| !first.is_empty());
                join(first.into_iter().chain(rest.chunks(by)), out);
            }
        }
    }
}

/// Appends the pieces of `token` between the occurrences of `by`; its characters, if that is empty.
fn split(token: &[u8], by: &[u8], out: &mut Vec<u8>) {
    if by.is_empty() {
        let text = String::from_utf8_lossy(token);
        let pieces: Vec<&str> = text.split("").filter(|piece| !piece.is_empty()).collect();
        return join(pieces.iter().map(|piece| piece.as_bytes()), out);
    }
    let ends = memchr::memmem::find_iter(token, by).chain([token.len()]);
    let mut from = 0;
    let pieces = ends.map(|end| {
        let piece = token.get(from..end).unwrap_or_default();
        from = end + by.len();
        piece
    });
    join(pieces.filter(|piece| !piece.is_empty()), out);
}

fn join<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for (index, piece) in pieces.into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        out.extend_from_slice(piece);
    }
}

fn number(number: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(number.to_string().as_bytes());
}

/// FNV-1a of 32 bits, by which partitions are chosen.
fn fnv1a<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u32 {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.into_iter().fold(0x811c_9dc5, mix)
}
