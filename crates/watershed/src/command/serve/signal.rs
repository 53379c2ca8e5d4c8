//! `--signal COMMAND[=PROCESS]`: tells a server that runs what to do.

use std::path::Path;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Sends what `text` asks for. Without a process it goes to the only server of this name that runs.
pub(super) fn send(text: &str) -> anyhow::Result<()> {
    let (command, process) = match text.split_once('=') {
        Some((command, process)) => (command, Some(process)),
        None => (text, None),
    };
    let signal = match command {
        "ldm" => Signal::USR2,
        "reload" => Signal::HUP,
        "reopen" => Signal::USR1,
        "quit" => Signal::INT,
        "stop" => Signal::KILL,
        "term" => Signal::TERM,
        _ => bail!(
            "unknown signal `{command}`: `ldm`, `reload`, `reopen`, `quit`, `stop` and `term` are known"
        ),
    };
    let number = match process.filter(|text| !text.is_empty()) {
        Some(text) => number(text)?,
        None => the_only_one()?,
    };
    let pid = Pid::from_raw(number).with_context(|| format!("invalid process {number}"))?;
    kill_process(pid, signal).with_context(|| format!("cannot signal process {number}"))
}

/// A process's number, or what stands in the file of that name.
fn number(text: &str) -> anyhow::Result<i32> {
    let read = |text: &str| text.trim().parse::<i32>().ok().filter(|number| *number > 0);
    if let Some(number) = read(text) {
        return Ok(number);
    }
    let found = std::fs::read_to_string(text).with_context(|| format!("cannot read {text}"))?;
    read(&found).with_context(|| format!("{text} holds no process's number"))
}

/// The one other process that runs this program under the name of a server.
fn the_only_one() -> anyhow::Result<i32> {
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("cannot list processes")?.flatten() {
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if number != own && is_server(&entry.path()) {
            found.push(number);
        }
    }
    match found.as_slice() {
        [one] => Ok(i32::try_from(*one)?),
        [] => bail!("no nats-server runs"),
        _ => bail!("more than one nats-server runs: name one, as in `--signal reload=4711`"),
    }
}

fn is_server(process: &Path) -> bool {
    let words = std::fs::read(process.join("cmdline")).unwrap_or_default();
    let first = words.split(|byte| *byte == 0).next().unwrap_or_default();
    Path::new(&*String::from_utf8_lossy(first)).file_name() == Some("nats-server".as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_a_number_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        std::fs::write(&path, "4711\n").unwrap();
        assert_eq!(number("12").unwrap(), 12);
        assert_eq!(number(path.to_str().unwrap()).unwrap(), 4711);
        std::fs::write(&path, "x").unwrap();
        for wrong in ["-1", "0", path.to_str().unwrap()] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn unknown_signals_are_refused() {
        assert!(send("dance=1").unwrap_err().to_string().starts_with("unknown signal `dance`"));
    }
}
