//! What messages take of the disk and of memory, and what is left of it when they are gone.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use crate::api::{Api, Kept, STREAM};
use crate::load::fill;
use crate::measure::{Measure, Sample};
use crate::plan::Place;
use crate::process::Running;

/// How long a store may take to become quiet.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ten million small messages in a file stream.
pub(crate) fn many(place: &Place<'_>) -> anyhow::Result<Sample> {
    let server = place.start()?;
    let idle = server.resident_bytes()?;
    let mut api = Api::connect(server.address)?;
    api.create_stream(Kept::File, &json!({}))?;
    fill(server.address, place.scale.many, 64)?;
    let found = api.messages(STREAM)?;
    if found != place.scale.many {
        bail!("{found} of {} messages are there", place.scale.many);
    }
    let disk = quiet_disk_bytes(&server, place.scale.quiet_seconds)?;
    Ok(Sample::from([
        (Measure::IdleBytes, idle),
        (Measure::ResidentBytes, server.resident_bytes()?),
        (Measure::DiskBytes, disk),
    ]))
}

/// What the store takes when it has not changed for a while: blocks are written after messages are
/// acknowledged.
fn quiet_disk_bytes(server: &Running, quiet_seconds: f64) -> anyhow::Result<f64> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = server.disk_bytes()?;
    loop {
        thread::sleep(Duration::from_secs_f64(quiet_seconds));
        let now = server.disk_bytes()?;
        if now.total_cmp(&last).is_eq() || Instant::now() > deadline {
            return Ok(now);
        }
        last = now;
    }
}

/// Bytes of a message.
const MESSAGE_BYTES: u64 = 1024;

/// A large memory stream comes and goes.
pub(crate) fn after_delete(place: &Place<'_>) -> anyhow::Result<Sample> {
    let server = place.start()?;
    let idle = server.resident_bytes()?;
    let mut api = Api::connect(server.address)?;
    api.create_stream(Kept::Memory, &json!({}))?;
    let count = place.scale.memory_bytes / MESSAGE_BYTES;
    fill(server.address, count, 1024)?;
    if api.messages(STREAM)? != count {
        bail!("not every message was stored");
    }
    api.call(&format!("$JS.API.STREAM.DELETE.{STREAM}"), &Value::Null)?;
    thread::sleep(Duration::from_secs_f64(place.scale.after_delete_seconds));
    Ok(Sample::from([
        (Measure::IdleBytes, idle),
        (Measure::ResidentBytes, server.resident_bytes()?),
    ]))
}
