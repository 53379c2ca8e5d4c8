//! What one sync of the disk takes, at the moment and in the folder of a cell.
//!
//! No figure of a durable load means anything without it: on another disk it is a tenth or ten times
//! as long. The file is made as the server's journal is, of zeroes that are on disk before, so that a
//! sync changes no metadata of the file system.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;

use crate::latency::Latency;
use crate::measure::{Measure, Sample};

/// Bytes that are written before each sync: about a round of one publisher with 256 in flight.
const WRITE_BYTES: usize = 32 * 1024;

/// Writes until the file is used from its start again.
const WRITES: u64 = 128;

/// Times this many syncs, and puts what they took into a sample.
pub(crate) fn measure(folder: &Path, count: u32, sample: &mut Sample) -> anyhow::Result<()> {
    let latency = time(folder, count).context("cannot time fdatasync")?;
    for (measure, part) in [(Measure::FlushP50Us, 0.5), (Measure::FlushP99Us, 0.99)] {
        if let Some(value) = latency.quantile_us(part) {
            sample.insert(measure, value);
        }
    }
    Ok(())
}

fn time(folder: &Path, count: u32) -> io::Result<Latency> {
    let file: File = tempfile::tempfile_in(folder)?;
    let zeroes = vec![0; WRITE_BYTES];
    for write in 0..WRITES {
        file.write_all_at(&zeroes, write * WRITE_BYTES as u64)?;
    }
    file.sync_all()?;
    let bytes = vec![0x5a; WRITE_BYTES];
    let mut latency = Latency::new();
    for write in 0..u64::from(count) {
        file.write_all_at(&bytes, write % WRITES * WRITE_BYTES as u64)?;
        let start = Instant::now();
        file.sync_data()?;
        latency.record(start.elapsed());
    }
    Ok(latency)
}
