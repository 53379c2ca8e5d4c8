//! What a user of the system account sees: the streams and consumers of every account, as each server
//! tells of those that it keeps.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::call::{CallError, Request, answer};
use crate::lock;
use crate::observe::{Observed, ObservedConsumer, ObservedStream};

/// Most accounts in one answer; the server's own default is 1,024.
const ACCOUNTS_MAX: usize = 100_000;

/// Every account that has JetStream, by name, and what is in it.
#[derive(Debug, Default)]
pub struct Accounts {
    seen: BTreeMap<String, Observed>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    account_details: Vec<Account>,
}

#[derive(Deserialize)]
struct Account {
    name: String,
    #[serde(default)]
    stream_detail: Vec<Json>,
}

impl Accounts {
    /// Asks every server, each of which answers.
    pub fn request() -> Request {
        let wanted = json!({
            "accounts": true, "streams": true, "consumer": true, "config": true, "limit": ACCOUNTS_MAX,
        });
        let body = serde_json::to_vec(&wanted).expect("it is JSON");
        Request { subject: "$SYS.REQ.SERVER.PING.JSZ".into(), body }
    }

    /// Takes in the answer of one server. What several keep is the same.
    pub fn done(&mut self, reply: &[u8]) -> Result<(), CallError> {
        let reply: Answer = answer(reply)?;
        for account in reply.data.account_details {
            let observed = self.seen.entry(account.name).or_default();
            for mut json in account.stream_detail {
                let consumers = json.get_mut("consumer_detail").map(Json::take);
                let there = ObservedStream::read(json);
                let name = there.info.config.name.clone();
                if name == lock::STREAM {
                    continue;
                }
                let stream = observed.streams.entry(name).or_insert(there);
                for json in consumers.as_ref().and_then(Json::as_array).into_iter().flatten() {
                    let there = ObservedConsumer::read(json.clone());
                    stream.consumers.insert(there.info.name.clone(), there);
                }
            }
        }
        Ok(())
    }

    /// What was seen.
    pub fn finish(self) -> BTreeMap<String, Observed> {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_servers_keep_is_there_once() {
        let answer = |stream: &str, consumer: &str| {
            json!({"server": {}, "data": {"account_details": [{"name": "A", "id": "A", "stream_detail": [
                {"name": stream, "config": {"name": stream}, "state": {}, "consumer_detail": [
                    {"name": consumer, "stream_name": stream, "config": {"durable_name": consumer}},
                ]},
            ]}, {"name": "B"}]}})
            .to_string()
        };
        let mut accounts = Accounts::default();
        for (stream, consumer) in [("S", "c"), ("S", "d"), ("T", "c")] {
            accounts.done(answer(stream, consumer).as_bytes()).unwrap();
        }
        assert!(accounts.done(b"{}").is_ok() && accounts.done(b"nonsense").is_err());
        let shown: Vec<String> = accounts
            .finish()
            .into_iter()
            .map(|(name, seen)| {
                let streams = seen.streams.iter().map(|(name, stream)| {
                    let consumers: Vec<&str> =
                        stream.consumers.keys().map(String::as_str).collect();
                    format!("{name}({})", consumers.join(" "))
                });
                format!("{name}: {}", streams.collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(shown, ["A: S(c d) T(c)", "B: "]);
    }
}
