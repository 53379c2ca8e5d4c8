//! The pure crates on disks that lose power, fail and rot.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archives;
mod asyncs;
mod batch_gets;
mod batches;
mod cases;
mod copies;
mod counters;
mod coverage;
mod damage;
mod fast;
mod flow_acks;
mod history;
mod in_memory;
mod journal;
mod limits;
mod markers;
mod migrations;
mod model;
mod node;
mod pauses;
mod plan;
mod promotions;
mod refusals;
mod republish;
mod resets;
mod returns;
mod schedules;
mod stores;
mod talk;
mod turns;

/// How many seeds to try: `WATERSHED_SEEDS` if it is set, for a long run.
fn seeds(usual: u64) -> u64 {
    std::env::var("WATERSHED_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
