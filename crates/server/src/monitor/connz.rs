//! Connections and subscriptions, with nats-server's names: `/connz`, `/subsz`, `/accstatz`.

#[cfg(feature = "monitoring")]
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use watershed_engine::{
    AccountStatistics, ConnectionDetail, Sort, State, SubscriptionDetail, Which,
};
use watershed_wire::time::UnixNanos;

use super::uptime::uptime;

/// Connections or subscriptions in one answer where no limit is asked for.
const LIMIT: usize = 1_024;

/// Most of them in one answer: the loop waits while it is put together.
const LIMIT_MAX: usize = 65_536;

/// The limit that is asked for, which 0 is none.
fn limit(asked: usize) -> usize {
    if asked == 0 { LIMIT } else { asked.min(LIMIT_MAX) }
}

/// What may be asked of connections. The names are those of a question by `$SYS.REQ`; those of a page
/// differ in `subs` and `state`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    sort: String,
    auth: bool,
    subscriptions: bool,
    subscriptions_detail: bool,
    offset: usize,
    limit: usize,
    cid: u64,
    state: u8,
    user: String,
    acc: String,
    filter_subject: String,
}

impl Options {
    /// Reads what stands behind the `?` of a page.
    #[cfg(feature = "monitoring")]
    pub(crate) fn of_page(query: &BTreeMap<String, String>) -> Result<Self, String> {
        let text = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let number = |name: &str| match text(name) {
            "" => Ok(0),
            digits => digits.parse::<u64>().map_err(|_| format!("invalid number for `{name}`")),
        };
        let count = |name: &str| number(name).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let subs = text("subs").to_lowercase();
        Ok(Self {
            sort: text("sort").into(),
            auth: is_set(text("auth")),
            subscriptions: is_set(&subs),
            subscriptions_detail: subs == "detail",
            offset: count("offset")?,
            limit: count("limit")?,
            cid: number("cid")?,
            state: match text("state").to_lowercase().as_str() {
                "" | "open" => 0,
                "closed" => 1,
                "any" | "all" => 2,
                other => return Err(format!("invalid state `{other}`: open, closed or any")),
            },
            user: text("user").into(),
            acc: text("acc").into(),
            filter_subject: text("filter_subject").into(),
        })
    }

    /// Only those of this account, whatever else is asked.
    pub(crate) fn only(&mut self, account: &str) {
        account.clone_into(&mut self.acc);
    }

    /// Whether subscriptions are asked for.
    pub(crate) fn is_detailed(&self) -> bool {
        self.subscriptions || self.subscriptions_detail
    }

    /// Which connections are asked for.
    pub(crate) fn which(&self) -> Result<Which, String> {
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let sort = sort(&self.sort)?;
        let state = match self.state {
            0 => State::Open,
            1 => State::Closed,
            _ => State::Any,
        };
        if matches!(sort, Sort::Stop | Sort::Reason) && state == State::Open {
            return Err(format!("sort by {} only valid on closed connections", self.sort));
        }
        if sort == Sort::Uptime && state == State::Closed {
            return Err("sort by uptime only valid on open connections".into());
        }
        Ok(Which {
            state,
            sort,
            number: (self.cid > 0).then_some(self.cid),
            account: given(&self.acc),
            user: given(&self.user),
            subject: given(&self.filter_subject),
            offset: self.offset,
            limit: limit(self.limit),
        })
    }
}

#[cfg(feature = "monitoring")]
fn is_set(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "1" | "t" | "true")
}

fn sort(name: &str) -> Result<Sort, String> {
    Ok(match name {
        "" | "cid" | "start" => Sort::Number,
        "subs" => Sort::Subscriptions,
        "pending" => Sort::Pending,
        "msgs_to" => Sort::MessagesTo,
        "msgs_from" => Sort::MessagesFrom,
        "bytes_to" => Sort::BytesTo,
        "bytes_from" => Sort::BytesFrom,
        "last" => Sort::Last,
        "idle" => Sort::Idle,
        "uptime" => Sort::Uptime,
        "rtt" => Sort::RoundTrip,
        "stop" => Sort::Stop,
        "reason" => Sort::Reason,
        _ => return Err(format!("invalid sorting option: {name}")),
    })
}

#[derive(Serialize)]
struct Connection {
    cid: u64,
    kind: &'static str,
    #[serde(rename = "type")]
    protocol: &'static str,
    ip: String,
    port: u16,
    start: UnixNanos,
    last_activity: UnixNanos,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<UnixNanos>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt: Option<String>,
    uptime: String,
    idle: String,
    pending_bytes: usize,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    subscriptions: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    lang: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    authorized_user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    issuer_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name_tag: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list_detail: Vec<Subscription>,
}

impl Connection {
    fn new(own: ConnectionDetail, options: &Options, now: UnixNanos) -> Self {
        let until = own.ended.map_or(now, |(stop, _)| stop);
        let since = |from: UnixNanos| uptime(until.0.saturating_sub(from.0) / 1_000_000_000);
        let named = |text: String| if options.auth { text } else { String::new() };
        let mut listed = (Vec::new(), Vec::new());
        if options.subscriptions_detail {
            listed.1 =
                own.listens.into_iter().map(|listens| Subscription::new(listens, false)).collect();
        } else if options.subscriptions {
            listed.0 = own.listens.into_iter().map(|listens| listens.subject).collect();
        }
        let key = own.key.filter(|_| options.auth).unwrap_or_default();
        Self {
            cid: own.number,
            kind: "Client",
            protocol: if own.websocket { "websocket" } else { "nats" },
            ip: own.ip,
            port: own.port,
            start: own.start,
            last_activity: own.active,
            stop: own.ended.map(|(stop, _)| stop),
            reason: own.ended.map(|(_, reason)| reason),
            rtt: own.round_trip.map(|time| format!("{time:?}")),
            uptime: since(own.start),
            idle: since(own.active),
            pending_bytes: own.pending,
            in_msgs: own.counts.in_msgs,
            out_msgs: own.counts.out_msgs,
            in_bytes: own.counts.in_bytes,
            out_bytes: own.counts.out_bytes,
            subscriptions: own.subscriptions,
            name: own.name,
            lang: own.lang,
            version: own.version,
            authorized_user: named(own.user),
            account: named(own.account),
            issuer_key: key.issuer.clone(),
            name_tag: key.account_name.clone(),
            tags: key.tags.clone(),
            subscriptions_list: listed.0,
            subscriptions_list_detail: listed.1,
        }
    }
}

#[derive(Serialize)]
struct Subscription {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    qgroup: Option<String>,
    sid: String,
    msgs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
    cid: u64,
}

impl Subscription {
    fn new(own: SubscriptionDetail, with_account: bool) -> Self {
        Self {
            account: with_account.then_some(own.account),
            subject: own.subject,
            qgroup: own.queue,
            sid: own.sid,
            msgs: own.delivered,
            max: own.max,
            cid: own.number,
        }
    }
}

/// `/connz`.
pub(crate) fn connz(
    options: &Options,
    server: &str,
    now: UnixNanos,
    found: (usize, Vec<ConnectionDetail>),
) -> Json {
    let (total, connections) = found;
    let connections = connections.into_iter().map(|own| Connection::new(own, options, now));
    let connections: Vec<Connection> = connections.collect();
    json!({
        "server_id": server,
        "now": now,
        "num_connections": connections.len(),
        "total": total,
        "offset": options.offset,
        "limit": limit(options.limit),
        "connections": connections,
    })
}

/// What may be asked of subscriptions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SubsOptions {
    subscriptions: bool,
    offset: usize,
    limit: usize,
    pub(crate) account: String,
    pub(crate) test: String,
}

impl SubsOptions {
    /// Reads what stands behind the `?` of a page.
    #[cfg(feature = "monitoring")]
    pub(crate) fn of_page(query: &BTreeMap<String, String>) -> Result<Self, String> {
        let options = Options::of_page(query)?;
        let text = |name: &str| query.get(name).cloned().unwrap_or_default();
        Ok(Self {
            subscriptions: options.subscriptions,
            offset: options.offset,
            limit: options.limit,
            account: options.acc,
            test: text("test"),
        })
    }

    /// All subscriptions of this account.
    pub(crate) fn of_account(account: &str) -> Self {
        Self { subscriptions: true, account: account.into(), ..Self::default() }
    }

    /// Of the list, how many are left out at its beginning, and how many there are at most.
    pub(crate) fn page(&self) -> (usize, usize) {
        (self.offset, if self.is_listed() { limit(self.limit) } else { 0 })
    }

    fn is_listed(&self) -> bool {
        self.subscriptions || !self.test.is_empty()
    }
}

/// `/subsz`.
pub(crate) fn subsz(
    options: &SubsOptions,
    server: &str,
    now: UnixNanos,
    all: usize,
    found: (usize, Vec<SubscriptionDetail>),
) -> Json {
    let (total, list) = found;
    let listed = options.is_listed();
    let mut json = json!({
        "server_id": server,
        "now": now,
        "num_subscriptions": all,
        "total": if listed { total } else { 0 },
        "offset": options.offset,
        "limit": limit(options.limit),
    });
    if listed {
        let list: Vec<_> = list.into_iter().map(|own| Subscription::new(own, true)).collect();
        json["subscriptions_list"] = json!(list);
    }
    json
}

/// What one account does, as `/accstatz` and `$SYS.REQ.ACCOUNT.*.CONNS` have it.
pub(crate) fn account_statistics(own: &AccountStatistics) -> Json {
    json!({
        "acc": own.name,
        "name": own.name,
        "conns": own.connections,
        "leafnodes": 0,
        "total_conns": own.connections, // with leaf nodes, of which there are none
        "num_subscriptions": own.subscriptions,
        "sent": own.counts.sent(),
        "received": own.counts.received(),
        "slow_consumers": own.slow_consumers,
    })
}

/// `/accstatz`: accounts with connections, or all.
pub(crate) fn accstatz(
    server: &str,
    now: UnixNanos,
    accounts: &[AccountStatistics],
    unused: bool,
) -> Json {
    let shown = accounts.iter().filter(|own| unused || own.connections > 0);
    json!({
        "server_id": server,
        "now": now,
        "account_statz": shown.map(account_statistics).collect::<Vec<_>>(),
    })
}

#[cfg(all(test, feature = "monitoring"))]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: Result<(State, Sort, usize), &str>) {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let found = Options::of_page(&query).and_then(|options| options.which());
        let found = found.map(|which| (which.state, which.sort, which.limit));
        assert_eq!(found.as_ref().map(|own| *own).map_err(String::as_str), expected);
    }

    #[test]
    fn pages_are_asked_for_by_name() {
        check("", Ok((State::Open, Sort::Number, 1024)));
        check("sort=bytes_to&limit=3&state=ANY", Ok((State::Any, Sort::BytesTo, 3)));
        check("limit=1000000", Ok((State::Open, Sort::Number, LIMIT_MAX)));
        check("sort=foo", Err("invalid sorting option: foo"));
        check("sort=stop", Err("sort by stop only valid on closed connections"));
        check("limit=x", Err("invalid number for `limit`"));
    }
}
