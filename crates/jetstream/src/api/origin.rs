//! What a stream's origins forbid it.

use watershed_base::AccountId;
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::subject::intersection;

use crate::state::State;

/// Refuses a stream that would get its own messages back, or that could not hold what an origin
/// lets in.
pub(super) fn check_origins(
    state: &State,
    account: AccountId,
    config: &StreamConfig,
) -> Result<(), ApiError> {
    if comes_round(state, account, config, config, ">", &mut Vec::new()) {
        return Err(table::STREAM_INVALID_CONFIG.with("detected cycle"));
    }
    let limit = |config: &StreamConfig| u32::try_from(config.max_msg_size).ok();
    let Some(own) = limit(config) else { return Ok(()) };
    let shorter = |name: &str| {
        let (_, origin) = state.find(account, name)?;
        limit(&origin.config).filter(|theirs| *theirs > own)
    };
    if config.mirror.iter().any(|source| shorter(&source.name).is_some()) {
        return Err(table::MIRROR_MAX_MESSAGE_SIZE_TOO_BIG.into());
    }
    if config.sources.iter().any(|source| shorter(&source.name).is_some()) {
        return Err(table::SOURCE_MAX_MESSAGE_SIZE_TOO_BIG.into());
    }
    Ok(())
}

/// Whether a message that `filter` takes can come to `config` from `start`, over its origins.
fn comes_round(
    state: &State,
    account: AccountId,
    start: &StreamConfig,
    config: &StreamConfig,
    filter: &str,
    path: &mut Vec<String>,
) -> bool {
    path.push(config.name.clone());
    let found = config.mirror.iter().chain(&config.sources).any(|source| {
        let wanted = if source.filter_subject.is_empty() { ">" } else { &source.filter_subject };
        let Some(common) = intersection(filter, wanted) else { return false };
        if source.name == start.name {
            return true;
        }
        let origin = state.find(account, &source.name);
        origin.is_some_and(|(_, origin)| {
            !path.contains(&source.name)
                && comes_round(state, account, start, &origin.config, &common, path)
        })
    });
    path.pop();
    found
}
