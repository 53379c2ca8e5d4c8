//! Random lines of the protocol, valid or nearly so.

use fastrand::Rng;

use super::make::{Step, one, subject};

/// Verbs, the usual ones more often.
const VERBS: &[&str] = &[
    "PUB", "PUB", "PUB", "HPUB", "HPUB", "SUB", "SUB", "UNSUB", "CONNECT", "PING", "PONG", "+OK",
    "-ERR", "INFO", "MSG", "garbage",
];

/// Header blocks, of which some are none.
const BLOCKS: &[&str] = &[
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
];

/// What stands behind `CONNECT`.
const OPTIONS: &[&str] = &[
    "{\"protocol\":7}",
    "{",
    "",
    "[]",
    "{\"verbose\":\"x\"}",
    "{\"no_responders\":true,\"headers\":false}",
];

/// Lines without a verb, or with one and nothing else.
const GARBAGE: &[&str] = &[
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
];

/// A line of the protocol, with a payload where one belongs to it.
pub(super) fn line(rng: &mut Rng) -> Step {
    let verb = one(rng, VERBS);
    let mut bytes = match verb {
        "PUB" => {
            let payload = "x".repeat(rng.usize(..6));
            let size = size(rng, payload.len());
            let reply = if rng.u8(..4) == 0 { subject(rng) } else { "" };
            format!("PUB {} {reply} {size}\r\n{payload}\r\n", subject(rng)).into_bytes()
        }
        "HPUB" => hpub(rng),
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
            let json = one(rng, OPTIONS);
            format!("CONNECT {json}\r\n").into_bytes()
        }
        "garbage" => one(rng, GARBAGE).as_bytes().to_vec(),
        verb => format!("{verb}{}\r\n", one(rng, &["", " ", " x", "  x y"])).into_bytes(),
    };
    match rng.u8(..12) {
        0 => {
            let text = String::from_utf8_lossy(&bytes);
            bytes = text.replacen(verb, &verb.to_lowercase(), 1).into_bytes();
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

fn hpub(rng: &mut Rng) -> Vec<u8> {
    let block = one(rng, BLOCKS);
    let payload = "x".repeat(rng.usize(..4));
    let header = size(rng, block.len());
    let all = size(rng, block.len() + payload.len());
    let reply = if rng.u8(..4) == 0 { subject(rng) } else { "" };
    let head = format!("HPUB {} {reply} {header} {all}\r\n", subject(rng));
    format!("{head}{block}{payload}\r\n").into_bytes()
}
