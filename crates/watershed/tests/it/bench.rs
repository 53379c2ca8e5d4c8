//! The load generator: every load works on this server. How fast it is, is not asked here.

use std::path::Path;

use clap::Parser as _;
use watershed_bench::{Arguments, Outcome, Output};

/// A folder that is in memory, where there is one.
const MEMORY: &str = "/dev/shm";

#[test]
fn every_load_of_the_load_generator_works() {
    let ours = env!("CARGO_BIN_EXE_watershed");
    let mut line = vec!["watershed-bench", "--quick", "--ours", ours];
    // Forty servers sync their new stores, and on a busy disk that is all that takes time.
    if Path::new(MEMORY).is_dir() {
        line.extend(["--folder", MEMORY]);
    }
    let arguments = Arguments::parse_from(line);
    let (mut tables, mut progress) = (Vec::new(), Vec::new());
    let mut output = Output { tables: &mut tables, progress: &mut progress };
    let outcome = watershed_bench::run(&arguments, &mut output).unwrap();
    assert_eq!(outcome, Outcome::Complete);
    let tables = String::from_utf8(tables).unwrap();
    for load in ["file stream, 256 in flight", "KV watch of one key", "held up: purge all"] {
        assert!(tables.contains(load), "{tables}");
    }
}
