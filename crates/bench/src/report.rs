//! Medians, ranges and ratios, as a table in Markdown.

use std::io::Write as _;

use crate::load::{Case, Sample};
use crate::process::Program;

/// Samples by case and program.
pub(crate) struct Report {
    programs: Vec<String>,
    rows: Vec<(&'static str, Vec<Vec<Sample>>)>,
}

impl Report {
    pub(crate) fn new(programs: &[Program], cases: &[&Case]) -> Self {
        let programs: Vec<String> = programs.iter().map(|program| program.name.clone()).collect();
        let empty = vec![Vec::new(); programs.len()];
        let rows = cases.iter().map(|case| (case.name, empty.clone())).collect();
        Self { programs, rows }
    }

    pub(crate) fn add(&mut self, case: &str, program: usize, sample: Sample) {
        if let Some((_, columns)) = self.rows.iter_mut().find(|(name, _)| *name == case) {
            columns[program].push(sample);
        }
    }

    /// Rate as median (range) · processor time per message, then this server over each peer.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        write!(out, "| load | {} |", self.programs.join(" | "))?;
        for peer in self.programs.iter().skip(1) {
            write!(out, " rate ÷ {peer} | CPU ÷ {peer} |")?;
        }
        writeln!(out)?;
        let columns = self.programs.len() + (self.programs.len() - 1) * 2;
        writeln!(out, "|---|{}", "---|".repeat(columns))?;
        for (name, columns) in &self.rows {
            write!(out, "| {name} |")?;
            for samples in columns {
                let rates = sorted(samples, |sample| sample.rate);
                write!(
                    out,
                    " {} ({}–{}) · {:.2} µs |",
                    short(median(&rates)),
                    short(rates[0]),
                    short(rates[rates.len() - 1]),
                    median(&sorted(samples, |sample| sample.cpu_micros)),
                )?;
            }
            let ours = &columns[0];
            for peer in &columns[1..] {
                let ratio = |value: fn(&Sample) -> f64| {
                    median(&sorted(ours, value)) / median(&sorted(peer, value))
                };
                let (rate, cpu) = (ratio(|s| s.rate), ratio(|s| s.cpu_micros));
                write!(out, " **{rate:.2}** | {cpu:.2} |")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

fn sorted(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

fn short(rate: f64) -> String {
    match rate {
        1e6.. => format!("{:.2}M", rate / 1e6),
        1e4.. => format!("{:.0}k", rate / 1e3),
        1e3.. => format!("{:.1}k", rate / 1e3),
        _ => format!("{rate:.0}"),
    }
}
