//! Checks of the tree: `cargo xtask ci` is what CI runs, `cargo xtask tidy` the fast part of it.

mod loops;
mod modules;
mod suite;
mod tidy;

use std::process::Command;

use anyhow::{Context as _, bail};

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy::run(),
        Some("ci") => ci(),
        _ => bail!("usage: cargo xtask ci | tidy"),
    }
}

/// Everything that must pass before a change lands, cheapest first.
fn ci() -> anyhow::Result<()> {
    tidy::run()?;
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // An embedded server without monitoring needs no async runtime.
    let bare = ["-p", "watershed-server", "--no-default-features"];
    cargo(&[&["clippy"], bare.as_slice(), &["--", "-D", "warnings"]].concat())?;
    without_runtime(&bare)?;
    suite::run()
}

/// Fails where a package leads to an async runtime.
fn without_runtime(package: &[&str]) -> anyhow::Result<()> {
    let tree = ["tree", "-e", "normal", "--prefix", "none", "--format", "{p}"];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(tree).args(package).output()?;
    let tree = String::from_utf8(output.stdout).context("`cargo tree` prints names")?;
    if !output.status.success() || !tree.starts_with("watershed-server") {
        bail!("cargo tree failed: {}", output.status);
    }
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let runtimes = ["axum", "hyper", "tokio"];
    match tree.lines().map(name).find(|name| runtimes.contains(&name.as_str())) {
        Some(name) => bail!("watershed-server needs {name} without the feature `monitoring`"),
        None => Ok(()),
    }
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(arguments).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo {} failed: {status}", arguments.join(" "));
    }
    Ok(())
}
