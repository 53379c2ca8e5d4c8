//! Random steps of a conversation: lines that are valid or nearly so, calls of the API, headers.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::fields::{CALLS, CONSUMER, HEADERS, STREAM};

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

fn one<'a>(rng: &mut Rng, all: &[&'a str]) -> &'a str {
    all[rng.usize(..all.len())]
}

fn subject<'a>(rng: &mut Rng) -> &'a str {
    match rng.u8(..10) {
        0 => one(rng, &WRONG),
        1 | 2 => one(rng, &STORED),
        _ => one(rng, &PLAIN),
    }
}

/// A line of the protocol, with a payload where one belongs to it.
fn line(rng: &mut Rng) -> Step {
    let verb = one(
        rng,
        &[
            "PUB", "PUB", "PUB", "HPUB", "HPUB", "SUB", "SUB", "UNSUB", "CONNECT", "PING", "PONG",
            "+OK", "-ERR", "INFO", "MSG", "garbage",
        ],
    );
    let mut bytes = match verb {
        "PUB" => {
            let payload = "x".repeat(rng.usize(..6));
            let size = size(rng, payload.len());
            let reply = if rng.u8(..4) == 0 { subject(rng) } else { "" };
            format!("PUB {} {reply} {size}\r\n{payload}\r\n", subject(rng)).into_bytes()
        }
        "HPUB" => {
            let block = one(
                rng,
                &[
                    "NATS/1.0\r\n\r\n",
                    "NATS/1.0\r\nA: b\r\n\r\n",
                    "NATS/1.0\r\nA:b\r\na: c\r\n\r\n",
                    "NATS/1.0 100 Idle\r\n\r\n",
                    "NATS/1.0\r\n",
                    "NATS/2.0\r\n\r\n",
                    "",
                    "x",
                    "NATS/1.0\r\nno colon\r\n\r\n",
                    "NATS/1.0\r\n: x\r\n\r\n",
                    "NATS/1.0\r\nA : b\r\n\r\n",
                ],
            );
            let payload = "x".repeat(rng.usize(..4));
            let header = size(rng, block.len());
            let all = size(rng, block.len() + payload.len());
            let reply = if rng.u8(..4) == 0 { subject(rng) } else { "" };
            let head = format!("HPUB {} {reply} {header} {all}\r\n", subject(rng));
            format!("{head}{block}{payload}\r\n").into_bytes()
        }
        "SUB" => {
            let queue =
                if rng.u8(..4) == 0 { one(rng, &["q", "q", "q*", "a b", "q.r"]) } else { "" };
            format!("SUB {} {queue} {}\r\n", subject(rng), rng.u8(2..7)).into_bytes()
        }
        "UNSUB" => {
            let max = one(rng, &["", "", "1", "2", "0", "-1", "x", "99999999999999999999"]);
            format!("UNSUB {} {max}\r\n", rng.u8(2..9)).into_bytes()
        }
        "CONNECT" => {
            let json = one(
                rng,
                &[
                    "{\"protocol\":7}",
                    "{",
                    "",
                    "[]",
                    "{\"verbose\":\"x\"}",
                    "{\"no_responders\":true,\"headers\":false}",
                ],
            );
            format!("CONNECT {json}\r\n").into_bytes()
        }
        "garbage" => one(
            rng,
            &[
                "FOO\r\n",
                "\r\n",
                "\n",
                "PUBX a 0\r\n\r\n",
                "P\r\n",
                "S a 1\r\n",
                "PUB\r\n",
                "SUB\r\n",
                "UNSUB\r\n",
                "CONNECT\r\n",
                "GET / HTTP/1.1\r\n",
            ],
        )
        .as_bytes()
        .to_vec(),
        verb => format!("{verb}{}\r\n", one(rng, &["", " ", " x", "  x y"])).into_bytes(),
    };
    match rng.u8(..12) {
        0 => {
            bytes =
                String::from_utf8_lossy(&bytes).replacen(verb, &verb.to_lowercase(), 1).into_bytes()
        }
        1 => bytes = String::from_utf8_lossy(&bytes).replacen(' ', "\t", 1).into_bytes(),
        2 => bytes = String::from_utf8_lossy(&bytes).replacen(' ', "   ", 1).into_bytes(),
        _ => {}
    }
    Step { bytes, reply: None, kinds: vec![verb.to_owned()] }
}

/// A size, nearly always the right one.
fn size(rng: &mut Rng, right: usize) -> String {
    match rng.u8(..30) {
        0 => one(
            rng,
            &[
                "-1",
                "x",
                "",
                "1048577",
                "99999999999",
                "99999999999999999999999",
                "1.5",
                "+1",
                "0x1",
            ],
        )
        .to_owned(),
        1 => right.saturating_sub(1).to_string(),
        2 => format!("0{right}"),
        _ => right.to_string(),
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
        block += &format!("{name}{between}{}\r\n", one(rng, values));
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
    let mut body = match tokens.as_slice() {
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
        ["STREAM", "MSG", "GET", _] | ["DIRECT", "GET", _] => some(
            rng,
            &[
                ("seq", &["1", "2", "0", "99", "-1"]),
                ("last_by_subj", &["\"s0.a\"", "\"s0.>\"", "\"a..b\"", "\"\""]),
                ("next_by_subj", &["\"s0.a\"", "\"s0.>\"", "\"x\""]),
                ("no_hdr", &["true"]),
            ],
            2,
        ),
        ["STREAM", "MSG", "DELETE", _] => {
            some(rng, &[("seq", &["1", "2", "0", "99"]), ("no_erase", &["true", "false"])], 2)
        }
        ["STREAM", "PURGE", _] => some(
            rng,
            &[
                ("filter", &["\"s0.a\"", "\"s0.>\"", "\"a..b\"", "\"\"", "\"x\""]),
                ("seq", &["1", "2", "99", "0"]),
                ("keep", &["1", "0", "99"]),
            ],
            2,
        ),
        ["STREAM", "INFO", _] => some(
            rng,
            &[
                ("subjects_filter", &["\">\"", "\"s0.*\"", "\"a..b\""]),
                ("deleted_details", &["true"]),
                ("offset", &["0", "1", "-1", "99"]),
            ],
            2,
        ),
        ["STREAM", "NAMES" | "LIST"] => some(
            rng,
            &[
                ("subject", &["\"s0.a\"", "\">\"", "\"a..b\"", "\"x\"", "\"both.*\""]),
                ("offset", &["0", "1", "-1", "99"]),
            ],
            2,
        ),
        ["CONSUMER", "NAMES" | "LIST", _] => some(rng, &[("offset", &["0", "1", "-1", "99"])], 1),
        ["CONSUMER", "MSG", "NEXT", ..] => {
            let mut body = some(
                rng,
                &[
                    ("max_bytes", &["1", "1000", "0", "-1"]),
                    ("expires", &["50000000", "0", "-1"]),
                    ("idle_heartbeat", &["1", "100000000"]),
                    ("group", &["\"g\"", "\"h\"", "\"\""]),
                    ("min_pending", &["1", "2", "99"]),
                    ("min_ack_pending", &["1", "2"]),
                    ("priority", &["0", "9", "10", "-1"]),
                    ("id", &["\"x\""]),
                ],
                2,
            );
            body["batch"] = json!(1);
            body["no_wait"] = json!(true);
            body
        }
        ["CONSUMER", "PAUSE", ..] => some(
            rng,
            &[(
                "pause_until",
                &["\"2100-01-01T00:00:00Z\"", "\"2000-01-01T00:00:00Z\"", "\"x\"", "null"],
            )],
            1,
        ),
        ["CONSUMER", "RESET", ..] => some(rng, &[("seq", &["0", "1", "2", "99", "-1"])], 1),
        ["CONSUMER", "UNPIN", ..] => some(rng, &[("group", &["\"g\"", "\"h\"", "\"\""])], 1),
        _ => Value::Null,
    };
    if rng.u8(..6) == 0 {
        mutate(rng, &mut body);
    }
    let mut body = if body.is_null() { String::new() } else { body.to_string() };
    if rng.u8(..40) == 0 {
        body = one(rng, &["", " ", "{", "[]", "null", "7", "x", "{}", "{\"a\":1}x", "\"x\""])
            .to_owned();
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
