//! How answers are written.

use watershed_topology::quantity::{duration, show_duration};

use crate::story::Answer;

/// All answers, for who wrote another one.
pub(crate) const KNOWN: &str =
    "a worker answers done, retry, retry 30s, reject, nak, nak 5s, term, silence or crash";

/// Reads an answer: a word, and for some of them a time.
pub(crate) fn parse(text: &str) -> Result<Answer, String> {
    let mut words = text.split_whitespace();
    let word = words.next().unwrap_or_default();
    let time = words.next().map(|time| duration(time).map_err(|error| error.to_string()));
    let time = time.transpose()?;
    let answer = match (word, time) {
        ("done", None) => Answer::Done,
        ("retry", time) => Answer::Retry(time),
        ("reject", None) => Answer::Reject,
        ("nak", time) => Answer::Nak(time),
        ("term", None) => Answer::Term,
        ("silence", None) => Answer::Silence,
        ("crash", None) => Answer::Crash,
        _ => return Err(format!("unknown answer `{text}`")),
    };
    if words.next().is_some() {
        return Err(format!("unknown answer `{text}`"));
    }
    Ok(answer)
}

/// What is said of an answer in a timeline.
pub(crate) fn told(answer: Answer) -> String {
    match answer {
        Answer::Done => "done".to_owned(),
        Answer::Retry(None) => "retry".to_owned(),
        Answer::Retry(Some(time)) => format!("retry after {}", show_duration(time)),
        Answer::Reject => "reject".to_owned(),
        Answer::Nak(None) => "nak".to_owned(),
        Answer::Nak(Some(time)) => format!("nak, {} later", show_duration(time)),
        Answer::Term => "term".to_owned(),
        Answer::Silence => "no answer".to_owned(),
        Answer::Crash => "the worker crashed".to_owned(),
    }
}
