//! What an account may keep, and what a server allows every account.

use watershed_engine::AccountStore;
use watershed_wire::conf::{Pair, Value};
use watershed_wire::jetstream::check::{Bounds, account_limit};

use super::{Read, duration, enabled, flag, map, number, unknown};

pub(super) fn account_store(pair: &Pair) -> Read<AccountStore> {
    let mut store = AccountStore::default();
    let Value::Map(pairs) = &pair.item.value else {
        return Ok(AccountStore { enabled: enabled(pair)?, ..store });
    };
    for pair in pairs {
        match account_limit(&pair.key) {
            "max_memory" => store.max_memory = limit(pair)?,
            "max_file" => store.max_file = limit(pair)?,
            // A flag, for all that its names say.
            "max_bytes_required" => store.bounds.max_bytes_required = flag(pair)?,
            // Of every account.
            "max_request_batch" | "duplicate_window" => return Err(unknown(pair)),
            name => {
                let bound = store.bounds.number_mut(name);
                *bound.ok_or_else(|| unknown(pair))? = limit(pair)?;
            }
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
    if pair.item.value == Value::Integer(-1) {
        return Ok(None);
    }
    number::<u64>(pair)?;
    number(pair).map(Some)
}
