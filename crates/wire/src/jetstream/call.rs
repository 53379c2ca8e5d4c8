//! The subjects of the API, built and parsed in one place.

/// Prefix of every API subject.
pub const PREFIX: &str = "$JS.API";

/// An API call, as its subject names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call<'a> {
    /// `INFO`.
    AccountInfo,
    /// `STREAM.NAMES`.
    StreamNames,
    /// `STREAM.LIST`.
    StreamList,
    /// `STREAM.CREATE.<stream>`.
    StreamCreate(&'a str),
    /// `STREAM.UPDATE.<stream>`.
    StreamUpdate(&'a str),
    /// `STREAM.INFO.<stream>`.
    StreamInfo(&'a str),
    /// `STREAM.DELETE.<stream>`.
    StreamDelete(&'a str),
    /// `STREAM.PURGE.<stream>`.
    StreamPurge(&'a str),
    /// `STREAM.SNAPSHOT.<stream>`.
    StreamSnapshot(&'a str),
    /// `STREAM.RESTORE.<stream>`.
    StreamRestore(&'a str),
    /// `STREAM.MSG.GET.<stream>`.
    MessageGet(&'a str),
    /// `STREAM.MSG.DELETE.<stream>`.
    MessageDelete(&'a str),
    /// `DIRECT.GET.<stream>`.
    DirectGet(&'a str),
    /// `DIRECT.GET.<stream>.<subject>`.
    DirectGetLast {
        /// Stream.
        stream: &'a str,
        /// Subject whose last message is wanted.
        subject: &'a str,
    },
    /// `CONSUMER.CREATE.<stream>`: without a durable name.
    ConsumerCreate(&'a str),
    /// `CONSUMER.CREATE.<stream>.<consumer>[.<filter>]`.
    ConsumerCreateNamed {
        /// Stream.
        stream: &'a str,
        /// Consumer.
        consumer: &'a str,
        /// Filter, which permissions can be given on.
        filter: Option<&'a str>,
    },
    /// `CONSUMER.DURABLE.CREATE.<stream>.<consumer>`.
    ConsumerCreateDurable {
        /// Stream.
        stream: &'a str,
        /// Consumer.
        consumer: &'a str,
    },
    /// `CONSUMER.NAMES.<stream>`.
    ConsumerNames(&'a str),
    /// `CONSUMER.LIST.<stream>`.
    ConsumerList(&'a str),
    /// `CONSUMER.INFO.<stream>.<consumer>`.
    ConsumerInfo {
        /// Stream.
        stream: &'a str,
        /// Consumer.
        consumer: &'a str,
    },
    /// `CONSUMER.DELETE.<stream>.<consumer>`.
    ConsumerDelete {
        /// Stream.
        stream: &'a str,
        /// Consumer.
        consumer: &'a str,
    },
    /// `CONSUMER.PAUSE.<stream>.<consumer>`.
    ConsumerPause {
        /// Stream.
        stream: &'a str,
        /// Consumer.
        consumer: &'a str,
    },
    /// `CONSUMER.UNPIN.<stream>.<consumer>`.
    ConsumerUnpin {
        /// Stream.
        stream: &'a str,
        /// Consumer.
        consumer: &'a str,
    },
    /// `CONSUMER.RESET.<stream>.<consumer>`.
    ConsumerReset {
        /// Stream.
        stream: &'a str,
        /// Consumer.
        consumer: &'a str,
    },
    /// `CONSUMER.MSG.NEXT.<stream>.<consumer>`.
    ConsumerNext {
        /// Stream.
        stream: &'a str,
        /// Consumer.
        consumer: &'a str,
    },
}

impl<'a> Call<'a> {
    /// Parses a subject. `None` for one that names no call; it may be one that is
    /// [not built](super::unbuilt).
    pub fn parse(subject: &'a str) -> Option<Self> {
        if subject.ends_with('.') || subject.contains("..") {
            return None;
        }
        let rest = subject.strip_prefix(PREFIX)?.strip_prefix('.')?;
        if rest == "INFO" {
            return Some(Self::AccountInfo);
        }
        if let Some(rest) = rest.strip_prefix("STREAM.") {
            return Self::parse_stream(rest);
        }
        if let Some(rest) = rest.strip_prefix("CONSUMER.") {
            return Self::parse_consumer(rest);
        }
        let rest = rest.strip_prefix("DIRECT.GET.")?;
        Some(match rest.split_once('.') {
            None => Self::DirectGet(rest),
            Some((stream, subject)) => Self::DirectGetLast { stream, subject },
        })
    }

    fn parse_stream(rest: &'a str) -> Option<Self> {
        match rest {
            "NAMES" => return Some(Self::StreamNames),
            "LIST" => return Some(Self::StreamList),
            _ => {}
        }
        let (verb, name) = rest.rsplit_once('.')?;
        if name.is_empty() {
            return None;
        }
        match verb {
            "CREATE" => Some(Self::StreamCreate(name)),
            "UPDATE" => Some(Self::StreamUpdate(name)),
            "INFO" => Some(Self::StreamInfo(name)),
            "DELETE" => Some(Self::StreamDelete(name)),
            "PURGE" => Some(Self::StreamPurge(name)),
            "SNAPSHOT" => Some(Self::StreamSnapshot(name)),
            "RESTORE" => Some(Self::StreamRestore(name)),
            "MSG.GET" => Some(Self::MessageGet(name)),
            "MSG.DELETE" => Some(Self::MessageDelete(name)),
            _ => None,
        }
    }

    fn parse_consumer(rest: &'a str) -> Option<Self> {
        if let Some(rest) = rest.strip_prefix("CREATE.") {
            return Some(match rest.split_once('.') {
                None => Self::ConsumerCreate(rest),
                Some((stream, rest)) => {
                    let (consumer, filter) = match rest.split_once('.') {
                        None => (rest, None),
                        Some((consumer, filter)) => (consumer, Some(filter)),
                    };
                    Self::ConsumerCreateNamed { stream, consumer, filter }
                }
            });
        }
        if let Some(stream) = rest.strip_prefix("NAMES.") {
            return one_token(stream).map(Self::ConsumerNames);
        }
        if let Some(stream) = rest.strip_prefix("LIST.") {
            return one_token(stream).map(Self::ConsumerList);
        }
        let pair =
            |rest: &'a str| rest.split_once('.').filter(|(_, name)| one_token(name).is_some());
        if let Some((stream, consumer)) = rest.strip_prefix("DURABLE.CREATE.").and_then(pair) {
            return Some(Self::ConsumerCreateDurable { stream, consumer });
        }
        if let Some((stream, consumer)) = rest.strip_prefix("MSG.NEXT.").and_then(pair) {
            return Some(Self::ConsumerNext { stream, consumer });
        }
        if let Some((stream, consumer)) = rest.strip_prefix("INFO.").and_then(pair) {
            return Some(Self::ConsumerInfo { stream, consumer });
        }
        if let Some((stream, consumer)) = rest.strip_prefix("PAUSE.").and_then(pair) {
            return Some(Self::ConsumerPause { stream, consumer });
        }
        if let Some((stream, consumer)) = rest.strip_prefix("RESET.").and_then(pair) {
            return Some(Self::ConsumerReset { stream, consumer });
        }
        if let Some((stream, consumer)) = rest.strip_prefix("UNPIN.").and_then(pair) {
            return Some(Self::ConsumerUnpin { stream, consumer });
        }
        let (stream, consumer) = rest.strip_prefix("DELETE.").and_then(pair)?;
        Some(Self::ConsumerDelete { stream, consumer })
    }

    /// The subject to send the call to.
    pub fn subject(self) -> String {
        match self {
            Self::AccountInfo => format!("{PREFIX}.INFO"),
            Self::StreamNames => format!("{PREFIX}.STREAM.NAMES"),
            Self::StreamList => format!("{PREFIX}.STREAM.LIST"),
            Self::StreamCreate(name) => format!("{PREFIX}.STREAM.CREATE.{name}"),
            Self::StreamUpdate(name) => format!("{PREFIX}.STREAM.UPDATE.{name}"),
            Self::StreamInfo(name) => format!("{PREFIX}.STREAM.INFO.{name}"),
            Self::StreamDelete(name) => format!("{PREFIX}.STREAM.DELETE.{name}"),
            Self::StreamPurge(name) => format!("{PREFIX}.STREAM.PURGE.{name}"),
            Self::StreamSnapshot(name) => format!("{PREFIX}.STREAM.SNAPSHOT.{name}"),
            Self::StreamRestore(name) => format!("{PREFIX}.STREAM.RESTORE.{name}"),
            Self::MessageGet(name) => format!("{PREFIX}.STREAM.MSG.GET.{name}"),
            Self::MessageDelete(name) => format!("{PREFIX}.STREAM.MSG.DELETE.{name}"),
            Self::DirectGet(name) => format!("{PREFIX}.DIRECT.GET.{name}"),
            Self::DirectGetLast { stream, subject } => {
                format!("{PREFIX}.DIRECT.GET.{stream}.{subject}")
            }
            Self::ConsumerCreate(stream) => format!("{PREFIX}.CONSUMER.CREATE.{stream}"),
            Self::ConsumerCreateNamed { stream, consumer, filter: None } => {
                format!("{PREFIX}.CONSUMER.CREATE.{stream}.{consumer}")
            }
            Self::ConsumerCreateNamed { stream, consumer, filter: Some(filter) } => {
                format!("{PREFIX}.CONSUMER.CREATE.{stream}.{consumer}.{filter}")
            }
            Self::ConsumerCreateDurable { stream, consumer } => {
                format!("{PREFIX}.CONSUMER.DURABLE.CREATE.{stream}.{consumer}")
            }
            Self::ConsumerNames(stream) => format!("{PREFIX}.CONSUMER.NAMES.{stream}"),
            Self::ConsumerList(stream) => format!("{PREFIX}.CONSUMER.LIST.{stream}"),
            Self::ConsumerInfo { stream, consumer } => {
                format!("{PREFIX}.CONSUMER.INFO.{stream}.{consumer}")
            }
            Self::ConsumerDelete { stream, consumer } => {
                format!("{PREFIX}.CONSUMER.DELETE.{stream}.{consumer}")
            }
            Self::ConsumerPause { stream, consumer } => {
                format!("{PREFIX}.CONSUMER.PAUSE.{stream}.{consumer}")
            }
            Self::ConsumerUnpin { stream, consumer } => {
                format!("{PREFIX}.CONSUMER.UNPIN.{stream}.{consumer}")
            }
            Self::ConsumerReset { stream, consumer } => {
                format!("{PREFIX}.CONSUMER.RESET.{stream}.{consumer}")
            }
            Self::ConsumerNext { stream, consumer } => {
                format!("{PREFIX}.CONSUMER.MSG.NEXT.{stream}.{consumer}")
            }
        }
    }
}

fn one_token(text: &str) -> Option<&str> {
    (!text.is_empty() && !text.contains('.')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each subject names the call, and the call builds the subject.
    #[track_caller]
    fn check(subject: &str, call: Call<'_>) {
        assert_eq!(Call::parse(subject), Some(call), "{subject}");
        assert_eq!(call.subject(), subject);
    }

    #[test]
    fn subjects_and_calls() {
        let (stream, consumer) = ("S", "C");
        check("$JS.API.INFO", Call::AccountInfo);
        check("$JS.API.STREAM.NAMES", Call::StreamNames);
        check("$JS.API.STREAM.LIST", Call::StreamList);
        check("$JS.API.STREAM.CREATE.S", Call::StreamCreate("S"));
        check("$JS.API.STREAM.MSG.GET.S", Call::MessageGet("S"));
        check("$JS.API.STREAM.MSG.DELETE.S", Call::MessageDelete("S"));
        check("$JS.API.DIRECT.GET.S", Call::DirectGet("S"));
        check("$JS.API.DIRECT.GET.S.a.b", Call::DirectGetLast { stream, subject: "a.b" });
        check("$JS.API.CONSUMER.CREATE.S", Call::ConsumerCreate("S"));
        check(
            "$JS.API.CONSUMER.CREATE.S.C.a.>",
            Call::ConsumerCreateNamed { stream, consumer, filter: Some("a.>") },
        );
        check(
            "$JS.API.CONSUMER.CREATE.S.C",
            Call::ConsumerCreateNamed { stream, consumer, filter: None },
        );
        check(
            "$JS.API.CONSUMER.DURABLE.CREATE.S.C",
            Call::ConsumerCreateDurable { stream, consumer },
        );
        check("$JS.API.CONSUMER.NAMES.S", Call::ConsumerNames("S"));
        check("$JS.API.CONSUMER.LIST.S", Call::ConsumerList("S"));
        check("$JS.API.CONSUMER.INFO.S.C", Call::ConsumerInfo { stream, consumer });
        check("$JS.API.CONSUMER.DELETE.S.C", Call::ConsumerDelete { stream, consumer });
        check("$JS.API.CONSUMER.PAUSE.S.C", Call::ConsumerPause { stream, consumer });
        check("$JS.API.CONSUMER.RESET.S.C", Call::ConsumerReset { stream, consumer });
        check("$JS.API.CONSUMER.UNPIN.S.C", Call::ConsumerUnpin { stream, consumer });
        check("$JS.API.CONSUMER.MSG.NEXT.S.C", Call::ConsumerNext { stream, consumer });
    }

    #[test]
    fn what_names_no_call() {
        for subject in [
            "$JS.API",
            "$JS.API.",
            "$JS.API.FOO",
            "$JS.API.STREAM.FOO.x",
            "$JS.API.STREAM.CREATE.a.b",
            "$JS.API.STREAM.CREATE.",
            "$JS.API.CONSUMER.INFO.S",
            "$JS.API.CONSUMER.INFO.S.a.b",
            "$JS.API.CONSUMER.PAUSE.S",
            "$JS.API.CONSUMER.PAUSE.S.a.b",
            "$JS.API.CONSUMER.NAMES.S.x",
            "$JS.API.CONSUMER.CREATE.",
            "$JS.API.CONSUMER.CREATE.S.",
            "$JS.API.CONSUMER.CREATE.S..a",
            "$JS.API.CONSUMER.CREATE.S.C.",
            "$JS.API.CONSUMER.CREATE.S.C.a..b",
            "$JS.API.CONSUMER.DURABLE.CREATE.S.C.a",
            "$JS.API.DIRECT.GET.",
            "$JS.API.DIRECT.GET.S.",
            "$JS.API.DIRECT.GET..a",
        ] {
            assert_eq!(Call::parse(subject), None, "{subject}");
        }
    }
}
