//! Bytes of a damaged disk: records, repairs and the state of a log are read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_store::Log;
use watershed_store::bytes::{BadState, Reader};
use watershed_store::log::BLOCK_BYTES;
use watershed_store::record::{Record, RecordError, repair};

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    if let Err(RecordError::Content { length }) = Record::decode(&bytes) {
        repair(&mut bytes, length);
    }
    let refused = Log::restore::<BadState>(&mut Reader(data), BLOCK_BYTES, |_, _| Err(BadState));
    let restored =
        Log::restore::<BadState>(&mut Reader(data), BLOCK_BYTES, |_, _| Ok(data.to_vec()));
    for mut log in refused.into_iter().chain(restored) {
        let first = log.first();
        log.next(first);
        log.prev(u64::MAX);
        log.position(first);
        log.at_time(0);
        log.count_from(first + 1);
        log.gap_ranges().count();
        log.keys_with_prefix(b"k").count();
        log.remove(first);
        log.remove_before(log.last() / 2, 10);
        log.remove_before(log.last() / 2, usize::MAX);
        log.append(b"key", 0, 100, 1);
        log.checkpoint(&mut Vec::new());
    }
});
