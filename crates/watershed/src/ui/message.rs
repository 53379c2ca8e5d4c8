//! Messages as people read them.

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
        out(&format!("{sequence}{}{time}{again}", self.subject));
        for (name, value) in &self.headers {
            out(&format!("  {name}: {value}"));
        }
        out(&format!("  {text}"));
    }
}
