//! What a million messages cost to hold, and to come back with.

use std::time::Instant;

use anyhow::bail;
use serde_json::json;
use tempfile::TempDir;

use crate::api::{Api, Kept, STREAM};
use crate::load::fill;
use crate::measure::{Measure, Sample};
use crate::plan::Place;
use crate::process::{Running, disk_bytes};

/// Fills, stops, starts, kills, starts.
pub(crate) fn run(place: &Place<'_>) -> anyhow::Result<Sample> {
    let server = place.start()?;
    let idle = server.resident_bytes()?;
    Api::connect(server.address)?.create_stream(Kept::File, &json!({}))?;
    fill(server.address, place.scale.million, 64)?;
    check(&server, place.scale.million)?;
    let loaded = server.resident_bytes()?;
    let folder = server.stop()?;
    let disk = disk_bytes(folder.path())?;
    let (server, clean) = ready(place, folder)?;
    let folder = server.kill()?;
    let (_server, killed) = ready(place, folder)?;
    Ok(Sample::from([
        (Measure::IdleBytes, idle),
        (Measure::ResidentBytes, loaded),
        (Measure::DiskBytes, disk),
        (Measure::CleanSeconds, clean),
        (Measure::KilledSeconds, killed),
    ]))
}

/// Starts on what is there, and waits until all of it is.
fn ready(place: &Place<'_>, folder: TempDir) -> anyhow::Result<(Running, f64)> {
    let start = Instant::now();
    let server = place.program.start_in(folder)?;
    check(&server, place.scale.million)?;
    Ok((server, start.elapsed().as_secs_f64()))
}

fn check(server: &Running, expected: u64) -> anyhow::Result<()> {
    let found = Api::connect(server.address)?.messages(STREAM)?;
    if found != expected {
        bail!("{found} of {expected} messages are there");
    }
    Ok(())
}
