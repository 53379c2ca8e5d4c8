//! Taking everything, or half of it, out of a stream at once.

use anyhow::bail;
use serde_json::{Value, json};

use super::jetstream::fill_with;
use super::publisher::Frames;
use super::seconds;
use crate::api::{Api, Kept, STREAM};
use crate::measure::{Measure, Sample};
use crate::plan::Place;

/// Purges all.
pub(crate) fn all(place: &Place<'_>, subjects: u64) -> anyhow::Result<Sample> {
    purge(place, subjects, &Value::Null, 0)
}

/// Purges the older half.
pub(crate) fn half(place: &Place<'_>, subjects: u64) -> anyhow::Result<Sample> {
    let kept = place.scale.stored / 2;
    purge(place, subjects, &json!({ "seq": place.scale.stored - kept + 1 }), kept)
}

fn purge(place: &Place<'_>, subjects: u64, request: &Value, kept: u64) -> anyhow::Result<Sample> {
    let server = place.start()?;
    let mut api = Api::connect(server.address)?;
    api.create_stream(Kept::File, &json!({}))?;
    let frames = Frames::numbered("bench", subjects, "_INBOX.fill", 128);
    fill_with(server.address, place.scale.stored, frames)?;
    let subject = format!("$JS.API.STREAM.PURGE.{STREAM}");
    let seconds = seconds(|| api.call(&subject, request).map(drop))?;
    let left = api.messages(STREAM)?;
    if left != kept {
        bail!("{left} messages were left, not {kept}");
    }
    Ok(Sample::from([(Measure::Seconds, seconds)]))
}
