//! Commands of the real `nats` tool, on this server and on nats-server: they print the same, but for what is said
//! beside them (`tests/commands`).
//!
//! A run of the tests plays some scenarios beside the reference. `WATERSHED_COMMANDS=.` plays those whose name
//! has it, beside 2.14 and 2.15, and prints a table.

mod normal;
mod play;
mod script;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use similar::{Algorithm, ChangeTag, capture_diff_slices};

use play::Who;
use script::{Scenario, Step};

/// Scenarios that take little time.
const QUICK: [&str; 1] = ["groups"];

/// Releases of nats-server whose commands are compared.
const RELEASES: [&str; 2] = ["2.14.", "2.15."];

/// How often a scenario is played until it is the same: on a busy machine the threads of a server race.
const ATTEMPTS: usize = 3;

/// What a comparison came to.
#[derive(Default)]
struct Compared {
    commands: usize,
    lines: usize,
    /// Commands with a difference that is explained.
    explained: usize,
    /// Where the explanations stand that were needed.
    used: BTreeSet<usize>,
    unexplained: Vec<String>,
}

fn scenarios() -> Vec<Scenario> {
    script::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands"))
}

/// Lines that one has and the other has not.
fn differing(left: &[String], right: &[String]) -> Vec<(char, String)> {
    let operations = capture_diff_slices(Algorithm::Myers, left, right);
    let changes = operations.iter().flat_map(|operation| operation.iter_changes(left, right));
    changes
        .filter_map(|change| match change.tag() {
            ChangeTag::Equal => None,
            ChangeTag::Delete => Some(('-', change.value())),
            ChangeTag::Insert => Some(('+', change.value())),
        })
        .collect()
}

/// Compares what this server's users see with what a peer's do. What another release of the peer has otherwise
/// as well (`known`) does not count as a difference of this server.
fn compare(
    scenario: &Scenario,
    own: &[Vec<String>],
    peer: &[Vec<String>],
    known: &[Vec<String>],
) -> Compared {
    let mut compared = Compared::default();
    for (index, step) in scenario.steps.iter().enumerate() {
        let (own, peer, known) = (&own[index], &peer[index], &known[index]);
        compared.lines += peer.len();
        compared.commands += usize::from(step.is_command());
        let between: BTreeSet<_> = differing(known, peer).into_iter().collect();
        let mut different = differing(peer, own);
        different.retain(|(side, line)| {
            let other = if *side == '-' { '+' } else { '-' };
            !between.contains(&(other, line.clone()))
        });
        if different.is_empty() {
            continue;
        }
        let reasons = || step.differences.iter().chain(&scenario.everywhere);
        let mut left = String::new();
        for (side, line) in different {
            match reasons().find(|reason| reason.lines.is_match(&line)) {
                Some(reason) => {
                    compared.used.insert(reason.line);
                }
                None => writeln!(left, "    {side} {line}").unwrap(),
            }
        }
        if left.is_empty() {
            compared.explained += 1;
        } else {
            let Step { line, text, .. } = step;
            compared.unexplained.push(format!("{}.txt:{line}: {text}\n{left}", scenario.name));
        }
    }
    compared
}

/// Plays a scenario on this server and on the peers, the first of which is the reference.
fn attempt(scenario: &Scenario, peers: &[PathBuf]) -> Vec<Compared> {
    std::thread::scope(|scope| {
        let own = scope.spawn(|| play::play(scenario, Who::Own));
        let peers = peers.iter().map(|peer| scope.spawn(|| play::play(scenario, Who::Peer(peer))));
        let peers: Vec<_> =
            peers.collect::<Vec<_>>().into_iter().map(|one| one.join().unwrap()).collect();
        let own = own.join().unwrap();
        peers.iter().map(|peer| compare(scenario, &own, peer, &peers[0])).collect()
    })
}

/// The same, until nothing is unexplained.
fn settled(scenario: &Scenario, peers: &[PathBuf]) -> Vec<Compared> {
    let mut attempts = ATTEMPTS;
    loop {
        let compared = attempt(scenario, peers);
        attempts -= 1;
        if attempts == 0 || compared.iter().all(|one| one.unexplained.is_empty()) {
            return compared;
        }
    }
}

#[test]
#[cfg_attr(
    not(all(peer = "nats", peer = "nats-server")),
    ignore = "needs the nats tool and nats-server: see .ci/peers"
)]
fn commands_print_the_same() {
    let peers = [watershed_peers::nats_server()];
    let scenarios = scenarios();
    let quick = scenarios.iter().filter(|scenario| QUICK.contains(&scenario.name.as_str()));
    let all = quick.flat_map(|scenario| settled(scenario, &peers));
    let unexplained: Vec<_> = all.flat_map(|compared| compared.unexplained).collect();
    assert!(unexplained.is_empty(), "- nats-server, + watershed:\n{}", unexplained.join("\n"));
}

/// All of them, and a table of what came out.
#[test]
#[cfg_attr(
    not(all(peer = "nats", peer = "nats-server")),
    ignore = "needs the nats tool and nats-server: see .ci/peers"
)]
fn all_commands() {
    let Ok(pattern) = std::env::var("WATERSHED_COMMANDS") else { return };
    let named = |path: &Path| path.parent()?.file_name()?.to_str().map(str::to_owned);
    let is_recent = |path: &PathBuf| {
        named(path).is_some_and(|name| RELEASES.iter().any(|release| name.starts_with(release)))
    };
    let peers: Vec<_> = watershed_peers::nats_servers().into_iter().filter(is_recent).collect();
    let mut unexplained = Vec::new();
    let mut reasons = BTreeSet::new();
    println!("table | scenario | beside | commands | lines | explained | not explained |");
    println!("table |---|---|--:|--:|--:|--:|");
    for scenario in scenarios().iter().filter(|one| one.name.contains(pattern.trim_matches('.'))) {
        for (compared, peer) in settled(scenario, &peers).into_iter().zip(&peers) {
            let Compared { commands, lines, explained, used, unexplained: left } = compared;
            let (about, beside) = (&scenario.about, named(peer).unwrap_or_default());
            let count = left.len();
            println!("table | {about} | {beside} | {commands} | {lines} | {explained} | {count} |");
            let all = scenario.steps.iter().flat_map(|step| &step.differences);
            let used = all.chain(&scenario.everywhere).filter(|one| used.contains(&one.line));
            reasons.extend(used.map(|one| one.reason.clone()));
            unexplained.extend(left.into_iter().map(|one| format!("{beside}: {one}")));
        }
    }
    for reason in reasons {
        println!("reason {reason}");
    }
    assert!(unexplained.is_empty(), "- nats-server, + watershed:\n{}", unexplained.join("\n"));
}
