//! All tests, and how many of them did not run.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Is set where `.ci/peers` was run: everything that tests compare with is there, then.
const PEERS: &str = "WATERSHED_NATS_SERVER";

/// Is set where `.ci/peers` found a browser as well, which not every machine has.
const BROWSER: &str = "WATERSHED_BROWSER";

/// How many tests run at a time, unless somebody says otherwise.
const THREADS: &str = "RUST_TEST_THREADS";

/// Tests at a time for each core: most of them wait for servers.
const TESTS_PER_CORE: usize = 3;

/// Runs all tests. Those that did not run are counted, and must be none where peers were set up.
pub(crate) fn run() -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = std::env::var_os(THREADS);
    let threads = threads.unwrap_or_else(|| (cores * TESTS_PER_CORE).to_string().into());
    let mut child = Command::new(cargo)
        .args(["test", "--workspace"])
        .env(THREADS, threads)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let output = child.stdout.take().context("cargo has no output")?;
    let mut ignored = Vec::new();
    let mut shown = std::io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read what cargo prints")?;
        let line = String::from_utf8_lossy(&line);
        writeln!(shown, "{line}")?;
        ignored.extend(ignored_test(&line));
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        bail!("cargo test --workspace failed: {status}");
    }
    writeln!(shown, "{}", summary(&ignored))?;
    let has_browser = std::env::var_os(BROWSER).is_some();
    let must_run = |test: &String| has_browser || !test.contains("needs a browser");
    if ignored.iter().any(must_run) && std::env::var_os(PEERS).is_some() {
        bail!("{PEERS} is set, so every test has to run: see .ci/peers");
    }
    Ok(())
}

/// The test that a line of output says was ignored, with the reason.
fn ignored_test(line: &str) -> Option<String> {
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    Some(match rest.strip_prefix(", ") {
        Some(reason) => format!("{name}: {reason}"),
        None => name.to_owned(),
    })
}

fn summary(ignored: &[String]) -> String {
    match ignored {
        [] => "every test ran".to_owned(),
        [one] => format!("1 test did not run:\n  {one}"),
        several => format!("{} tests did not run:\n  {}", several.len(), several.join("\n  ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_tests_are_counted() {
        let output = "running 3 tests\ntest a::b ... ok\ntest a::c ... ignored, needs x\n\
                      test d ... ignored\ntest result: ok. 1 passed; 0 failed; 2 ignored\n";
        let ignored: Vec<String> = output.lines().filter_map(ignored_test).collect();
        assert_eq!(ignored, ["a::c: needs x", "d"]);
        assert_eq!(summary(&ignored), "2 tests did not run:\n  a::c: needs x\n  d");
        assert_eq!(summary(&[]), "every test ran");
    }
}
