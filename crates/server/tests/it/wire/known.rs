//! Differences that are known, and why they are there.

use serde_json::{Value, json};

use super::make::Step;
use super::talk::Answers;

/// What is known of differences: a reason, and how to tell.
type Known = (&'static str, fn(&Seen<'_>) -> bool);

/// A step at which the answers differ.
struct Seen<'a> {
    said: String,
    own: &'a Answers,
    peer: &'a Answers,
}

impl Seen<'_> {
    /// The error in an answer: its code and what it says.
    fn error(answers: &Answers) -> Option<(u64, String)> {
        let [message] = answers.messages.as_slice() else { return None };
        let error = message.payload.get("error")?;
        Some((error["err_code"].as_u64()?, error["description"].to_string()))
    }

    /// How many fields the configuration has that is asked for.
    fn fields(&self) -> usize {
        let body = self.said.split("\r\n").nth(1).unwrap_or_default();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let config = body.get("config").unwrap_or(&body);
        config.as_object().map_or(0, serde_json::Map::len)
    }
}

const KNOWN: &[Known] = &[
    ("a message that is only traced is answered by nobody here", |seen| {
        seen.said.to_lowercase().contains("nats-trace-only")
    }),
    ("`null` in place of a word is absence here, and refused there", |seen| {
        seen.said.contains(":null")
            && Seen::error(seen.peer)
                .is_some_and(|(code, text)| code == 10025 && text.contains("can not unmarshal"))
    }),
    ("missing sequences of an empty stream are none here, and `[0]` there", |seen| {
        seen.said.contains("deleted_details")
            && seen
                .peer
                .messages
                .iter()
                .any(|message| message.payload["state"]["deleted"] == json!([0]))
    }),
    ("a zone without a schedule is not looked at here", |seen| {
        seen.said.to_lowercase().contains("nats-schedule-time-zone")
            && Seen::error(seen.peer).is_some_and(|(code, _)| code == 10223)
    }),
    ("what a restore may not be is said before it begins here, and at its end there", |seen| {
        seen.said.contains("STREAM.RESTORE")
            && Seen::error(seen.own).is_some()
            && Seen::error(seen.peer).is_none()
    }),
    ("of several broken rules each names another one first", |seen| {
        Seen::error(seen.own).is_some() && Seen::error(seen.peer).is_some() && seen.fields() > 2
    }),
];

/// Why the answers to a step differ, if that is known.
pub(super) fn reason(step: &Step, own: &Answers, peer: &Answers) -> Option<&'static str> {
    let said = String::from_utf8_lossy(&step.bytes).into_owned();
    let seen = Seen { said, own, peer };
    KNOWN.iter().find(|(_, holds)| holds(&seen)).map(|(reason, _)| *reason)
}
