use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::encode;
use crate::op::{ClientOp, Publish};

/// Decodes all of `input`, given in pieces of `piece` bytes, and describes what came out.
fn decode(input: &[u8], piece: usize) -> String {
    let mut decoder = ClientDecoder::new(1024);
    let mut text = String::new();
    let (mut start, mut end) = (0, 0);
    loop {
        match decoder.next(&input[start..end]) {
            Ok(Some((op, taken))) => {
                writeln!(text, "{}", show(&op)).unwrap();
                start += taken;
            }
            Ok(None) if end == input.len() => {
                if start < end {
                    writeln!(text, "unfinished: {} bytes", end - start).unwrap();
                }
                return text;
            }
            Ok(None) => end = (end + piece).min(input.len()),
            Err(error) => {
                writeln!(text, "error: {error}").unwrap();
                return text;
            }
        }
    }
}

fn show(op: &ClientOp<'_>) -> String {
    let s = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match op {
        ClientOp::Connect(json) => format!("connect {}", s(json)),
        ClientOp::Publish(message) => format!(
            "publish {}{} [{}] [{}]",
            s(message.subject),
            message.reply.map(|reply| format!(" -> {}", s(reply))).unwrap_or_default(),
            s(message.header),
            s(message.payload)
        ),
        ClientOp::Subscribe { filter, queue, sid } => {
            format!("subscribe {} {:?} {}", s(filter), queue.map(s), s(sid))
        }
        ClientOp::Unsubscribe { sid, max } => format!("unsubscribe {} {max:?}", s(sid)),
        ClientOp::Ping => "ping".into(),
        ClientOp::Pong => "pong".into(),
        ClientOp::Ignored => "ignored".into(),
    }
}

/// The same operations come out whatever the pieces that the bytes arrive in.
#[track_caller]
fn check(input: &str, expected: &str) {
    let expected = expected.trim().lines().map(|line| format!("{}\n", line.trim()));
    let expected: String = expected.collect();
    for piece in [1, 2, 3, 7, input.len().max(1)] {
        assert_eq!(decode(input.as_bytes(), piece), expected, "in pieces of {piece} bytes");
    }
}

#[test]
fn verbs_in_any_case_and_line_end() {
    check(
        "PING\r\nping\nPoNg\r\nPING x\r\n+OK\r\nINFO {}\r\n",
        "ping\nping\npong\nping\nignored\nignored",
    );
    check("connect {\"verbose\":false}\r\n", r#"connect {\"verbose\":false}"#);
}

#[test]
fn publishes_with_and_without_reply_and_header() {
    check("PUB a 2\r\nhi\r\n", "publish a [] [hi]");
    check("PUB  a\tr   0 \r\n\r\n", "publish a -> r [] []");
    check("HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", r"publish a -> r [NATS/1.0\r\n\r\n] [hi]");
    check("HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n", r"publish a [NATS/1.0\r\n\r\n] []");
}

#[test]
fn a_payload_may_hold_line_ends_and_verbs() {
    check("PUB a 8\r\n\r\nPING\r\n\r\nPING\r\n", "publish a [] [\\r\\nPING\\r\\n]\nping");
}

#[test]
fn subscriptions() {
    check("SUB a.> 1\r\nSUB a q 2\r\n", "subscribe a.> None 1\nsubscribe a Some(\"q\") 2");
    check(
        "UNSUB 1\r\nUNSUB 1 5\r\nUNSUB 1 x\r\n",
        "unsubscribe 1 None\nunsubscribe 1 Some(5)\nunsubscribe 1 None",
    );
}

#[test]
fn malformed_arguments_are_refused() {
    for line in [
        "PUB a",
        "PUB a 0000000001",
        "INFO",
        "INFO x",
        "-ERR 'x'",
        "PUB a b c 1",
        "PUB a -1",
        "PUB a +1",
        "PUB a x",
        "PUB a b c d e f",
        "PUB a 99999999999999999999",
        "SUB a",
        "SUB a b c d",
        "UNSUB 1 2 3",
        "HPUB a 3",
        "CONNECT",
        "HPUB a x 3",
    ] {
        check(&format!("{line}\r\n"), "error: malformed arguments");
    }
    check("HPUB a 3 2\r\nab\r\n", "error: malformed arguments");
}

#[test]
fn what_is_no_verb_is_refused_before_its_line_ends() {
    check("GET / HTTP/1.1", "error: unknown protocol operation");
    check("\r\n", "error: unknown protocol operation");
    check(" PING\r\n", "error: unknown protocol operation");
    check("MSG a 1 1\r\n", "error: unknown protocol operation");
    check("PUB\r\n", "error: unknown protocol operation");
    check("-ERR\r\n", "error: unknown protocol operation");
    check("PUB a 2\r\nhiX\r\n", "error: unknown protocol operation");
}

#[test]
fn lengths_are_bounded() {
    check("PUB a 1025\r\n", "error: maximum payload violation");
    check(&format!("SUB {}", "a".repeat(5000)), "error: maximum control line exceeded");
    check(
        &format!("SUB {} 1\r\n", "a".repeat(4090)),
        &format!("subscribe {} None 1", "a".repeat(4090)),
    );
    check(&format!("CONNECT {}", "a".repeat(70_000)), "error: maximum control line exceeded");
}

#[test]
fn an_unfinished_frame_waits() {
    check("PUB a 5\r\nhel", "unfinished: 12 bytes");
    check("PU", "unfinished: 2 bytes");
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_decoded(bytes: Vec<u8>) {
        decode(&bytes, 3);
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same(
        subject in "[a-z.]{1,20}",
        reply in proptest::option::of("[a-z.]{1,20}"),
        header in proptest::option::of(Just("NATS/1.0\r\na: b\r\n\r\n")),
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        piece in 1..40_usize,
    ) {
        let message = Publish {
            subject: subject.as_bytes(),
            reply: reply.as_ref().map(String::as_bytes),
            header: header.unwrap_or("").as_bytes(),
            payload: &payload,
            has_header: header.is_some(),
        };
        let mut bytes = Vec::new();
        encode::publish(&mut bytes, &message);
        encode::publish(&mut bytes, &message);
        let line = show(&ClientOp::Publish(message));
        prop_assert_eq!(decode(&bytes, piece), format!("{line}\n{line}\n"));
    }
}
