//! Medians, ranges and ratios, as tables in Markdown.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use crate::load::{Case, Group};
use crate::measure::{Measure, micros, short};
use crate::process::Program;
use crate::results::Results;
use crate::stats::{median, sorted};

/// Prints what there is of these cases.
pub(crate) fn print(
    programs: &[Program],
    cases: &[&Case],
    results: &Results,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
    let of = |group: Group| cases.iter().filter(move |case| case.group == group).copied();
    let report = Report { names: &names, results };
    let loads: Vec<&Case> = of(Group::Load).collect();
    if !loads.is_empty() {
        report.loads(out, &loads)?;
    }
    let figures: Vec<&Case> = of(Group::Figure).chain(of(Group::HeldUp)).collect();
    if !figures.is_empty() {
        report.figures(out, &figures)?;
    }
    Ok(())
}

struct Report<'a> {
    /// Of the programs; ours is the first.
    names: &'a [&'a str],
    results: &'a Results,
}

impl Report<'_> {
    /// Rate as median (range) · processor time per message · latencies, then this server over each peer.
    fn loads(&self, out: &mut dyn Write, cases: &[&Case]) -> io::Result<()> {
        write!(out, "| load | {} | fdatasync p50 / p99 |", self.names.join(" | "))?;
        for peer in &self.names[1..] {
            write!(out, " rate ÷ {peer} | CPU ÷ {peer} | p99 ÷ {peer} |")?;
        }
        writeln!(out, "\n|---|{}", "---|".repeat(self.names.len() * 4 - 2))?;
        for case in cases {
            write!(out, "| {} |", case.name)?;
            for name in self.names {
                write!(out, " {} |", self.load(case.name, name))?;
            }
            write!(out, " {} |", self.flushes(case.name))?;
            for peer in &self.names[1..] {
                for measure in [Measure::Rate, Measure::CpuUs, Measure::P99Us] {
                    write!(out, " {} |", self.ratio(case.name, peer, measure))?;
                }
            }
            writeln!(out)?;
        }
        writeln!(out)
    }

    fn load(&self, case: &str, program: &str) -> String {
        let rates = sorted(&self.results.values(case, program, Measure::Rate));
        let (Some(rate), Some(first), Some(last)) = (median(&rates), rates.first(), rates.last())
        else {
            return "–".into();
        };
        let median = |measure| median(&self.results.values(case, program, measure));
        let mut text = format!("{} ({}–{})", short(rate), short(*first), short(*last));
        if let Some(cpu) = median(Measure::CpuUs) {
            let _ = write!(text, " · {}", Measure::CpuUs.show(cpu));
        }
        let latencies = [Measure::P50Us, Measure::P99Us, Measure::P999Us].map(median);
        if let [Some(p50), Some(p99), Some(p999)] = latencies.map(|time| time.map(micros)) {
            let _ = write!(text, " · {p50}, {p99}, {p999}");
        }
        text
    }

    /// Of all servers: it is the same disk.
    fn flushes(&self, case: &str) -> String {
        let all = |measure| -> Vec<f64> {
            self.results.of_case(case).filter_map(|sample| sample.get(&measure).copied()).collect()
        };
        match (median(&all(Measure::FlushP50Us)), median(&all(Measure::FlushP99Us))) {
            (Some(p50), Some(p99)) => format!("{} / {}", micros(p50), micros(p99)),
            _ => "–".into(),
        }
    }

    /// A row for each figure of a case.
    fn figures(&self, out: &mut dyn Write, cases: &[&Case]) -> io::Result<()> {
        write!(out, "| | {} |", self.names.join(" | "))?;
        for peer in &self.names[1..] {
            write!(out, " ÷ {peer} |")?;
        }
        writeln!(out, "\n|---|{}", "---|".repeat(self.names.len() * 2 - 1))?;
        for case in cases {
            let samples = self.results.of_case(case.name);
            let measures: BTreeSet<Measure> =
                samples.flat_map(|sample| sample.keys().copied()).collect();
            for measure in measures {
                write!(out, "| {}: {} |", case.name, measure.label())?;
                for name in self.names {
                    let value = median(&self.results.values(case.name, name, measure));
                    let shown = value.map_or("–".into(), |value| measure.show(value));
                    write!(out, " {shown} |")?;
                }
                for peer in &self.names[1..] {
                    write!(out, " {} |", self.ratio(case.name, peer, measure))?;
                }
                writeln!(out)?;
            }
        }
        writeln!(out)
    }

    fn ratio(&self, case: &str, peer: &str, measure: Measure) -> String {
        let of = |name: &str| median(&self.results.values(case, name, measure));
        match (of(self.names[0]), of(peer)) {
            // What an operation adds may be nothing; a quotient of it says nothing.
            (Some(ours), Some(peers)) if peers > 0.0 && measure != Measure::AddedP99Us => {
                format!("{:.2}", ours / peers)
            }
            _ => "–".into(),
        }
    }
}
