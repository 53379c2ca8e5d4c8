//! What the API has and this server does not do yet: refused by name, never ignored.

use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::stream::StreamSource;

/// The first field of `config` that asks for something that is not built.
pub(crate) fn refuse(config: &StreamConfig) -> Option<ApiError> {
    let fields = [("allow_batched", config.allow_batched)];
    let mut origins = config.mirror.iter().chain(&config.sources);
    let asks = |source: &StreamSource| {
        [("external", source.external.is_some()), ("consumer", source.consumer.is_some())]
    };
    let fields = fields.into_iter().chain(origins.by_ref().flat_map(asks));
    let (field, _) = { fields }.find(|(_, wanted)| *wanted)?;
    let text = format!("`{field}` is not supported by this server yet");
    Some(table::STREAM_INVALID_CONFIG.with(text))
}
