//! Random steps of a conversation: lines that are valid or nearly so, calls of the API, headers.

use std::fmt::Write as _;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::fields::{
    CALLS, CONSUMER, DELETE, GET, HEADERS, INFO, NAMES, NEXT, PAGES, PAUSE, PURGE, RESET, STREAM,
    UNPIN,
};
use super::lines::line;

/// What one connection says.
pub(super) struct Conversation {
    pub(super) seed: u64,
    /// What stands behind `CONNECT`.
    pub(super) options: String,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone)]
pub(super) struct Step {
    pub(super) bytes: Vec<u8>,
    /// Where an answer comes by itself.
    pub(super) reply: Option<String>,
    /// What it counts as: a verb, a call, headers.
    pub(super) kinds: Vec<String>,
}

const STEPS: usize = 40;

/// Subjects that no stream takes.
const PLAIN: [&str; 8] = ["c.a", "c.b", "c.a.b", "c.*", "c.>", "*.a", "d", "c.a"];
const WRONG: [&str; 12] =
    ["a..b", ".a", "a.", "a.>.b", "a*", ">a", "c.*.b.>", "*", "a.>", "a\u{e9}", "", "$SYS.x"];
const STORED: [&str; 7] = ["s0.a", "s0.b", "s0.a.b", "s1.a", "s1.b", "s2.a", "both.a"];

impl Conversation {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let often = |rng: &mut Rng| rng.u8(..10) < 8;
        let headers = often(&mut rng);
        let options = json!({
            "verbose": rng.u8(..4) == 0, "pedantic": rng.u8(..4) == 0, "headers": headers,
            "no_responders": headers && often(&mut rng), "echo": often(&mut rng), "protocol": rng.u8(..2),
        });
        let mut steps = Vec::new();
        if often(&mut rng) {
            steps.push(call(&mut rng, "STREAM.CREATE.S0", 0));
        }
        if rng.bool() {
            steps.push(call(&mut rng, "CONSUMER.CREATE.S0.C0", 1));
        }
        for number in steps.len()..STEPS {
            let number = u32::try_from(number).unwrap();
            steps.push(match rng.u8(..20) {
                0..=4 => line(&mut rng),
                5..=10 => stored(&mut rng, number),
                _ => any_call(&mut rng, number),
            });
        }
        Self { seed, options: options.to_string(), steps }
    }
}

pub(super) fn one<'a>(rng: &mut Rng, all: &[&'a str]) -> &'a str {
    all[rng.usize(..all.len())]
}

pub(super) fn subject<'a>(rng: &mut Rng) -> &'a str {
    match rng.u8(..10) {
        0 => one(rng, &WRONG),
        1 | 2 => one(rng, &STORED),
        _ => one(rng, &PLAIN),
    }
}

/// A message that a stream may take, with headers.
fn stored(rng: &mut Rng, number: u32) -> Step {
    let subject = one(rng, &STORED);
    let reply = format!("_I.{number}");
    let payload = one(rng, &["", "a", "hello", "{\"a\":1}", "12"]);
    let mut kinds = vec!["publish".to_owned()];
    let mut block = "NATS/1.0\r\n".to_owned();
    for _ in 0..[0, 1, 1, 1, 2, 3][rng.usize(..6)] {
        let (name, values) = HEADERS[rng.usize(..HEADERS.len())];
        kinds.push(name.to_owned());
        let mut name = name.to_owned();
        if rng.u8(..12) == 0 {
            name = name.to_lowercase();
        }
        let between = one(rng, &[": ", ": ", ": ", ":", ":  "]);
        let _ = write!(block, "{name}{between}{}\r\n", one(rng, values));
    }
    let bytes = if kinds.len() == 1 {
        format!("PUB {subject} {reply} {}\r\n{payload}\r\n", payload.len())
    } else {
        block += "\r\n";
        let all = block.len() + payload.len();
        format!("HPUB {subject} {reply} {} {all}\r\n{block}{payload}\r\n", block.len())
    };
    Step { bytes: bytes.into_bytes(), reply: Some(reply), kinds }
}

fn any_call(rng: &mut Rng, number: u32) -> Step {
    let call = CALLS[rng.usize(..CALLS.len())];
    let stream = one(rng, &["S0", "S0", "S0", "S0", "S1", "S1", "S2", "NO"]);
    let consumer = one(rng, &["C0", "C0", "C0", "C1", "NO"]);
    self::call(rng, &call.replace("{s}", stream).replace("{c}", consumer), number)
}

/// A call with the body that belongs to it, or nearly that.
fn call(rng: &mut Rng, call: &str, number: u32) -> Step {
    let tokens: Vec<&str> = call.split('.').collect();
    let mut body = body(rng, &tokens);
    if rng.u8(..6) == 0 {
        mutate(rng, &mut body);
    }
    let mut body = if body.is_null() { String::new() } else { body.to_string() };
    if rng.u8(..40) == 0 {
        let other = ["", " ", "{", "[]", "null", "7", "x", "{}", "{\"a\":1}x", "\"x\""];
        one(rng, &other).clone_into(&mut body);
    }
    let reply = format!("_I.{number}");
    let kinds = vec![
        tokens
            .iter()
            .take_while(|token| token.len() > 2 && **token != "NO")
            .copied()
            .collect::<Vec<_>>()
            .join("."),
    ];
    let bytes = format!("PUB $JS.API.{call} {reply} {}\r\n{body}\r\n", body.len()).into_bytes();
    Step { bytes, reply: Some(reply), kinds }
}

/// The body that belongs to a call.
fn body(rng: &mut Rng, tokens: &[&str]) -> Value {
    match tokens {
        ["STREAM", "CREATE" | "UPDATE", name] => stream(rng, name),
        ["STREAM", "RESTORE", name] => json!({"config": stream(rng, name), "state": {}}),
        ["CONSUMER", "CREATE", stream, name, ..] => {
            json!({"stream_name": stream, "config": consumer(rng, Some(name)), "action": one(rng, &["", "", "create", "update", "x"])})
        }
        ["CONSUMER", "CREATE", stream] => {
            json!({"stream_name": stream, "config": consumer(rng, None)})
        }
        ["CONSUMER", "DURABLE", "CREATE", stream, name] => {
            let mut config = consumer(rng, None);
            config["durable_name"] = (*name).into();
            json!({"stream_name": stream, "config": config})
        }
        ["STREAM", "MSG", "GET", _] | ["DIRECT", "GET", _] => some(rng, GET, 2),
        ["STREAM", "MSG", "DELETE", _] => some(rng, DELETE, 2),
        ["STREAM", "PURGE", _] => some(rng, PURGE, 2),
        ["STREAM", "INFO", _] => some(rng, INFO, 2),
        ["STREAM", "NAMES" | "LIST"] => some(rng, NAMES, 2),
        ["CONSUMER", "NAMES" | "LIST", _] => some(rng, PAGES, 1),
        ["CONSUMER", "MSG", "NEXT", ..] => {
            let mut body = some(rng, NEXT, 2);
            body["batch"] = json!(1);
            body["no_wait"] = json!(true);
            body
        }
        ["CONSUMER", "PAUSE", ..] => some(rng, PAUSE, 1),
        ["CONSUMER", "RESET", ..] => some(rng, RESET, 1),
        ["CONSUMER", "UNPIN", ..] => some(rng, UNPIN, 1),
        _ => Value::Null,
    }
}

/// A field, and values that it may have, as JSON.
pub(super) type Field = (&'static str, &'static [&'static str]);

/// Some of these fields.
fn some(rng: &mut Rng, fields: &[Field], most: usize) -> Value {
    let mut object = Map::new();
    for _ in 0..rng.usize(..=most) {
        let (name, values) = fields[rng.usize(..fields.len())];
        object.insert(name.to_owned(), serde_json::from_str(one(rng, values)).unwrap());
    }
    Value::Object(object)
}

fn stream(rng: &mut Rng, name: &str) -> Value {
    let most = [0, 1, 2, 4, 7][rng.usize(..5)];
    let mut config = some(rng, STREAM, most);
    config["name"] = name.into();
    if rng.u8(..12) > 0 && config.get("mirror").is_none() {
        let own = format!("{}.>", name.to_lowercase());
        let more = one(rng, &["", "", "", "both.*", "x", "s0.a", "a..b", ">", "*"]);
        config["subjects"] = if more.is_empty() { json!([own]) } else { json!([own, more]) };
    }
    config
}

fn consumer(rng: &mut Rng, name: Option<&str>) -> Value {
    let most = [0, 1, 2, 4, 7][rng.usize(..5)];
    let mut config = some(rng, CONSUMER, most);
    if let Some(name) = name {
        config["name"] = name.into();
        if rng.u8(..3) > 0 {
            config["durable_name"] = name.into();
        }
    }
    if rng.u8(..3) > 0 && config.get("ack_policy").is_none() {
        config["ack_policy"] = "explicit".into();
    }
    config
}

/// Makes something wrong in a body.
fn mutate(rng: &mut Rng, body: &mut Value) {
    let Value::Object(fields) = body else { return };
    let names: Vec<String> = fields.keys().cloned().collect();
    if names.is_empty() || rng.u8(..5) == 0 {
        fields.insert("unheard_of".to_owned(), json!(1));
        return;
    }
    let name = &names[rng.usize(..names.len())];
    if let Some(inner @ Value::Object(_)) = fields.get_mut(name)
        && rng.u8(..4) > 0
    {
        return mutate(rng, inner);
    }
    let value = one(
        rng,
        &[
            "null",
            "-1",
            "0",
            "1",
            "9223372036854775807",
            "9223372036854775808",
            "1.5",
            "\"\"",
            "\"x\"",
            "true",
            "[]",
            "{}",
            "[1]",
            "1e3",
        ],
    );
    fields.insert(name.clone(), serde_json::from_str(value).unwrap());
}
