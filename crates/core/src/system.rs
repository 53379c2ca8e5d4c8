//! What users of the system account may ask about the server: `$SYS.REQ.SERVER.…`.
//!
//! The core knows who asks and what; what there is to say is known by the shell, which is handed the question.

use watershed_base::AccountId;

/// Account whose users may ask, if no other is configured: nats-server's.
pub const SYSTEM_ACCOUNT: &str = "$SYS";

/// A question about the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub about: About,
    /// Where the answer goes.
    pub account: AccountId,
    /// Its subject.
    pub reply: Box<[u8]>,
    /// Which servers are to answer, and in how much detail: JSON, or nothing.
    pub payload: Box<[u8]>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// `STATSZ`, and a ping: what the server does.
    Stats,
    /// `VARZ`: what it is.
    Variables,
    /// `JSZ`: streams and consumers.
    JetStream,
    /// `HEALTHZ`: whether it is well.
    Health,
    /// `IDZ`: its name.
    Id,
    /// `ACCOUNTZ`: the names of its accounts.
    Accounts,
}

impl About {
    /// What a subject asks of the server with this id; `None` if it asks another one, or nothing that is answered.
    pub(crate) fn of(subject: &[u8], id: &[u8]) -> Option<Self> {
        let rest = subject.strip_prefix(b"$SYS.REQ.SERVER.")?;
        if rest == b"PING" {
            return Some(Self::Stats);
        }
        let rest = rest.strip_prefix(b"PING").or_else(|| rest.strip_prefix(id))?;
        Some(match rest.strip_prefix(b".")? {
            b"STATSZ" => Self::Stats,
            b"VARZ" => Self::Variables,
            b"JSZ" => Self::JetStream,
            b"HEALTHZ" => Self::Health,
            b"IDZ" => Self::Id,
            b"ACCOUNTZ" => Self::Accounts,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_to_all_or_to_this_server() {
        let about = |subject: &str| About::of(subject.as_bytes(), b"NABC");
        assert_eq!(about("$SYS.REQ.SERVER.PING"), Some(About::Stats));
        assert_eq!(about("$SYS.REQ.SERVER.PING.JSZ"), Some(About::JetStream));
        assert_eq!(about("$SYS.REQ.SERVER.NABC.VARZ"), Some(About::Variables));
        for other in [
            "$SYS.REQ.SERVER.NABD.VARZ",
            "$SYS.REQ.SERVER.NABC",
            "$SYS.REQ.SERVER.PING.FOO",
            "$SYS.REQ.SERVER.PINGX",
            "$SYS.REQ",
        ] {
            assert_eq!(about(other), None, "{other}");
        }
    }
}
