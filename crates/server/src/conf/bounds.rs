//! What an account may keep, and what a server allows every account.

use watershed_engine::AccountStore;
use watershed_wire::conf::{Pair, Value};
use watershed_wire::jetstream::check::Bounds;

use super::{Read, duration, enabled, flag, map, number, unknown};

pub(super) fn account_store(pair: &Pair) -> Read<AccountStore> {
    let mut store = AccountStore::default();
    let Value::Map(pairs) = &pair.item.value else {
        return Ok(AccountStore { enabled: enabled(pair)?, ..store });
    };
    for pair in pairs {
        match pair.key.as_str() {
            "max_mem" | "max_memory" | "mem" | "memory" => store.max_memory = limit(pair)?,
            "max_file" | "max_store" | "max_disk" | "store" | "disk" => {
                store.max_file = limit(pair)?;
            }
            "max_streams" | "streams" => store.bounds.max_streams = limit(pair)?,
            "max_consumers" | "consumers" => store.bounds.max_consumers = limit(pair)?,
            "max_ack_pending" => store.bounds.max_ack_pending = limit(pair)?,
            // A flag, for all that its name says.
            "max_bytes_required" | "max_stream_bytes" | "max_bytes" => {
                store.bounds.max_bytes_required = flag(pair)?;
            }
            "disk_max_stream_bytes" | "store_max_stream_bytes" => {
                store.bounds.disk_max_stream_bytes = limit(pair)?;
            }
            "memory_max_stream_bytes" | "mem_max_stream_bytes" => {
                store.bounds.memory_max_stream_bytes = limit(pair)?;
            }
            _ => return Err(unknown(pair)),
        }
    }
    Ok(store)
}

/// What a server allows every account.
pub(super) fn server_bounds(pair: &Pair) -> Read<Bounds> {
    let mut bounds = Bounds::default();
    for pair in map(pair)? {
        match pair.key.as_str() {
            "max_ack_pending" => bounds.max_ack_pending = limit(pair)?,
            "max_request_batch" => bounds.max_request_batch = limit(pair)?,
            "duplicate_window" => {
                let window = i64::try_from(duration(pair)?.as_nanos());
                bounds.duplicate_window = Some(window.unwrap_or(i64::MAX));
            }
            // One server keeps one copy.
            "max_ha_assets" => {
                limit::<u64>(pair)?;
            }
            _ => return Err(unknown(pair)),
        }
    }
    Ok(bounds)
}

/// A number, or -1 for none.
fn limit<T: TryFrom<i64>>(pair: &Pair) -> Read<Option<T>> {
    match pair.item.value {
        Value::Integer(-1) => Ok(None),
        _ => number(pair).map(Some),
    }
}
