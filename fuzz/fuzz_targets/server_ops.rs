//! Bytes from a server.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_wire::ServerDecoder;

fuzz_target!(|data: &[u8]| {
    let mut decoder = ServerDecoder::default();
    let mut rest = data;
    while let Ok(Some((_, taken))) = decoder.next(rest) {
        assert!(taken > 0);
        rest = &rest[taken..];
    }
});
