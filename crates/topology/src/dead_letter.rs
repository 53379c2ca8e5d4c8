//! Where a stream keeps what was given up, in two forms: the message itself with what became of it, as
//! workers store it, and the server's record of which message that was.

/// What a server says of a message that nobody took: that it was given up after the last allowed
/// delivery, or terminated by a worker.
pub const GIVEN_UP: [&str; 2] = ["MAX_DELIVERIES", "MSG_TERMINATED"];

/// First token of the subjects of dead letters.
pub const PREFIX: &str = "dead";

/// Whether a stream with these subjects keeps dead letters, or the server's records of them.
pub fn is_kept_by(subjects: &[String]) -> bool {
    let is_letter = |subject: &String| {
        let record = subject.strip_prefix("$JS.EVENT.ADVISORY.CONSUMER.");
        let of = |head: &str| GIVEN_UP.iter().any(|what| head.starts_with(what));
        record.is_some_and(of)
            || subject.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('.'))
    };
    subjects.iter().any(is_letter)
}

/// The subject on which a server says `what` of a message of a consumer: one of [`GIVEN_UP`], or `*`.
pub fn record(what: &str, stream: &str, consumer: &str) -> String {
    format!("$JS.EVENT.ADVISORY.CONSUMER.{what}.{stream}.{consumer}")
}

/// The filter of all dead letters of a consumer; `*` stands for every stream, or every consumer.
pub fn letters(stream: &str, consumer: &str) -> String {
    format!("{PREFIX}.{stream}.{consumer}.*.*")
}

/// The subject of one dead letter. It is that message's alone, also after the stream was made anew and
/// counts from 1 again: `created` is when that was, in nanoseconds since 1970.
pub fn letter(stream: &str, consumer: &str, created: i64, sequence: u64) -> String {
    format!("{PREFIX}.{stream}.{consumer}.{created}.{sequence}")
}
