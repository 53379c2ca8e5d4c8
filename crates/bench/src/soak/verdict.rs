//! Whether what was looked at stayed as it is.

use std::io::Write;

use super::Look;
use crate::Outcome;
use crate::measure::Measure;
use crate::stats::median;

/// Looks that a verdict needs: three for each third.
const LOOKS_MIN: usize = 9;

/// A figure, and how much larger its last third may be than its first.
type Row = (&'static str, Measure, fn(&Look) -> f64, f64);

/// Memory and the store have bounds that do not depend on time. A disk has better and worse minutes,
/// whatever is written to it: its times may be half as long again.
const ROWS: [Row; 3] = [
    ("memory", Measure::ResidentBytes, |look| look.resident_bytes, 1.1),
    ("on disk", Measure::DiskBytes, |look| look.disk_bytes, 1.1),
    ("p99", Measure::P99Us, |look| look.p99_us, 1.5),
];

/// Prints how each figure changed. The first fifth is not looked at: streams fill up.
pub(super) fn print(looks: &[Look], out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let looks = &looks[looks.len() / 5..];
    if looks.len() < LOOKS_MIN {
        writeln!(out, "not flat: {} looks are too few to say so", looks.len())?;
        return Ok(Outcome::Missed);
    }
    writeln!(
        out,
        "| | first third | last third | ratio | at most | flat |\n|---|---|---|---|---|---|"
    )?;
    let mut flat = true;
    for (name, measure, value, bound) in ROWS {
        let (first, last) = thirds(looks, value);
        let ratio = last / first;
        let good = ratio <= bound;
        flat &= good;
        let (first, last) = (measure.show(first), measure.show(last));
        let good = if good { "yes" } else { "**no**" };
        writeln!(out, "| {name} | {first} | {last} | {ratio:.2} | {bound} | {good} |")?;
    }
    writeln!(out, "\n{}", if flat { "flat" } else { "not flat" })?;
    Ok(if flat { Outcome::Complete } else { Outcome::Missed })
}

/// Medians of the first and of the last third.
fn thirds(looks: &[Look], value: fn(&Look) -> f64) -> (f64, f64) {
    let values: Vec<f64> = looks.iter().map(value).collect();
    let third = values.len() / 3;
    let of = |part: &[f64]| median(part).unwrap_or(f64::NAN);
    (of(&values[..third]), of(&values[values.len() - third..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(resident_bytes: impl Fn(f64) -> f64) -> Vec<Look> {
        let look = |index: u32| {
            let seconds = f64::from(index) * 10.0;
            let resident_bytes = resident_bytes(seconds);
            Look { seconds, resident_bytes, disk_bytes: 5.0, p99_us: 7.0, rate: 1.0, consumed: 1.0 }
        };
        (1..=60).map(look).collect()
    }

    fn check(outcome: Outcome, looks: &[Look]) {
        assert_eq!(print(looks, &mut Vec::new()).unwrap(), outcome, "{looks:?}");
    }

    #[test]
    fn what_grows_is_not_flat() {
        check(Outcome::Complete, &looks(|_| 100.0));
        // It fills up first.
        check(Outcome::Complete, &looks(|seconds| if seconds < 110.0 { seconds } else { 110.0 }));
        // It goes up and down.
        check(Outcome::Complete, &looks(|seconds| 100.0 + seconds % 30.0));
        check(Outcome::Missed, &looks(|seconds| 100.0 + seconds));
    }

    #[test]
    fn a_few_looks_prove_nothing() {
        check(Outcome::Missed, &looks(|_| 100.0)[..9]);
    }
}
