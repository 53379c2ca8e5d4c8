//! Messages as people read them.

use std::borrow::Cow;

use serde_json::json;

use super::out;

/// A message to show.
pub(crate) struct Shown<'a> {
    /// Subject.
    pub(crate) subject: &'a str,
    /// Headers, each with a value.
    pub(crate) headers: Vec<(String, String)>,
    /// Payload.
    pub(crate) payload: &'a [u8],
    /// Sequence in its stream, if it has one.
    pub(crate) sequence: Option<u64>,
    /// When it was stored.
    pub(crate) time: Option<String>,
    /// Which delivery this is, if it is one.
    pub(crate) delivery: Option<u64>,
}

impl Shown<'_> {
    /// Prints it: a line that says which, and its content.
    pub(crate) fn print(&self, as_json: bool) {
        let text = String::from_utf8_lossy(self.payload);
        if as_json {
            let headers: serde_json::Map<_, _> = self
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.clone().into()))
                .collect();
            let line = json!({
                "subject": self.subject,
                "sequence": self.sequence,
                "time": self.time,
                "delivery": self.delivery,
                "headers": headers,
                "payload": text,
            });
            out(&line.to_string());
            return;
        }
        let sequence = self.sequence.map(|sequence| format!("#{sequence} ")).unwrap_or_default();
        let time = self.time.as_ref().map(|time| format!("  {time}")).unwrap_or_default();
        let again = match self.delivery {
            Some(2..) => format!("  delivery {}", self.delivery.unwrap_or_default()),
            _ => String::new(),
        };
        out(&format!("{sequence}{}{time}{again}", tame_line(self.subject)));
        for (name, value) in &self.headers {
            out(&format!("  {}: {}", tame_line(name), tame_line(value)));
        }
        out(&format!("  {}", tame(&text)));
    }
}

/// A text of somebody else's, without what a terminal would obey: control characters but line ends and tabs are shown
/// as what they are, and so are signs that turn the order of a line around or are not to be seen.
pub(crate) fn tame(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_obeyed(c) && c != '\n' && c != '\t')
}

/// The same in one line.
pub(crate) fn tame_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed)
}

fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn escaped(text: &str, obeyed: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::{tame, tame_line};

    #[test]
    fn a_terminal_obeys_no_message() {
        assert_eq!(tame("two\nlines\tö"), "two\nlines\tö");
        assert_eq!(tame("\x1b[2Jx\u{9b}1m\x07\r"), "\\u{1b}[2Jx\\u{9b}1m\\u{7}\\r");
        assert_eq!(tame("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(tame_line("a\nb\tc"), "a\\nb\\tc");
    }
}
