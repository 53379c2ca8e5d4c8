//! What a client says to a node on its own, and what it hears.

use serde_json::Value;
use watershed_sim::node::{Node, Received};

pub(crate) const SECOND: u64 = 1_000_000_000;

/// Sends a message; what it brings comes when the disk has worked.
pub(crate) fn send(node: &mut Node, subject: &str, reply: &str, body: &str) {
    node.send(format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len()).as_bytes());
}

/// Sends a message, and does whatever the disk has to do. What the client got.
pub(crate) fn tell(node: &mut Node, subject: &str, body: &str) -> Vec<Received> {
    send(node, subject, "r.1", body);
    node.settle().unwrap();
    node.received()
}

/// The answer to a call.
pub(crate) fn ask(node: &mut Node, subject: &str, body: &str) -> Value {
    let received = tell(node, &format!("$JS.API.{subject}"), body);
    let answer = received.iter().rfind(|message| message.subject == "r.1").unwrap();
    serde_json::from_str(&answer.payload).unwrap()
}

/// All messages that a stream has, as `STREAM.MSG.GET` shows them.
pub(crate) fn messages(node: &mut Node, stream: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = 1;
    loop {
        let body = format!("{{\"seq\":{next},\"next_by_subj\":\">\"}}");
        let mut answer = ask(node, &format!("STREAM.MSG.GET.{stream}"), &body);
        let message = answer["message"].take();
        let Some(sequence) = message["seq"].as_u64() else { return all };
        all.push(message);
        next = sequence + 1;
    }
}

/// Lets time pass, the disk keeping up.
pub(crate) fn pass(node: &mut Node, nanos: u64) {
    let mut left = nanos;
    while left > 0 {
        left = node.wait_for_deadline(left);
        node.settle().unwrap();
    }
}
