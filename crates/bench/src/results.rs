//! What was measured, a line of JSON a cell, kept in a file if there is one.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::measure::{Measure, Sample};
use crate::process::Program;
use crate::scale::Scale;

/// What must be the same for figures to belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Configuration {
    pub(crate) scale: Scale,
    /// Names, and checksums of the files.
    pub(crate) programs: Vec<(String, String)>,
}

impl Configuration {
    pub(crate) fn new(scale: &Scale, programs: &[Program]) -> Self {
        let pair = |program: &Program| (program.name.clone(), program.digest.clone());
        Self { scale: scale.clone(), programs: programs.iter().map(pair).collect() }
    }
}

/// One load on one server in one repetition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) case: String,
    pub(crate) program: String,
    pub(crate) repetition: usize,
    pub(crate) measures: Sample,
}

/// A line of the file; the first is the configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Run(Configuration),
    Cell(Cell),
}

/// All cells so far.
pub(crate) struct Results {
    pub(crate) configuration: Configuration,
    cells: Vec<Cell>,
    file: Option<File>,
}

impl Results {
    /// Reads what the file has, if there is one, and goes on behind it.
    pub(crate) fn open(path: Option<&Path>, configuration: &Configuration) -> anyhow::Result<Self> {
        let mut results =
            Self { configuration: configuration.clone(), cells: Vec::new(), file: None };
        let Some(path) = path else { return Ok(results) };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        results.load(file).with_context(|| format!("cannot go on with {}", path.display()))?;
        Ok(results)
    }

    fn load(&mut self, mut file: File) -> anyhow::Result<()> {
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // A line without its end was being written when the run was stopped.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        let mut lines = text[..whole].lines();
        let first = lines.next().map(serde_json::from_str::<Line>).transpose()?;
        self.file = Some(file);
        match first {
            None => return self.append(&Line::Run(self.configuration.clone())),
            Some(Line::Run(run)) if run == self.configuration => {}
            Some(Line::Run(_)) => bail!("it was measured with other programs or another scale"),
            Some(Line::Cell(_)) => bail!("its first line does not say what was measured"),
        }
        for line in lines {
            match serde_json::from_str(line)? {
                Line::Cell(cell) => self.cells.push(cell),
                Line::Run(_) => bail!("two runs are in it"),
            }
        }
        Ok(())
    }

    pub(crate) fn has(&self, case: &str, program: &str, repetition: usize) -> bool {
        let same = |cell: &Cell| (&*cell.case, &*cell.program) == (case, program);
        self.cells.iter().any(|cell| same(cell) && cell.repetition == repetition)
    }

    pub(crate) fn add(&mut self, cell: Cell) -> anyhow::Result<()> {
        self.append(&Line::Cell(cell.clone()))?;
        self.cells.push(cell);
        Ok(())
    }

    fn append(&mut self, line: &Line) -> anyhow::Result<()> {
        if let Some(file) = &mut self.file {
            let text = format!("{}\n", serde_json::to_string(line)?);
            file.write_all(text.as_bytes()).context("cannot write results")?;
        }
        Ok(())
    }

    /// Values of one figure, in the order of the repetitions.
    pub(crate) fn values(&self, case: &str, program: &str, measure: Measure) -> Vec<f64> {
        self.samples(case, program)
            .filter_map(|(_, sample)| sample.get(&measure).copied())
            .collect()
    }

    /// What was measured on one server, with the repetition.
    pub(crate) fn samples<'a>(
        &'a self,
        case: &'a str,
        program: &'a str,
    ) -> impl Iterator<Item = (usize, &'a Sample)> {
        let same = move |cell: &&Cell| cell.case == case && cell.program == program;
        self.cells.iter().filter(same).map(|cell| (cell.repetition, &cell.measures))
    }

    /// What was measured on all servers.
    pub(crate) fn of_case<'a>(&'a self, case: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.cells.iter().filter(move |cell| cell.case == case).map(|cell| &cell.measures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(digest: &str) -> Configuration {
        Configuration {
            scale: Scale::smoke(),
            programs: vec![("watershed".into(), digest.to_owned())],
        }
    }

    fn cell(repetition: usize) -> Cell {
        let measures = Sample::from([(Measure::Rate, 2.5), (Measure::P99Us, 7.0)]);
        Cell { case: "load".into(), program: "watershed".into(), repetition, measures }
    }

    #[test]
    fn a_run_goes_on_where_it_was_stopped_in_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        let open = || Results::open(Some(&path), &configuration("a"));
        let mut results = open().unwrap();
        results.add(cell(0)).unwrap();
        results.add(cell(1)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 20]).unwrap();
        let mut results = open().unwrap();
        assert!(results.has("load", "watershed", 0));
        assert!(!results.has("load", "watershed", 1));
        results.add(cell(1)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_eq!(open().unwrap().values("load", "watershed", Measure::Rate), [2.5, 2.5]);
    }

    #[test]
    fn figures_of_another_build_are_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        Results::open(Some(&path), &configuration("a")).unwrap();
        let error = Results::open(Some(&path), &configuration("b")).err().unwrap();
        assert!(format!("{error:#}").contains("other programs"), "{error:#}");
    }
}
