//! What the API has and this server does not do yet: refused by name, never ignored.

use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::stream::StreamSource;

/// The first field of `config` that asks for something that is not built.
pub(crate) fn refuse(config: &StreamConfig) -> Option<ApiError> {
    let origins = config.mirror.iter().chain(&config.sources);
    let asks = |source: &StreamSource| {
        [("external", source.external.is_some()), ("consumer", source.consumer.is_some())]
    };
    let (field, _) = origins.flat_map(asks).find(|(_, wanted)| *wanted)?;
    let text = format!("`{field}` is not supported by this server yet");
    Some(table::STREAM_INVALID_CONFIG.with(text))
}
