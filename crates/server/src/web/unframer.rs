//! Frames of a client, opened in place.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Longest payload of a control frame.
const CONTROL_BYTES_MAX: u64 = 125;

/// What a client must not send: what it is told, behind the status of a protocol error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Violation(pub(super) &'static str);

/// What control frames ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Payload of the last ping that was not answered.
    pub(super) ping: Option<Vec<u8>>,
    /// Payload of the close, after which nothing counts.
    pub(super) close: Option<Vec<u8>>,
}

/// What was begun and is not whole.
#[derive(Debug, Default)]
pub(super) struct Unframer {
    /// Of a header.
    head: Vec<u8>,
    /// Payload bytes of this frame that are to come.
    left: u64,
    mask: [u8; 4],
    /// The control frame that this is, with what there is of its payload.
    control: Option<(Control, Vec<u8>)>,
    /// Whether a message has begun that is not whole.
    in_message: bool,
}

impl Unframer {
    /// Opens the frames in `buffer`: payloads of data come to its front, and their length is returned.
    pub(super) fn open(
        &mut self,
        buffer: &mut [u8],
        asked: &mut Asked,
    ) -> Result<usize, Violation> {
        let (mut read, mut written) = (0, 0);
        while read < buffer.len() && asked.close.is_none() {
            if self.left == 0 {
                read += self.take_head(&buffer[read..], asked)?;
                continue;
            }
            let left = usize::try_from(self.left).unwrap_or(usize::MAX);
            let count = left.min(buffer.len() - read);
            unmask(&mut buffer[read..read + count], &mut self.mask);
            if let Some((_, payload)) = &mut self.control {
                payload.extend_from_slice(&buffer[read..read + count]);
            } else {
                buffer.copy_within(read..read + count, written);
                written += count;
            }
            read += count;
            self.left -= count as u64;
            if self.left == 0 {
                self.end_control(asked);
            }
        }
        Ok(written)
    }

    /// Takes bytes of a header, and what it says when it is whole. Says how many.
    fn take_head(&mut self, bytes: &[u8], asked: &mut Asked) -> Result<usize, Violation> {
        let mut taken = 0;
        while let Some(more) = missing(&self.head) {
            let count = more.min(bytes.len() - taken);
            self.head.extend_from_slice(&bytes[taken..taken + count]);
            taken += count;
            if count < more {
                return Ok(taken);
            }
        }
        let parsed = FrameHeader::parse(&mut Cursor::new(&self.head));
        self.head.clear();
        let Ok(Some((header, length))) = parsed else { return Err(Violation("unknown opcode")) };
        self.begin(&header, length)?;
        if length == 0 {
            self.end_control(asked);
        }
        Ok(taken)
    }

    fn begin(&mut self, header: &FrameHeader, length: u64) -> Result<(), Violation> {
        let violation = |text| Err(Violation(text));
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return violation("reserved bits set");
        }
        let Some(mask) = header.mask else { return violation("mask bit missing") };
        if length > u64::MAX / 2 {
            return violation("frame too long");
        }
        match header.opcode {
            OpCode::Control(kind) => {
                if !header.is_final || length > CONTROL_BYTES_MAX {
                    return violation("control frame in pieces, or too long");
                }
                self.control = Some((kind, Vec::new()));
            }
            OpCode::Data(kind) => {
                if (kind == Data::Continue) != self.in_message {
                    return violation("message begun anew, or never begun");
                }
                self.in_message = !header.is_final;
            }
        }
        (self.left, self.mask) = (length, mask);
        Ok(())
    }

    fn end_control(&mut self, asked: &mut Asked) {
        match self.control.take() {
            Some((Control::Ping, payload)) => asked.ping = Some(payload),
            Some((Control::Close, payload)) => asked.close = Some(payload),
            Some(_) | None => {}
        }
    }
}

/// Bytes that a header needs at least beside those that are there; `None` if it is whole.
fn missing(head: &[u8]) -> Option<usize> {
    let whole = match head.get(1) {
        None => 2,
        Some(second) => {
            let length = match second & 0x7f {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            2 + length + if second & 0x80 == 0 { 0 } else { 4 }
        }
    };
    (head.len() < whole).then(|| whole - head.len())
}

/// Takes the mask off, and turns it to where the next byte needs it.
fn unmask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let mut chunks = bytes.chunks_exact_mut(4);
    for chunk in &mut chunks {
        for (byte, mask) in chunk.iter_mut().zip(&*mask) {
            *byte ^= mask;
        }
    }
    let rest = chunks.into_remainder();
    for (byte, mask) in rest.iter_mut().zip(&*mask) {
        *byte ^= mask;
    }
    mask.rotate_left(rest.len());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame as a client sends it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x5a, 0xc3, 0x0f, 0x91];
        let mut frame = vec![first];
        match payload.len() {
            length @ ..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            length => {
                frame.push(0xfe);
                frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// What comes out of bytes that come in pieces of a length.
    fn open(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Asked), Violation> {
        let (mut unframer, mut asked, mut all) =
            (Unframer::default(), Asked::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            let mut buffer = piece.to_vec();
            let count = unframer.open(&mut buffer, &mut asked)?;
            all.extend_from_slice(&buffer[..count]);
        }
        Ok((all, asked))
    }

    #[test]
    fn frames_come_in_any_pieces() {
        let long = vec![b'x'; 70_000 / 2];
        let bytes = [
            frame(0x82, b"PUB a 1\r\nx\r\n"),
            frame(0x81, b""),
            frame(0x02, b"PI"),
            frame(0x89, b"first"),
            frame(0x00, b"NG"),
            frame(0x8a, b"a pong"),
            frame(0x80, b"\r\n"),
            frame(0x82, &long),
            frame(0x89, b"second"),
            frame(0x88, b"\x03\xe8bye"),
            frame(0x82, b"after that"),
        ]
        .concat();
        let expected = [&b"PUB a 1\r\nx\r\nPING\r\n"[..], &long].concat();
        for piece in [1, 2, 3, 5, 7, 64, 1 << 20] {
            let (all, asked) = open(&bytes, piece).unwrap();
            assert!(all == expected, "{piece}");
            let ping = Some(b"second".to_vec());
            assert_eq!(asked, Asked { ping, close: Some(b"\x03\xe8bye".to_vec()) });
        }
    }

    #[test]
    fn what_a_client_must_not_send_is_told() {
        let check = |bytes: &[u8], expected: &'static str| {
            for piece in [1, 1 << 20] {
                assert_eq!(open(bytes, piece).map(|_| ()), Err(Violation(expected)), "{bytes:?}");
            }
        };
        check(b"\x82\x01x", "mask bit missing");
        check(&frame(0x83, b"x"), "unknown opcode");
        check(&frame(0x8b, b"x"), "unknown opcode");
        check(&frame(0xc2, b"x"), "reserved bits set");
        check(&frame(0x09, b"x"), "control frame in pieces, or too long");
        check(&frame(0x89, &[0; 126]), "control frame in pieces, or too long");
        check(&frame(0x80, b"x"), "message begun anew, or never begun");
        check(
            &[frame(0x02, b"x"), frame(0x02, b"x")].concat(),
            "message begun anew, or never begun",
        );
        check(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", "frame too long");
    }

    proptest! {
        /// Whatever comes, in whatever pieces, comes to the same, and never to more than came.
        #[test]
        fn pieces_change_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1_usize..40) {
            let whole = open(&bytes, 1 << 20);
            let pieces = open(&bytes, piece);
            prop_assert_eq!(&whole, &pieces);
            if let Ok((all, _)) = whole {
                prop_assert!(all.len() <= bytes.len());
            }
        }
    }
}
