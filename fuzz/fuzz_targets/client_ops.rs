//! Bytes from a client: decoded alike however they are cut, and what is encoded again decodes to
//! exactly one operation.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_wire::header::HeaderBlock;
use watershed_wire::{ClientDecoder, ClientOp, ServerDecoder, ServerOp, encode};

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else { return };
    let whole = decode(bytes, bytes.len().max(1));
    let pieces = decode(bytes, usize::from(*cut).max(1));
    assert_eq!(whole, pieces);
});

/// The operations in `bytes` as debug text, read in pieces.
fn decode(bytes: &[u8], piece: usize) -> Vec<String> {
    let mut decoder = ClientDecoder::new(4096);
    let (mut start, mut end) = (0, 0);
    let mut ops = Vec::new();
    loop {
        match decoder.next(&bytes[start..end]) {
            Ok(Some((op, taken))) => {
                assert!(taken > 0 && start + taken <= end);
                check(&op);
                ops.push(format!("{op:?}"));
                start += taken;
            }
            Ok(None) if end == bytes.len() => return ops,
            Ok(None) => end = (end + piece).min(bytes.len()),
            Err(error) => {
                ops.push(error.to_string());
                return ops;
            }
        }
    }
}

/// A published message, delivered, is one message with the same content.
fn check(op: &ClientOp<'_>) {
    let ClientOp::Publish(message) = op else { return };
    HeaderBlock(message.header).fields().count();
    let mut out = Vec::new();
    encode::message(&mut out, message.subject, b"1", message.reply, message.header, message.payload);
    match ServerDecoder::default().next(&out) {
        Ok(Some((ServerOp::Message { subject, payload, header, reply, .. }, taken))) => {
            assert_eq!(taken, out.len());
            assert_eq!((subject, payload), (message.subject, message.payload));
            assert_eq!((header, reply), (message.header, message.reply));
        }
        // Subject and reply together may exceed a line, which the server bounds on the way in.
        other => assert!(out.len() > 4096, "{other:?}"),
    }
}
