//! Whether rows hold over several runs: one run on a machine that others use proves little.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::Outcome;
use crate::targets::Verdicts;

/// What became of a row in every run.
#[derive(Debug, Default)]
struct Tally {
    held: usize,
    medians: Vec<String>,
}

impl Tally {
    /// Four of five, in whole runs.
    fn needed(runs: usize) -> usize {
        (runs * 4).div_ceil(5)
    }
}

/// Reads what `--json` wrote. A row holds when it does in four of five runs; a run without it counts as
/// one in which it does not.
pub(crate) fn run(paths: &[PathBuf], out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let mut runs = Vec::new();
    for path in paths {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let run: Verdicts = serde_json::from_slice(&text)
            .with_context(|| format!("{} was not written by --json", path.display()))?;
        runs.push(run);
    }
    if runs.windows(2).any(|pair| pair[0].configuration != pair[1].configuration) {
        bail!("the runs measured different programs, or with another scale");
    }
    let tallies = tally(&runs);
    let needed = Tally::needed(runs.len());
    writeln!(out, "| row | medians | held in | holds |\n|---|---|---|---|")?;
    let mut missed = 0;
    for ((name, against), row) in &tallies {
        let holds = row.held >= needed;
        missed += usize::from(!holds);
        let (medians, holds) = (row.medians.join(", "), if holds { "yes" } else { "**no**" });
        writeln!(
            out,
            "| {name}, against {against} | {medians} | {} of {} | {holds} |",
            row.held,
            runs.len()
        )?;
    }
    writeln!(out, "\n{} of {} rows hold", tallies.len() - missed, tallies.len())?;
    Ok(if missed == 0 && !tallies.is_empty() { Outcome::Complete } else { Outcome::Missed })
}

fn tally(runs: &[Verdicts]) -> BTreeMap<(String, String), Tally> {
    let mut tallies: BTreeMap<_, Tally> = BTreeMap::new();
    for row in runs.iter().flat_map(|run| &run.rows) {
        let tally = tallies.entry((row.name.clone(), row.against.clone())).or_default();
        tally.held += usize::from(row.holds);
        tally.medians.push(row.median.map_or("–".into(), |median| format!("{median:.2}")));
    }
    tallies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Measure;
    use crate::results::Configuration;
    use crate::scale::Scale;
    use crate::targets::Verdict;

    fn write(folder: &std::path::Path, number: usize, digest: &str, holds: bool) -> PathBuf {
        let row = Verdict {
            name: "row".into(),
            case: "case".into(),
            measure: Measure::Rate,
            against: "peer".into(),
            bound: "≥ 1".into(),
            ratios: vec![1.0],
            median: Some(1.0),
            holds,
        };
        let programs = vec![("watershed".into(), digest.into())];
        let configuration = Configuration { scale: Scale::smoke(), programs };
        let path = folder.join(format!("{number}.json"));
        let text = serde_json::to_string(&Verdicts { configuration, rows: vec![row] }).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_row_holds_when_it_does_in_four_of_five_runs() {
        let folder = tempfile::tempdir().unwrap();
        let judged = |held: [bool; 5]| {
            let write = |(number, holds)| write(folder.path(), number, "a", holds);
            run(&held.into_iter().enumerate().map(write).collect::<Vec<_>>(), &mut Vec::new())
                .unwrap()
        };
        assert_eq!(judged([true, true, false, true, true]), Outcome::Complete);
        assert_eq!(judged([true, false, false, true, true]), Outcome::Missed);
    }

    #[test]
    fn runs_of_different_programs_are_not_judged_together() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [write(folder.path(), 0, "a", true), write(folder.path(), 1, "b", true)];
        let error = run(&paths, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("different programs"), "{error}");
    }
}
