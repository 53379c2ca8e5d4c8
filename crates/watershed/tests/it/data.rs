//! Where `up` keeps what it has, and what it says when that is not where one might look.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{Running, watershed};

/// Folders with a topology each, named like the folder.
fn topologies(names: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in names {
        let folder = root.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "watershed: 1\nname: {name}\nstreams: {{ S: {{ subjects: [s.>], max_age: 1d }} }}\n"
        );
        std::fs::write(folder.join("watershed.yaml"), text).unwrap();
    }
    root
}

fn up(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = watershed(&["up", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    command.args(arguments).current_dir(folder);
    command
}

/// A program in a folder, which must end well; what it printed.
#[track_caller]
fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = watershed(arguments).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs these topologies, and publishes a message for one of them.
#[track_caller]
fn publish(root: &Path, arguments: &[&str], topology: &str) -> String {
    let (server, printed) = Running::printing(&mut up(root, arguments));
    publish_to(root, &server, topology, arguments.len() > 1);
    printed
}

fn publish_to(root: &Path, server: &Running, topology: &str, users: bool) {
    let url = server.url();
    let mut command = vec!["pub", "-f", topology, "-s", &url, "s.x", "hello"];
    if users {
        command.extend(["--user", topology]);
    }
    succeed(root, &command);
}

/// How many messages a topology has, as its own commands see it.
#[track_caller]
fn messages(root: &Path, server: &Running, topology: &str, users: bool) -> u64 {
    let url = server.url();
    let mut command = vec!["status", "--json", "-f", topology, "-s", &url];
    if users {
        command.extend(["--user", topology]);
    }
    let status: Value = serde_json::from_str(&succeed(root, &command)).unwrap();
    status["streams"][0]["stream"]["state"]["messages"].as_u64().unwrap()
}

/// What a start that is refused says.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = up(folder, arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    said
}

#[test]
fn data_lies_beside_the_file_wherever_it_is_started() {
    let root = topologies(&["a"]);
    let folder = root.path().join("a");
    assert!(publish(root.path(), &["a"], "a").contains("data: a/.watershed/a\n"));
    let (server, printed) = Running::printing(&mut up(&folder, &[]));
    assert!(printed.contains("data: .watershed/a\n"), "{printed}");
    assert_eq!(messages(root.path(), &server, "a", false), 1);
    drop(server);
    std::fs::create_dir(folder.join("src")).unwrap();
    let (server, _) = Running::printing(&mut up(&folder.join("src"), &[".."]));
    assert_eq!(messages(root.path(), &server, "a", false), 1);
    assert!(!root.path().join(".watershed").exists());
    let ignored = std::fs::read_to_string(folder.join(".watershed/.gitignore")).unwrap();
    assert_eq!(ignored, "*\n");
}

#[test]
fn secrets_are_found_from_any_folder() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("orders.yaml");
    let users = "users: { admin: { password: { env: WATERSHED_TEST_UNSET }, role: admin } }";
    std::fs::write(&file, format!("watershed: 1\nname: orders\n{users}\n")).unwrap();
    let file = file.to_str().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let (server, _) = Running::printing(&mut up(elsewhere.path(), &[file]));
    let status = ["status", "-f", file, "-s", &server.url(), "--user", "admin"];
    succeed(elsewhere.path(), &status);
    drop(server);
    std::fs::remove_file(root.path().join(".watershed/orders/secrets.json")).unwrap();
    let output = watershed(&status).current_dir(root.path()).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: no password for user `admin`: environment variable WATERSHED_TEST_UNSET is not set, \
         and `watershed up` has generated none in .watershed/orders\n"
    );
}

#[test]
fn one_more_topology_changes_nothing_for_the_others() {
    let root = topologies(&["a", "b", "c"]);
    let root = root.path();
    publish(root, &["b"], "b");
    // Whatever the order.
    let (server, printed) = Running::printing(&mut up(root, &["a", "b"]));
    assert!(printed.contains("data: b/.watershed/b\n"), "{printed}");
    assert_eq!(messages(root, &server, "b", true), 1);
    publish_to(root, &server, "a", true);
    drop(server);
    // Alone it has what it had together with others.
    let (server, printed) = Running::printing(&mut up(&root.join("a"), &[]));
    assert!(printed.contains("/b/.watershed/b"), "{printed}");
    assert_eq!(messages(root, &server, "a", false), 1);
    drop(server);
    let (server, _) = Running::printing(&mut up(root, &["c", "a"]));
    assert_eq!(messages(root, &server, "a", true), 1);
    drop(server);
    // All of it can be moved.
    let moved = tempfile::tempdir().unwrap();
    let target = moved.path().join("all");
    std::fs::create_dir(&target).unwrap();
    for name in ["a", "b", "c"] {
        std::fs::rename(root.join(name), target.join(name)).unwrap();
    }
    let (server, _) = Running::printing(&mut up(&target, &["c", "a", "b"]));
    assert_eq!(messages(&target, &server, "a", true), 1);
    drop(server);
    std::fs::remove_dir_all(target.join("b/.watershed")).unwrap();
    let output = up(&target, &["--listen", "999.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let mut command = up(&target, &["a", "--json"]);
    let mut child = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let errors = child.stderr.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(errors), &mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains("note: the data of `a` was in "), "{line}");
    assert!(line.ends_with("b/.watershed/b, which is gone: starting empty\n"), "{line}");
}

#[test]
fn two_stores_are_not_one() {
    let root = topologies(&["a", "b"]);
    let root = root.path();
    publish(root, &["a"], "a");
    publish(root, &["b"], "b");
    let said = refused(root, &["a", "b"]);
    assert!(said.contains("\n  a: a/.watershed/a\n  b: b/.watershed/b\n"), "{said}");
    // What it offers works, and says what is not seen.
    let chosen = said.lines().last().unwrap().trim().strip_prefix("--data ").unwrap();
    let output = root.join("said");
    let mut command = up(root, &["a", "b", "--data", chosen]);
    let errors = std::fs::File::create(&output).unwrap();
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(errors).spawn().unwrap();
    let mut text = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    while !text.contains("Ctrl-C") {
        assert!(std::io::BufRead::read_line(&mut out, &mut text).unwrap() > 0, "{text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let said = std::fs::read_to_string(output).unwrap();
    let expected = "note: `b` also has data in b/.watershed/b, which is not used here";
    assert!(said.contains(expected), "{said}");
    // Nothing is linked or moved by that.
    let (server, _) = Running::printing(&mut up(root, &["b"]));
    assert_eq!(messages(root, &server, "b", false), 1);
}

#[test]
fn older_data_is_not_passed_over() {
    for old in ["a", "together"] {
        let root = topologies(&["a"]);
        let root = root.path();
        publish(root, &["a"], "a");
        // As it was laid down by versions that kept everything in the current folder.
        std::fs::create_dir(root.join(".watershed")).unwrap();
        std::fs::rename(root.join("a/.watershed/a"), root.join(".watershed").join(old)).unwrap();
        std::fs::remove_dir_all(root.join("a/.watershed")).unwrap();
        let said = refused(root, &["a"]);
        assert!(said.contains(&format!("\n  .watershed/{old}\n")), "{said}");
        let mv = said.lines().find(|line| line.contains("mv ")).unwrap();
        assert!(Command::new("sh").args(["-c", mv]).status().unwrap().success());
        let (server, _) = Running::printing(&mut up(root, &["a"]));
        assert_eq!(messages(root, &server, "a", false), 1);
    }
}

/// A start that fails must not look like data.
#[test]
fn a_failed_start_is_no_store() {
    let root = topologies(&["a", "b"]);
    let root = root.path();
    publish(root, &["a"], "a");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = watershed(&["up", "--listen", &address, "--http", "127.0.0.1:0", "b"]);
    assert_eq!(command.current_dir(root).output().unwrap().status.code(), Some(1));
    assert!(root.join("b/.watershed/b").exists());
    let (server, _) = Running::printing(&mut up(root, &["b", "a"]));
    assert_eq!(messages(root, &server, "a", true), 1);
}
