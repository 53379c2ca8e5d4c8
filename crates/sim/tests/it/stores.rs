//! Stores of earlier formats, each made by the program of its time: they are opened, and every answer is what it was.
//!
//! A store is kept as text: `file PATH LENGTH`, then the rows of 64 bytes that are not all zero, each with its offset;
//! `ask SUBJECT BODY`, then what was told.

use std::path::PathBuf;

use watershed_engine::{JetStreamSettings, Now, Tick};
use watershed_sim::disk::SimDisk;
use watershed_sim::node::Node;
use watershed_store::{Disk, DiskFile};
use watershed_wire::time::UnixNanos;

use crate::talk::tell;

/// A store that was kept, and what it answered.
struct Kept {
    disk: SimDisk,
    now: Now,
    told: Vec<(String, String)>,
}

fn read(name: &str) -> Kept {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/stores").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let disk = SimDisk::default();
    let mut now = Now { tick: Tick(0), wall: UnixNanos(0) };
    let (mut file, mut told) = (None, Vec::new());
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap();
        match word {
            "now" => {
                let (tick, wall) = rest.split_once(' ').unwrap();
                now = Now {
                    tick: Tick(tick.parse().unwrap()),
                    wall: UnixNanos(wall.parse().unwrap()),
                };
            }
            "file" => {
                let (path, length) = rest.split_once(' ').unwrap();
                if let Some((folder, _)) = path.split_once('/') {
                    disk.create_dir(folder).unwrap();
                }
                let made = disk.create(path).unwrap();
                made.set_len(length.parse().unwrap()).unwrap();
                file = Some(made);
            }
            "ask" => told.push((rest.to_owned(), String::new())),
            ">" => told.last_mut().unwrap().1.push_str(rest),
            offset => {
                let byte = |at: usize| u8::from_str_radix(&rest[at..at + 2], 16).unwrap();
                let row: Vec<u8> = (0..rest.len()).step_by(2).map(byte).collect();
                file.as_ref().unwrap().write_at(&row, offset.parse().unwrap()).unwrap();
            }
        }
    }
    Kept { disk: disk.after_kill(), now, told }
}

/// An answer without when it was given.
fn timeless(answer: &str) -> String {
    match answer.split_once("\"ts\":") {
        Some((before, behind)) => before.to_owned() + behind.trim_start_matches(|own| own != '}'),
        None => answer.to_owned(),
    }
}

/// Two checkpoints, blocks with footers, and rounds behind them.
#[test]
fn a_store_of_format_4_is_opened_and_has_the_present_format_then() {
    let Kept { disk, now, told } = read("format-4.txt");
    let settings = JetStreamSettings {
        journal_bytes_per_checkpoint: 12_000,
        block_bytes: 2_000,
        ..JetStreamSettings::new(1 << 40, 1 << 40)
    };
    assert!(disk.bytes("FORMAT").starts_with(b"watershed store 4\n"));
    let mut node = Node::start_at(now, &disk, settings, 1).unwrap();
    assert!(node.findings().is_empty(), "{:?}", node.findings());
    assert!(disk.bytes("FORMAT").starts_with(b"watershed store 5\n"));
    assert!(told.len() > 100);
    for (question, expected) in told {
        let (subject, body) = question.split_once(' ').unwrap();
        let got = tell(&mut node, subject, body);
        let got: Vec<&str> = got.iter().map(|own| own.payload.as_str()).collect();
        assert_eq!(timeless(&got.join(" ")), timeless(&expected), "{question}");
    }
    assert!(tell(&mut node, "A.0", "x")[0].payload.contains("\"seq\""));
    let state = node.state();
    let again = Node::start_at(now, &disk.after_kill(), settings, 1).unwrap();
    assert!(again.state() == state && again.findings().is_empty());
}
