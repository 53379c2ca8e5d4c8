//! Which cells are measured, in which order.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::flush;
use crate::load::Case;
use crate::measure::{Measure, Sample};
use crate::process::{Program, Running};
use crate::results::{Cell, Results};
use crate::scale::Scale;

/// A load, and the programs that it is put on.
pub(crate) struct Step {
    pub(crate) case: &'static Case,
    /// Their numbers.
    pub(crate) programs: Vec<usize>,
}

/// Everything that is measured.
pub(crate) struct Plan<'a> {
    pub(crate) steps: Vec<Step>,
    pub(crate) programs: &'a [Program],
    pub(crate) scale: &'a Scale,
    pub(crate) folder: Option<&'a Path>,
    pub(crate) repetitions: usize,
}

/// Where a cell is measured.
pub(crate) struct Place<'a> {
    pub(crate) program: &'a Program,
    pub(crate) scale: &'a Scale,
    folder: Option<&'a Path>,
}

impl<'a> Place<'a> {
    pub(crate) fn new(program: &'a Program, scale: &'a Scale, folder: Option<&'a Path>) -> Self {
        Self { program, scale, folder }
    }

    /// Starts the program with an empty store.
    pub(crate) fn start(&self) -> anyhow::Result<Running> {
        self.program.start_in(self.empty()?)
    }

    fn empty(&self) -> anyhow::Result<TempDir> {
        let made = self.folder.map_or_else(tempfile::tempdir, tempfile::tempdir_in);
        made.context("cannot make a folder for the store")
    }
}

impl Plan<'_> {
    pub(crate) fn cases(&self) -> Vec<&'static Case> {
        self.steps.iter().map(|step| step.case).collect()
    }

    /// Measures what is not there yet. `false` if the time was over first.
    pub(crate) fn carry_out(
        &self,
        results: &mut Results,
        deadline: Option<Instant>,
        progress: &mut dyn Write,
    ) -> anyhow::Result<bool> {
        let cells = self.missing(results);
        let seconds: f64 = cells.iter().map(|(step, ..)| step.case.estimate(self.scale)).sum();
        writeln!(progress, "{} cells, about {:.0} minutes", cells.len(), (seconds / 60.0).ceil())?;
        let count = cells.len();
        for (index, (step, program, repetition)) in cells.into_iter().enumerate() {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
            let (case, program) = (step.case, &self.programs[program]);
            let measures = self
                .measure(case, program)
                .with_context(|| format!("{} on {}", case.name, program.name))?;
            let shown = measures.iter().fold(String::new(), |mut text, (measure, value)| {
                let _ = write!(text, ", {} {}", measure.label(), measure.show(*value));
                text
            });
            let (case, program) = (case.name.to_owned(), program.name.clone());
            writeln!(progress, "[{}/{count}] {case}: {program}{shown}", index + 1)?;
            results.add(Cell { case, program, repetition, measures })?;
        }
        Ok(true)
    }

    /// Cells in their order. The order of programs changes, so that nobody always comes first.
    fn missing(&self, results: &Results) -> Vec<(&Step, usize, usize)> {
        let mut cells = Vec::new();
        for repetition in 0..self.repetitions {
            for step in &self.steps {
                for turn in 0..step.programs.len() {
                    let program = step.programs[(turn + repetition) % step.programs.len()];
                    if !results.has(step.case.name, &self.programs[program].name, repetition) {
                        cells.push((step, program, repetition));
                    }
                }
            }
        }
        cells
    }

    fn measure(&self, case: &Case, program: &Program) -> anyhow::Result<Sample> {
        let place = Place::new(program, self.scale, self.folder);
        let mut flushes = Sample::new();
        if case.durable {
            flush::measure(place.empty()?.path(), self.scale.flushes, &mut flushes)?;
        }
        let mut measures = (case.run)(&place)?;
        measures.append(&mut flushes);
        if let Some((measure, value)) = measures.iter().find(|(_, value)| !value.is_finite()) {
            bail!("{} is {value}", measure.label());
        }
        debug_assert!(measures.keys().any(|measure| *measure != Measure::FlushP50Us));
        Ok(measures)
    }
}

/// Refuses a folder that is in memory: a sync there means nothing.
pub(crate) fn check_folder(folder: Option<&Path>) -> anyhow::Result<()> {
    const TMPFS: u64 = 0x0102_1994; // TMPFS_MAGIC of statfs(2)
    let folder = folder.map_or_else(std::env::temp_dir, Path::to_path_buf);
    let found = rustix::fs::statfs(&folder)
        .with_context(|| format!("cannot look at {}", folder.display()))?;
    if u64::try_from(found.f_type).is_ok_and(|kind| kind == TMPFS) {
        bail!("{} is in memory: name a folder on a disk with --folder", folder.display());
    }
    Ok(())
}
