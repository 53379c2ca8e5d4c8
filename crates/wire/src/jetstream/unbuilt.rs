//! Calls of nats-server 2.14's API that need a cluster: which reply they want, and the error in it. Whoever
//! sends one must not wait for an answer that never comes; a standalone nats-server answers some of them.

use super::call::PREFIX;
use super::error::{ApiError, table};

/// A call that is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unbuilt<'a> {
    /// Schema of the reply, without the common prefix.
    pub kind: &'static str,
    /// Stream, if the call names one.
    pub stream: Option<&'a str>,
    /// Consumer, if the call names one.
    pub consumer: Option<&'a str>,
}

/// What stands for a name behind the call's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    None,
    Stream,
    StreamAndConsumer,
    Account,
    AccountAndStream,
}

/// Calls with their replies.
const CALLS: &[(&str, Names, &str)] = &[
    ("STREAM.PEER.REMOVE", Names::Stream, "stream_remove_peer_response"),
    ("STREAM.LEADER.STEPDOWN", Names::Stream, "stream_leader_stepdown_response"),
    ("CONSUMER.LEADER.STEPDOWN", Names::StreamAndConsumer, "consumer_leader_stepdown_response"),
    ("META.LEADER.STEPDOWN", Names::None, "meta_leader_stepdown_response"),
    ("SERVER.REMOVE", Names::None, "meta_server_remove_response"),
    ("ACCOUNT.PURGE", Names::Account, "account_purge_response"),
    ("ACCOUNT.STREAM.MOVE", Names::AccountAndStream, "stream_update_response"),
    ("ACCOUNT.STREAM.CANCEL_MOVE", Names::AccountAndStream, "stream_update_response"),
];

impl<'a> Unbuilt<'a> {
    /// Parses a subject that names no [`Call`](super::call::Call). `None` for one that nats-server
    /// does not know either.
    pub fn parse(subject: &'a str) -> Option<Self> {
        let rest = subject.strip_prefix(PREFIX)?.strip_prefix('.')?;
        CALLS.iter().find_map(|(call, names, kind)| {
            let behind = rest.strip_prefix(call)?;
            let mut tokens = behind.split('.');
            // What stands in front of the first dot belongs to the call's own words.
            if !tokens.next()?.is_empty() {
                return None;
            }
            let mut given = [None; 2];
            let wanted = match names {
                Names::None => 0,
                Names::Stream | Names::Account => 1,
                Names::StreamAndConsumer | Names::AccountAndStream => 2,
            };
            for place in given.iter_mut().take(wanted) {
                *place = Some(tokens.next().filter(|token| !token.is_empty())?);
            }
            if tokens.next().is_some() {
                return None;
            }
            let [first, second] = given;
            let (stream, consumer) = match names {
                Names::None | Names::Account => (None, None),
                Names::Stream | Names::StreamAndConsumer => (first, second),
                Names::AccountAndStream => (second, None),
            };
            Some(Self { kind, stream, consumer })
        })
    }

    /// Why it is not carried out.
    pub fn error(&self) -> ApiError {
        table::CLUSTER_REQUIRED.into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::call::Call;
    use super::*;

    /// A line for each call: its reply and error, the names that it has.
    #[test]
    fn every_call_has_its_reply() {
        for line in "
            STREAM.PEER.REMOVE.S stream_remove_peer_response 10010 S -
            STREAM.LEADER.STEPDOWN.S stream_leader_stepdown_response 10010 S -
            CONSUMER.LEADER.STEPDOWN.S.C consumer_leader_stepdown_response 10010 S C
            META.LEADER.STEPDOWN meta_leader_stepdown_response 10010 - -
            SERVER.REMOVE meta_server_remove_response 10010 - -
            ACCOUNT.PURGE.A account_purge_response 10010 - -
            ACCOUNT.STREAM.MOVE.A.S stream_update_response 10010 S -
            ACCOUNT.STREAM.CANCEL_MOVE.A.S stream_update_response 10010 S -
        "
        .trim()
        .lines()
        .map(str::trim)
        {
            let (call, expected) = line.split_once(' ').unwrap();
            let subject = format!("$JS.API.{call}");
            assert_eq!(Call::parse(&subject), None, "{call}");
            let unbuilt = Unbuilt::parse(&subject).unwrap();
            let names = [unbuilt.stream, unbuilt.consumer].map(|name| name.unwrap_or("-"));
            let code = unbuilt.error().err_code;
            assert_eq!(format!("{} {code} {}", unbuilt.kind, names.join(" ")), expected, "{call}");
        }
        assert_eq!(CALLS.len(), 8);
    }

    #[test]
    fn what_nats_server_does_not_know_either() {
        for call in [
            "CONSUMER.LEADER.STEPDOWN.S",
            "CONSUMER.LEADER.STEPDOWN.S.C.x",
            "CONSUMER.LEADER.STEPDOWN..C",
            "CONSUMER.LEADER.STEPDOWNS.S.C",
            "STREAM.SNAPSHOT",
            "STREAM.SNAPSHOT.",
            "STREAM.SNAPSHOT.S.x",
            "META.LEADER.STEPDOWN.x",
            "STREAM.TEMPLATE.CREATE.X",
            "FOO",
            "",
        ] {
            assert_eq!(Unbuilt::parse(&format!("$JS.API.{call}")), None, "{call}");
        }
        assert_eq!(Unbuilt::parse("CONSUMER.LEADER.STEPDOWN.S.C"), None);
    }
}
