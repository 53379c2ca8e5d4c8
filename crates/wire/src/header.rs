//! Header blocks: `NATS/1.0[ code[ text]]`, then `Name: value` lines, then a blank line (ADR-4).
//!
//! Blocks pass through a server unread unless it looks for one of its own names, so they are views
//! on bytes: nothing is parsed before it is asked for. Names are case-sensitive, as nats-server
//! treats them.

/// First line of a block without a status.
const VERSION: &[u8] = b"NATS/1.0";

/// A header block as it came in, without any promise that it is well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderBlock<'a>(pub &'a [u8]);

impl<'a> HeaderBlock<'a> {
    /// The status code and its text (`404 Message Not Found`), if the first line has one.
    pub fn status(self) -> Option<(u16, &'a [u8])> {
        let line = lines(self.0).next()?;
        let rest = line.strip_prefix(VERSION)?.trim_ascii_start();
        let (code, text) = rest.split_at_checked(3)?;
        let code = std::str::from_utf8(code).ok()?.parse().ok()?;
        Some((code, text.trim_ascii()))
    }

    /// The first value under `name`, without the white space around it.
    #[inline]
    pub fn value(self, name: &str) -> Option<&'a [u8]> {
        // Most messages carry none of the names that are asked for: look for the bytes first.
        memchr::memmem::find(self.0, name.as_bytes())?;
        self.fields().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
    }

    /// All names and values in order.
    pub fn fields(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        lines(self.0).skip(1).filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            let (name, value) = line.split_at_checked(colon)?;
            Some((name, value.get(1..)?.trim_ascii()))
        })
    }

    /// Whether the block begins with the version and ends with a blank line.
    pub fn is_well_formed(self) -> bool {
        self.0.starts_with(VERSION) && self.0.ends_with(b"\r\n\r\n")
    }
}

fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let end = memchr::memmem::find(rest, b"\r\n")?;
        let (line, after) = rest.split_at_checked(end)?;
        rest = after.get(2..)?;
        Some(line)
    })
    .take_while(|line| !line.is_empty())
}

/// Builds a header block.
#[derive(Debug, Clone)]
pub struct HeaderWriter(Vec<u8>);

impl Default for HeaderWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl HeaderWriter {
    /// A block without a status.
    pub fn new() -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(VERSION);
        bytes.extend_from_slice(b"\r\n");
        Self(bytes)
    }

    /// A block with a status, as the server sends it in place of a message.
    pub fn with_status(code: u16, text: &str) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(VERSION);
        bytes.push(b' ');
        bytes.extend_from_slice(itoa::Buffer::new().format(code).as_bytes());
        if !text.is_empty() {
            bytes.push(b' ');
            push_clean(&mut bytes, text.as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        Self(bytes)
    }

    /// Continues the block `block` that came from elsewhere; an empty one starts a new block.
    pub fn extending(block: &[u8]) -> Self {
        match block.strip_suffix(b"\r\n") {
            Some(lines) if !lines.is_empty() => Self(lines.to_vec()),
            _ => Self::new(),
        }
    }

    /// Appends a field. Line ends inside the value become spaces: a value cannot add fields.
    pub fn field(&mut self, name: &str, value: &[u8]) -> &mut Self {
        push_clean(&mut self.0, name.as_bytes());
        self.0.extend_from_slice(b": ");
        push_clean(&mut self.0, value);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    /// Appends a field with a number.
    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.field(name, itoa::Buffer::new().format(value).as_bytes())
    }

    /// Closes the block.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"\r\n");
        self.0
    }
}

fn push_clean(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_and_status_are_found() {
        let block = HeaderBlock(b"NATS/1.0 404 Message Not Found\r\nA: 1\r\nb:2 \r\nA: 3\r\n\r\n");
        assert_eq!(block.status(), Some((404, b"Message Not Found".as_slice())));
        assert_eq!(block.value("A"), Some(b"1".as_slice()));
        assert_eq!(block.value("b"), Some(b"2".as_slice()));
        assert_eq!(block.value("B"), None);
        assert_eq!(block.fields().count(), 3);
        assert!(block.is_well_formed());
        assert_eq!(HeaderBlock(b"NATS/1.0\r\n\r\n").status(), None);
    }

    #[test]
    fn a_value_cannot_add_a_field() {
        let mut writer = HeaderWriter::new();
        writer.field("A", b"1\r\nEvil: 1").number("N", 7);
        let block = writer.finish();
        assert_eq!(block, b"NATS/1.0\r\nA: 1  Evil: 1\r\nN: 7\r\n\r\n");
        assert_eq!(HeaderBlock(&block).value("Evil"), None);
    }

    #[test]
    fn a_block_is_extended() {
        let mut writer = HeaderWriter::extending(b"NATS/1.0\r\nA: 1\r\n\r\n");
        writer.field("B", b"2");
        assert_eq!(writer.finish(), b"NATS/1.0\r\nA: 1\r\nB: 2\r\n\r\n");
        assert_eq!(HeaderWriter::extending(b"").finish(), b"NATS/1.0\r\n\r\n");
        assert_eq!(HeaderWriter::with_status(503, "").finish(), b"NATS/1.0 503\r\n\r\n");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let block = HeaderBlock(&bytes);
            block.status();
            block.value("A");
            prop_assert!(block.fields().count() <= bytes.len());
        }
    }
}
