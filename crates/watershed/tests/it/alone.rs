//! Two runs at one account: one after the other, and neither is half of what it should be.

use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use watershed_peers::{NatsServer, nats_servers};

use crate::proxy::{Gate, Proxy};
use crate::server::{PATIENCE, Running, run, succeed, watershed, write};

fn file(name: &str, days: u32, deliveries: u32) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "watershed: 1\nname: {name}\nstreams:\n  S: {{ subjects: [a.>], max_age: {days}d, consumers: {{ c: {{ max_deliver: {deliveries} }} }} }}\n"
    );
    let path = write(&folder, &text);
    (folder, path)
}

/// Writes a lock of somebody else's.
fn hold(url: &str, process: &str) {
    let holder = format!(
        r#"{{"run":"r","topology":"shop","by":"ann@laptop","since":"2026-01-01T10:00:00Z","process":"{process}"}}"#
    );
    succeed(&["pub", "-s", url, "$KV.watershed.apply", &holder]);
}

fn check(url: &str) {
    let (_first, first) = file("x", 3, 7);
    succeed(&["apply", "--yes", "-s", url, &first]);
    // It is nobody's topology's, and given back.
    assert!(!succeed(&["import", "-s", url]).contains("KV_watershed"));
    assert!(!succeed(&["plan", "-s", url, &first]).contains("KV_watershed"));
    let (_other, other) = file("x", 1, 3);
    succeed(&["apply", "--yes", "--lock-wait", "0s", "-s", url, &other]);

    hold(url, "elsewhere/1");
    let begun = Instant::now();
    let ran = run(&["apply", "--yes", "--lock-wait", "1s", "-s", url, &first]);
    assert_eq!(ran.code, Some(5), "{}{}", ran.out, ran.err);
    insta::allow_duplicates! { insta::assert_snapshot!(ran.err.trim(), @"
    waiting: `shop` is being applied by ann@laptop since 2026-01-01T10:00:00Z
    error: refused, and nothing was changed: `shop` is being applied by ann@laptop since 2026-01-01T10:00:00Z
    "); }
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(run(&["plan", "-s", url, &first]).code, Some(3));

    // Whose process is gone, on this machine, is not waited for.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    if let (Ok(boot), Ok(space)) = (boot, std::fs::read_link("/proc/self/ns/pid")) {
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        let id = ended.id();
        ended.wait().unwrap();
        hold(url, &format!("{}/{}/{id}", boot.trim(), space.display()));
        succeed(&["apply", "--yes", "--lock-wait", "0s", "-s", url, &first]);
        succeed(&["verify", "-s", url, &first]);
    }
    races(url);
}

/// Different plans at the same time: one is carried out, and then the other or nothing of it.
fn races(url: &str) {
    let rounds = std::env::var("WATERSHED_RACES").map_or(3, |count| count.parse().unwrap());
    let files = [file("x", 1, 3), file("x", 2, 5)];
    let (_base, base) = file("x", 4, 9);
    let (mut ends, mut late_rounds) = ([0; 2], 0);
    // A machine that stands still for longer than the lock lasts loses it: a run that says so has stopped rightly.
    let late = "the lock could not be held: the server does not answer";
    for round in 0..rounds {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ran = run(&["apply", "--yes", "--allow-loss", "all", "-s", url, &base]);
            if ran.code == Some(0) {
                break;
            }
            let said = format!("{round}: {}{}", ran.out, ran.err);
            assert!(ran.err.contains(late) && Instant::now() < deadline, "{said}");
        }
        let all = files.each_ref().map(|(_, file)| {
            let mut command =
                watershed(&["apply", "--yes", "--allow-loss", "all", "-s", url, file]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        });
        let (mut told, mut is_late) = (String::new(), false);
        for running in all {
            let ran = running.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&ran.stderr);
            told = format!("{told}\n{:?} {said}", ran.status.code());
            match ran.status.code() {
                Some(0) => {}
                Some(5) if said.contains(late) => is_late = true,
                Some(5) => assert!(said.contains(" since"), "{round}: {said}"),
                code => panic!("{round}: {code:?} {said}"),
            }
        }
        let verified = files.each_ref().map(|(_, file)| run(&["verify", "-s", url, file]).code);
        match verified {
            [Some(0), Some(3)] => ends[0] += 1,
            [Some(3), Some(0)] => ends[1] += 1,
            // The next run of either goes on.
            _ if is_late => late_rounds += 1,
            codes => panic!("{url} {round}: {codes:?}: a mixture{told}"),
        }
    }
    assert!(late_rounds * 2 <= rounds, "{late_rounds} of {rounds} were too late");
    let _ = writeln!(std::io::stdout(), "{url}: {rounds} races: {ends:?}");
}

#[test]
fn one_run_at_a_time_on_this_server() {
    let store = tempfile::tempdir().unwrap();
    check(&Running::start(store.path()).url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn one_run_at_a_time_on_real_servers() {
    for program in nats_servers() {
        check(&NatsServer::start(&program).url);
    }
}

#[test]
fn who_may_not_take_the_lock_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("server.conf");
    let users = r#"jetstream {}
authorization { users: [ { user: u, password: secret, permissions: { publish: { deny: ["$KV.>", "$JS.API.STREAM.CREATE.KV_watershed"] } } } ] }"#;
    std::fs::write(&config, users).unwrap();
    let store = folder.path().join("store");
    let arguments = ["--config", config.to_str().unwrap(), "--store_dir", store.to_str().unwrap()];
    let server = Running::serve(&arguments, &[]);
    let url = server.url().replace("nats://", "nats://u:secret@");
    let (_file, file) = file("x", 1, 3);
    let ran = run(&["apply", "--yes", "-s", &url, &file]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    insta::assert_snapshot!(ran.err.lines().next().unwrap(), @"note: nothing keeps others from applying at the same time, because the lock cannot be taken: user `u` may not publish to `$KV.watershed.apply`: connect as a user who may, or allow it where the server's users are configured");
}

/// Presses Ctrl-C.
pub(crate) fn interrupt(running: &Child) {
    let id = running.id().to_string();
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-s", "INT", &id]).status().unwrap().success());
}

/// Ctrl-C in the middle gives the lock back, and the next run goes on.
#[test]
fn an_interrupted_run_gives_the_lock_back() {
    let store = tempfile::tempdir().unwrap();
    let server = Running::start(store.path());
    let gate = Gate { request: "$JS.API.CONSUMER.CREATE", count: 2 };
    let proxy = Proxy::gated(server.address, gate);
    let (_file, file) = file("x", 1, 3);
    let mut command = watershed(&["apply", "--yes", "-s", &proxy.url, &file]);
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while proxy.count("$JS.API.CONSUMER.CREATE") == 0 {
        assert_eq!(running.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    interrupt(&running);
    let ran = running.wait_with_output().unwrap();
    // By the signal.
    assert_eq!(ran.status.code(), None);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("interrupted; what was done stays: apply again to go on"), "{said}");
    succeed(&["apply", "--yes", "--lock-wait", "0s", "-s", &server.url(), &file]);
}
