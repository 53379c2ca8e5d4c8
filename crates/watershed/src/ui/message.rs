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
        out(&format!("{sequence}{}{time}{again}", tame(self.subject)));
        for (name, value) in &self.headers {
            out(&format!("  {}: {}", tame(name), tame(value)));
        }
        out(&format!("  {}", tame(&text)));
    }
}

/// A text of somebody else's, without what a terminal would obey: control characters but line ends and tabs are shown
/// as what they are.
fn tame(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(obeyed) {
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
    use super::tame;

    #[test]
    fn a_terminal_obeys_no_message() {
        assert_eq!(tame("two\nlines\tö"), "two\nlines\tö");
        assert_eq!(tame("\x1b[2Jx\u{9b}1m\x07\r"), "\\u{1b}[2Jx\\u{9b}1m\\u{7}\\r");
    }
}
