//! How long the index of a log takes, and what it weighs:
//!
//! ```text
//! cargo run --release -p watershed-store --example log_index
//! ```
//!
//! Memory is what the process has more than before, so each figure of it has a process of its own.
#![allow(clippy::print_stdout)] // an example is a program

use std::hint::black_box;
use std::time::{Duration, Instant};

use watershed_store::bytes::{BadState, Reader};
use watershed_store::log::{BLOCK_BYTES, Log, Scan};
use watershed_store::record::LogId;

/// Records at 10 µs each, of the length of a small message.
fn filled(records: u64, keys: u64) -> Log {
    let mut log = Log::new(LogId(1), 1, BLOCK_BYTES);
    for number in 0..records {
        let time = i64::try_from(number * 10_000).expect("a small number");
        log.append(&key(number * 7919 % keys), time, 170, 100);
    }
    log
}

fn key(number: u64) -> Vec<u8> {
    format!("orders.region.{number:08}").into_bytes()
}

/// Shows how long it took, altogether and for each.
fn show(what: &str, count: u64, mut work: impl FnMut()) {
    let start = Instant::now();
    work();
    let took = start.elapsed();
    let each = took.as_nanos() as f64 / count as f64;
    println!("{what:<58} {:>10.3} ms {each:>9.0} ns each", took.as_secs_f64() * 1e3);
}

fn main() {
    if let Some(keys) = std::env::args().nth(1) {
        return memory(keys.parse().expect("a number of keys"));
    }
    for keys in ["1", "1000", "100000", "1000000"] {
        let program = std::env::current_exe().expect("the program has a path");
        std::process::Command::new(program).arg(keys).status().expect("it runs");
    }
    appends();
    removals();
    ranges();
    queries_of_keys();
    queries();
}

fn memory(keys: u64) {
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
        pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("numbers") * 4096
    };
    let before = resident();
    let mut log = filled(1_000_000, keys);
    let full = resident() - before;
    println!("memory, 1,000,000 records, {keys} keys: {} bytes each", full / 1_000_000);
    for sequence in (1..=1_000_000).filter(|sequence| sequence % 100 != 0) {
        log.remove(sequence);
    }
    println!("  1 of 100 is left: {} of {full} bytes", resident().saturating_sub(before));
    drop(log.clear());
    println!("  none is left: {}", resident().saturating_sub(before));
}

fn appends() {
    for keys in [1, 1000, 1_000_000] {
        show(&format!("append 1,000,000, {keys} keys"), 1_000_000, || {
            black_box(filled(1_000_000, keys));
        });
        let mut log = Log::new(LogId(1), 1, BLOCK_BYTES);
        let (mut longest, mut longest_sealing) = (Duration::ZERO, Duration::ZERO);
        for number in 0..1_000_000 {
            let key = key(number * 7919 % keys);
            let start = Instant::now();
            let sealed = black_box(log.append(&key, 0, 170, 100)).sealed;
            let took = if sealed { &mut longest_sealing } else { &mut longest };
            *took = start.elapsed().max(*took);
        }
        println!(
            "  the longest of them took {longest:?}, with a block to seal {longest_sealing:?}"
        );
    }
    for keys in [1000, 1_000_000] {
        let mut log = Log::new(LogId(1), 1, BLOCK_BYTES);
        let mut footers = std::collections::BTreeMap::new();
        for number in 0..1_000_000 {
            log.append(&key(number * 7919 % keys), 0, 170, 100);
            let mut all = usize::MAX;
            while let Some(sealed) = log.seal_some(&mut all) {
                footers.insert(sealed.block, sealed.footer());
            }
        }
        let mut state = Vec::new();
        show(&format!("checkpoint, {keys} keys"), 1, || log.checkpoint(&mut state));
        show(&format!("restore 1,000,000, {keys} keys"), 1_000_000, || {
            let footer = |_, block| footers.get(&block).cloned().ok_or(BadState);
            let restored = Log::restore::<BadState>(&mut Reader(&state), BLOCK_BYTES, footer);
            assert_eq!(restored.map(|log| log.records()), Ok(1_000_000));
        });
    }
}

fn removals() {
    for keys in [1, 1000, 1_000_000] {
        let mut log = filled(1_000_000, keys);
        show(&format!("remove the first of 1,000,000, {keys} keys"), 1_000_000, || {
            while log.remove(log.first()).is_some() {}
        });
        let mut log = filled(1_000_000, keys);
        show(&format!("remove any of 1,000,000, {keys} keys"), 1_000_000, || {
            for number in 0..1_000_000 {
                black_box(log.remove(number * 514_229 % 1_000_000 + 1));
            }
        });
    }
    let mut log = filled(1_000_000, 1000);
    let id = log.key_id(&key(7)).expect("it has records");
    show("remove 1,000 of one key of 1,000,000", 1000, || {
        log.remove_key_before(id, u64::MAX, usize::MAX);
    });
}

fn ranges() {
    for records in [200_000, 1_000_000] {
        for keys in [1, 1000, records] {
            let mut log = filled(records, keys);
            let mut cleared = None;
            show(&format!("clear {records}, {keys} keys"), records, || {
                cleared = Some(log.clear());
            });
            show("  and free what it held", records, || drop(cleared.take()));
            let mut log = filled(records, keys);
            show(&format!("remove half of {records}, {keys} keys, at once"), records / 2, || {
                log.remove_before(records / 2 + 1, usize::MAX);
            });
            let (mut log, mut calls, mut longest) = (filled(records, keys), 0, Duration::ZERO);
            show(&format!("remove half of {records}, {keys} keys, in slices"), records / 2, || {
                let mut done = false;
                while !done {
                    let start = Instant::now();
                    done = log.remove_before(records / 2 + 1, 10_000).done;
                    longest = longest.max(start.elapsed());
                    calls += 1;
                }
            });
            println!("  {calls} slices, the longest took {longest:?}");
        }
    }
}

fn queries_of_keys() {
    let log = filled(200_000, 200_000);
    show("key_id and next_of, 200,000 keys", 200_000, || {
        for number in 0..200_000 {
            let id = log.key_id(&key(number * 7 % 200_000)).expect("it has a record");
            black_box(log.next_of(id, 1));
        }
    });
    show("keys_with_prefix, 200,000 keys, 10 found", 1000, || {
        for number in 0..1000 {
            let prefix = format!("orders.region.{number:07}");
            assert_eq!(log.keys_with_prefix(prefix.as_bytes()).count(), 10);
        }
    });
    show("keys_with_prefix, 200,000 keys, all", 200_000, || {
        assert_eq!(log.keys_with_prefix(b"orders.").count(), 200_000);
    });
    let last = log.key_id_of(200_000).expect("the record is there");
    show("scan 200,000 for one key", 200_000, || {
        assert_eq!(log.scan(1, usize::MAX, |id| id == last), Scan::Found(200_000));
    });
}

fn queries() {
    let mut log = filled(1_000_000, 1000);
    let id = log.key_id(&key(7)).expect("it has records");
    show("next_of from anywhere, 1,000,000, 1,000 keys", 1_000_000, || {
        for number in 0..1_000_000 {
            black_box(log.next_of(id, number));
        }
    });
    show("next from anywhere, 1,000,000", 1_000_000, || {
        for number in 0..1_000_000 {
            black_box(log.next(number * 514_229 % 1_000_000));
        }
    });
    show("count_from anywhere, 1,000,000", 1000, || {
        for number in 0..1000 {
            black_box(log.count_from(number * 999));
        }
    });
    show("count_key_from anywhere, 1,000,000", 1000, || {
        for number in 0..1000 {
            black_box(log.count_key_from(id, number * 999));
        }
    });
    show("at_time, 1,000,000", 1000, || {
        for number in 0..1000 {
            black_box(log.at_time(number * 10_000_000));
        }
    });
    log.remove(500_000);
    show("gap_ranges, one gap in 1,000,000", 1, || assert_eq!(log.gap_ranges().count(), 1));
    for sequence in 2..1_000_000 {
        log.remove(sequence);
    }
    show("next over a gap of a million", 1, || assert_eq!(log.next(2), Some(1_000_000)));
}
