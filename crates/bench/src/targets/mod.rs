//! What this server is meant to reach against a peer, and whether it does.
//!
//! A row compares pairs: one cell of each server in the same repetition, one directly after the other.
//! Its value is the median of the ratios of all pairs.

mod rows;

use std::fs;
use std::io::Write;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

pub(crate) use self::rows::rows;
use crate::Outcome;
use crate::arguments::Arguments;
use crate::load::{CASES, Case};
use crate::measure::{Measure, Sample};
use crate::plan::Step;
use crate::process::{Program, Role};
use crate::results::{Configuration, Results};
use crate::stats::median;

/// A row: one figure of one load, compared with one peer.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// Name of the load.
    pub(crate) case: &'static str,
    pub(crate) measure: Measure,
    pub(crate) against: Role,
    pub(crate) bound: Bound,
}

/// What holds for a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    /// Ours is at least this many times the peer's.
    Floor(f64),
    /// Ours is at most this many times the peer's.
    Ceiling(f64),
    /// Ours is at most the peer's, or at most this many times the 99th percentile of a sync, whichever is
    /// more: who answers after the disk cannot be faster than the disk.
    CeilingOrFlushes(f64),
}

impl Bound {
    /// What ours is of what it is compared with.
    fn ratio(self, measure: Measure, ours: &Sample, peer: &Sample) -> Option<f64> {
        let (value, mut allowed) = (ours.get(&measure)?, *peer.get(&measure)?);
        if let Self::CeilingOrFlushes(times) = self {
            allowed = allowed.max(times * ours.get(&Measure::FlushP99Us)?);
        }
        let ratio = value / allowed;
        ratio.is_finite().then_some(ratio)
    }

    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::Floor(bound) => ratio >= bound,
            Self::Ceiling(bound) => ratio <= bound,
            Self::CeilingOrFlushes(_) => ratio <= 1.0,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Floor(bound) => format!("≥ {bound}"),
            Self::Ceiling(bound) => format!("≤ {bound}"),
            Self::CeilingOrFlushes(times) => format!("≤ 1, or {times} x fdatasync"),
        }
    }
}

/// What became of a row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) name: String,
    pub(crate) case: String,
    pub(crate) measure: Measure,
    /// Name of the peer.
    pub(crate) against: String,
    pub(crate) bound: String,
    /// Ours ÷ the peer's, of each pair.
    pub(crate) ratios: Vec<f64>,
    /// `None` if there is no pair.
    pub(crate) median: Option<f64>,
    pub(crate) holds: bool,
}

/// What `--json` writes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Verdicts {
    pub(crate) configuration: Configuration,
    pub(crate) rows: Vec<Verdict>,
}

/// What has to be measured for the rows that are wanted, as far as the peers are there.
pub(crate) fn steps(programs: &[Program], wanted: impl Fn(&str) -> bool) -> Vec<Step> {
    let rows: Vec<Target> = rows().into_iter().filter(|row| wanted(&row.name)).collect();
    let step = |case: &'static Case| {
        let needed = |program: &Program| {
            let peer = |row: &Target| row.case == case.name && row.against == program.role();
            program.role() == Role::Ours || rows.iter().any(peer)
        };
        let numbers = (0..programs.len()).filter(|index| needed(&programs[*index]));
        Step { case, programs: numbers.collect() }
    };
    // This server alone has nobody to be compared with.
    CASES.iter().copied().flatten().map(step).filter(|step| step.programs.len() > 1).collect()
}

/// Prints whether each row holds, and writes it to a file if there is one.
pub(crate) fn conclude(
    programs: &[Program],
    results: &Results,
    arguments: &Arguments,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let rows = rows().into_iter().filter(|row| arguments.wants(&row.name));
    let rows: Vec<Verdict> = rows.flat_map(|row| verdicts(&row, programs, results)).collect();
    writeln!(out, "| row | against | bound | median | pairs | holds |\n|---|---|---|---|---|---|")?;
    for row in &rows {
        let Verdict { name, against, bound, .. } = row;
        let shown = row.median.map_or("–".into(), |ratio| format!("{ratio:.2}"));
        let (pairs, holds) = (row.ratios.len(), if row.holds { "yes" } else { "**no**" });
        writeln!(out, "| {name} | {against} | {bound} | {shown} | {pairs} | {holds} |")?;
    }
    let missed = rows.iter().filter(|row| !row.holds).count();
    writeln!(out, "\n{} of {} rows hold", rows.len() - missed, rows.len())?;
    if let Some(path) = &arguments.json {
        let verdicts = Verdicts { configuration: results.configuration.clone(), rows };
        let text = serde_json::to_string_pretty(&verdicts)? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if missed == 0 { Outcome::Complete } else { Outcome::Missed })
}

/// One for each peer that the row is about.
fn verdicts(row: &Target, programs: &[Program], results: &Results) -> Vec<Verdict> {
    let ours = &programs[0].name;
    let peers = programs.iter().filter(|program| program.role() == row.against);
    peers
        .map(|peer| verdict(row, &pairs(row.case, ours, &peer.name, results), &peer.name))
        .collect()
}

fn pairs(case: &str, ours: &str, peer: &str, results: &Results) -> Vec<(Sample, Sample)> {
    let pair = |(repetition, sample): (usize, &Sample)| {
        let (_, other) = results.samples(case, peer).find(|(number, _)| *number == repetition)?;
        Some((sample.clone(), other.clone()))
    };
    results.samples(case, ours).filter_map(pair).collect()
}

fn verdict(row: &Target, pairs: &[(Sample, Sample)], peer: &str) -> Verdict {
    let ratio = |(ours, peer): &(Sample, Sample)| row.bound.ratio(row.measure, ours, peer);
    let ratios: Vec<f64> = pairs.iter().filter_map(ratio).collect();
    let median = median(&ratios);
    Verdict {
        name: row.name.clone(),
        case: row.case.to_owned(),
        measure: row.measure,
        against: peer.to_owned(),
        bound: row.bound.text(),
        holds: median.is_some_and(|ratio| row.bound.holds(ratio)),
        ratios,
        median,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bound: Bound, measure: Measure) -> Target {
        Target { name: "row".into(), case: "case", measure, against: Role::Default, bound }
    }

    fn check(bound: Bound, pairs: &[(f64, f64)], median: Option<f64>, holds: bool) {
        let sample = |value| Sample::from([(Measure::P99Us, value), (Measure::FlushP99Us, 50.0)]);
        let pairs: Vec<_> = pairs.iter().map(|(o, p)| (sample(*o), sample(*p))).collect();
        let verdict = verdict(&row(bound, Measure::P99Us), &pairs, "peer");
        assert_eq!((verdict.median, verdict.holds), (median, holds), "{bound:?} {pairs:?}");
    }

    #[test]
    fn the_median_of_the_pairs_decides() {
        let pairs = [(100.0, 100.0), (300.0, 100.0), (150.0, 100.0)];
        check(Bound::Floor(1.5), &pairs, Some(1.5), true);
        check(Bound::Floor(1.6), &pairs, Some(1.5), false);
        check(Bound::Ceiling(1.5), &pairs, Some(1.5), true);
        check(Bound::Ceiling(1.4), &pairs, Some(1.5), false);
    }

    #[test]
    fn who_waits_for_the_disk_may_take_as_long_as_it() {
        check(Bound::CeilingOrFlushes(3.0), &[(150.0, 10.0)], Some(1.0), true);
        check(Bound::CeilingOrFlushes(3.0), &[(180.0, 10.0)], Some(1.2), false);
        check(Bound::CeilingOrFlushes(3.0), &[(180.0, 200.0)], Some(0.9), true);
    }

    #[test]
    fn a_row_without_a_pair_does_not_hold() {
        check(Bound::Ceiling(1.0), &[], None, false);
        check(Bound::Ceiling(1.0), &[(0.0, 0.0)], None, false);
    }

    #[test]
    fn every_row_is_about_a_load_that_exists() {
        for row in rows() {
            let found = CASES.iter().copied().flatten().filter(|case| case.name == row.case);
            assert_eq!(found.count(), 1, "{}", row.case);
        }
    }
}
