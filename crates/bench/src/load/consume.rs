//! Taking messages from a stream, each acknowledged.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::bail;
use watershed_wire::ServerOp;
use watershed_wire::encode;
use watershed_wire::op::Publish;

use super::jetstream::{Kept, Load, publish_count, request};
use crate::client::Client;

/// Messages that are stored before the clock starts.
const MESSAGES: u64 = 200_000;

/// Messages of one request.
const BATCH: u64 = 500;

/// Fetches everything that was stored, one request at a time, and acknowledges each message.
pub(crate) fn fetch(address: SocketAddr, retention: &str) -> anyhow::Result<(f64, f64)> {
    let load = Load { kept: Kept::File, connections: 1, window: 1000, bytes: 128 };
    let mut client = Client::connect(address)?;
    client.send(b"SUB api 1\r\nSUB next 2\r\n")?;
    let stream =
        format!("{{\"name\":\"BENCH\",\"subjects\":[\"bench.>\"],\"retention\":\"{retention}\"}}");
    request(&mut client, "$JS.API.STREAM.CREATE.BENCH", &stream)?;
    publish_count(address, MESSAGES, load)?;
    let config = "{\"durable_name\":\"C\",\"ack_policy\":\"explicit\",\"max_ack_pending\":10000}";
    let consumer = format!("{{\"stream_name\":\"BENCH\",\"config\":{config}}}");
    request(&mut client, "$JS.API.CONSUMER.CREATE.BENCH.C", &consumer)?;
    let body = format!("{{\"batch\":{BATCH}}}");
    let mut next = Vec::new();
    encode::publish(
        &mut next,
        &message(b"$JS.API.CONSUMER.MSG.NEXT.BENCH.C", Some(b"next"), body.as_bytes()),
    );
    let start = Instant::now();
    let mut received = 0;
    while received < MESSAGES {
        client.send(&next)?;
        let end = (received + BATCH).min(MESSAGES);
        while received < end {
            let mut acks = Vec::new();
            client.read(|op| {
                if let ServerOp::Message { reply: Some(reply), .. } = op {
                    received += 1;
                    encode::publish(&mut acks, &message(reply, None, b"+ACK"));
                }
            })?;
            client.send(&acks)?;
        }
    }
    // Until the server has heard every acknowledgement.
    loop {
        let info = request(&mut client, "$JS.API.CONSUMER.INFO.BENCH.C", "")?;
        if info.contains("\"num_ack_pending\":0") {
            break;
        }
    }
    if received != MESSAGES {
        bail!("{received} of {MESSAGES} messages came");
    }
    Ok((MESSAGES as f64, start.elapsed().as_secs_f64()))
}

fn message<'a>(subject: &'a [u8], reply: Option<&'a [u8]>, payload: &'a [u8]) -> Publish<'a> {
    Publish { subject, reply, header: b"", payload, has_header: false }
}
