//! Plan, apply, verify, destroy: against this server, and against real ones where they are.

use std::path::Path;

use serde_json::Value;
use watershed_peers::{NatsServer, nats_server, nats_servers};

use crate::server::{EXAMPLES, Running, example, run, succeed, write};

/// A topology goes onto a server, stays, and leaves.
fn check(url: &str) {
    for name in EXAMPLES {
        let file = example(name);
        let plan = run(&["plan", "-s", url, &file]);
        assert_eq!(plan.code, Some(3), "{name}: {}{}", plan.out, plan.err);
        // Nobody is there to be asked.
        assert_eq!(run(&["apply", "-s", url, &file]).code, Some(2), "{name}");
        succeed(&["apply", "--yes", "-s", url, &file]);
        let again = succeed(&["apply", "-s", url, &file]);
        assert!(again.contains("nothing to do"), "{name}: {again}");
        succeed(&["plan", "-s", url, &file]);
        succeed(&["verify", "-s", url, &file]);
        succeed(&["destroy", "--yes", "-s", url, &file]);
        assert_eq!(run(&["verify", "-s", url, &file]).code, Some(3), "{name}");
    }
    changes(url);
    protected(url);
}

/// What is protected stays, whatever flags are given, until the file says otherwise.
fn protected(url: &str) {
    const FILE: &str = "watershed: 1\nname: kept\nstreams:\n  KEPT: { subjects: [kept.>], max_age: 1d, protect: true, consumers: { c: { protect: true }, d: {} } }\n";
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, FILE);
    let apply = |text: &str, flags: &[&str]| {
        write(&folder, text);
        let mut arguments = vec!["apply", "--yes", "-s", url];
        arguments.extend(flags);
        arguments.push(&file);
        run(&arguments)
    };
    assert_eq!(apply(FILE, &[]).code, Some(0));
    for (edit, flags) in [
        ("{ d: {} }", ["--prune"].as_slice()),
        ("{ c: { protect: true, ack_policy: all } }", &["--recreate", "all"]),
    ] {
        let text = FILE.replace("{ c: { protect: true }, d: {} }", edit);
        let ran = apply(&text, flags);
        assert_eq!(ran.code, Some(5), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains("it is protected: write `protect: false`"), "{}", ran.out);
    }
    let memory = FILE.replace("max_age: 1d, protect: true", "max_age: 1d, storage: memory");
    let ran = apply(&memory, &["--recreate", "all"]);
    assert!(ran.out.contains("its consumer `c` is protected"), "{}", ran.out);
    write(&folder, FILE);
    assert_eq!(run(&["destroy", "--yes", "-s", url, &file]).code, Some(5));
    assert_eq!(apply(&FILE.replace("protect: true", "protect: false"), &[]).code, Some(0));
    succeed(&["destroy", "--yes", "-s", url, &file]);
}

/// What changes is classed, refused and done by what it loses.
fn changes(url: &str) {
    const FILE: &str = "watershed: 1\nname: changing\nstreams:\n  CH: { subjects: [ch.>], max_age: 1d, consumers: { c: {}, d: {} } }\n";
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, FILE);
    succeed(&["apply", "--yes", "-s", url, &file]);
    for number in 0..4 {
        succeed(&["pub", "-s", url, "ch.x", &number.to_string()]);
    }
    let edited = FILE.replace("max_age: 1d", "max_age: 2d, max_msgs: 3, description: new");
    let edited = edited.replace("c: {}, d: {}", "c: { ack_policy: all }, e: { max_deliver: 3 }");
    write(&folder, &edited);
    let apply = |flags: &[&str]| {
        let mut arguments = vec!["apply", "--yes", "-s", url];
        arguments.extend(flags);
        arguments.push(&file);
        run(&arguments)
    };
    let refused = apply(&[]);
    assert_eq!(refused.code, Some(5), "{}", refused.out);
    assert!(refused.out.contains("loses the oldest 1 message"), "{}", refused.out);
    let ways = "refused without --migrate CH/c (or --recreate CH/c, which begins anew)";
    assert!(refused.out.contains(ways), "{}", refused.out);
    let json = run(&["plan", "--json", "-s", url, &file]);
    let plan: Value = serde_json::from_str(&json.out).unwrap();
    let actions: Vec<&str> = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["update_losing", "delete", "migrate", "create"]);
    // The flags name what they allow; what is no longer declared stays without its own.
    let done = apply(&["--allow-loss", "CH", "--recreate", "CH/c"]);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    assert!(done.out.contains("left alone without --prune"), "{}", done.out);
    assert_eq!(apply(&["--prune"]).code, Some(0));
    let last = succeed(&["plan", "-s", url, &file]);
    assert!(last.starts_with(&format!("changing, on {url} (NATS 2.")), "{last}");
    assert!(
        last.ends_with(", account $G)\nchanging: nothing to do, 3 assets as declared\n"),
        "{last}"
    );
    let view = succeed(&["view", "-s", url, "CH"]);
    assert!(view.contains("#2 ch.x") && !view.contains("#1 ch.x"), "{view}");
    // Another topology may not touch what this one owns.
    let other = tempfile::tempdir().unwrap();
    let thief = write(&other, &edited.replace("name: changing", "name: thief"));
    let ran = run(&["apply", "--yes", "-s", url, &thief]);
    assert_eq!(ran.code, Some(5), "{}", ran.out);
    assert!(ran.out.contains("it belongs to the topology `changing`"), "{}", ran.out);
    succeed(&["destroy", "--yes", "-s", url, &file]);
}

#[test]
fn a_topology_goes_onto_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    check(&server.url());
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn a_topology_goes_onto_real_servers() {
    for program in nats_servers() {
        let server = NatsServer::start(&program);
        check(&server.url);
    }
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn copies_are_kept_in_a_cluster() {
    let program = nats_server();
    let file = example("persistent-events");
    let cluster = cluster(&program);
    let url = &cluster[0].url;
    succeed(&["apply", "--yes", "--replicas", "3", "-s", url, &file]);
    succeed(&["verify", "--replicas", "3", "-s", &cluster[1].url, &file]);
    let status: Value = serde_json::from_str(&succeed(&["status", "--json", "-s", url])).unwrap();
    for stream in status["streams"].as_array().unwrap() {
        assert_eq!(stream["stream"]["config"]["num_replicas"], 3);
    }
    // Without the flag the file asks for one copy: that is a difference, and not a loss.
    assert_eq!(run(&["plan", "-s", url, &file]).code, Some(3));
    succeed(&["destroy", "--yes", "-s", url, &file]);
}

#[test]
fn a_server_that_is_not_there_is_waited_for_in_vain() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("nats://127.0.0.1:{port}");
    let file = example("20-streams");
    let ran = run(&["apply", "--yes", "--wait", "300ms", "-s", &url, &file]);
    assert_eq!(ran.code, Some(6));
    assert!(ran.err.starts_with(&format!("waiting for {url}: ")), "{}", ran.err);
}

#[test]
fn copies_need_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    let ran =
        run(&["apply", "--yes", "--replicas", "3", "-s", &server.url(), &example("20-streams")]);
    assert_eq!(ran.code, Some(5), "{}", ran.out);
    assert!(ran.out.contains("needs a cluster, and this server is alone (10074)"), "{}", ran.out);
}

/// Three servers that keep copies for each other.
pub(crate) fn cluster(program: &Path) -> Vec<NatsServer> {
    // Ports that were free a moment ago; the servers have to know each other's beforehand.
    let free: Vec<_> =
        (0..3).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = free.iter().map(|one| one.local_addr().unwrap().port()).collect();
    drop(free);
    let routes: Vec<String> =
        ports.iter().map(|port| format!("nats-route://127.0.0.1:{port}")).collect();
    let arguments = |index: usize| -> Vec<String> {
        [
            "--name",
            &format!("n{index}"),
            "--cluster_name",
            "test",
            "--cluster",
            &format!("nats://127.0.0.1:{}", ports[index]),
            "--routes",
            &routes.join(","),
        ]
        .map(String::from)
        .to_vec()
    };
    (0..3).map(|index| NatsServer::start_with(program, &arguments(index))).collect()
}
