//! Places as editors say them: lines and UTF-16 units, both from 0.

use lsp_types::{Position, Range};

/// A text and where its lines begin.
#[derive(Debug)]
pub(crate) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let ends = |at: &usize| match bytes.get(*at) {
            Some(b'\n') => true,
            Some(b'\r') => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        let behind = (0..bytes.len()).filter(ends).map(|at| at + 1);
        Self { text, starts: std::iter::once(0).chain(behind).collect() }
    }

    /// The place of a byte.
    pub(crate) fn position(&self, byte: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= byte).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or_default();
        let before = self.text.get(start..byte).unwrap_or_default();
        Position { line: number(line), character: number(before.encode_utf16().count()) }
    }

    /// The places of some bytes.
    pub(crate) fn range(&self, bytes: std::ops::Range<usize>) -> Range {
        Range { start: self.position(bytes.start), end: self.position(bytes.end) }
    }

    /// The byte at a place; of one behind the end of its line, that end.
    pub(crate) fn byte(&self, at: Position) -> usize {
        let line = usize::try_from(at.line).unwrap_or(usize::MAX);
        let Some(start) = self.starts.get(line).copied() else { return self.text.len() };
        let mut left = usize::try_from(at.character).unwrap_or(usize::MAX);
        let rest = self.text.get(start..).unwrap_or_default();
        for (at, sign) in rest.char_indices() {
            if left < sign.len_utf16() || sign == '\n' || sign == '\r' {
                return start + at;
            }
            left -= sign.len_utf16();
        }
        self.text.len()
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_utf16_units() {
        let text = "aé𝄞b\r\nc\rd\n";
        let lines = Lines::new(text);
        for (byte, line, character) in
            [(0, 0, 0), (1, 0, 1), (3, 0, 2), (7, 0, 4), (10, 1, 0), (12, 2, 0), (14, 3, 0)]
        {
            let place = Position { line, character };
            assert_eq!(lines.position(byte), place, "{byte}");
            assert_eq!(lines.byte(place), byte, "{place:?}");
        }
        // Inside a surrogate pair, and behind the end of a line and of the text.
        assert_eq!(lines.byte(Position { line: 0, character: 3 }), 3);
        assert_eq!(lines.byte(Position { line: 0, character: 99 }), 8);
        assert_eq!(lines.byte(Position { line: 9, character: 0 }), text.len());
    }
}
