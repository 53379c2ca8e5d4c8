//! Bad circumstances get a clear error, and nothing is touched.

use std::net::TcpListener;
use std::path::Path;

use crate::server::{Running, outcome, serve};

/// Starts a server that can't; what it says, without the place of the folder.
#[track_caller]
fn check(arguments: &[&str], folder: &Path, expected: &str) {
    let output = serve(arguments).output().unwrap();
    let (code, text) = outcome(&output);
    let text = text.replace(&folder.display().to_string(), "FOLDER");
    let last = text.lines().last().unwrap_or_default();
    assert_eq!((code, last), (Some(1), expected));
}

#[test]
fn an_occupied_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let expected =
        format!("error: cannot listen on 127.0.0.1:{port}: Address already in use (os error 98)");
    check(&["-p", &port.to_string()], Path::new("none"), &expected);
}

#[test]
fn a_store_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let _running = Running::start(&store);
    let expected =
        "error: FOLDER/store is in use by another process: stop that one, or choose another folder";
    check(&["-p", "-1", "-sd", store.to_str().unwrap()], folder.path(), expected);
}

#[test]
fn a_store_of_another_format_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap();
    std::fs::write(folder.path().join("FORMAT"), "watershed store 9\n").unwrap();
    let expected = "error: FOLDER holds a store of another format (\"watershed store 9\"): use the program that made it";
    check(&["-p", "-1", "-sd", store], folder.path(), expected);
    let left = std::fs::read_to_string(folder.path().join("FORMAT")).unwrap();
    assert_eq!(left, "watershed store 9\n");
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("letter.txt"), "dear all").unwrap();
    let expected = "error: FOLDER is not empty and holds no store: choose another folder";
    check(&["-p", "-1", "-sd", folder.path().to_str().unwrap()], folder.path(), expected);
}

#[test]
fn a_damaged_store_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    Running::start(&store).kill();
    std::fs::write(store.join("checkpoint-0"), "nonsense").unwrap();
    let expected = "error: both checkpoints are damaged; nothing was changed";
    check(&["-p", "-1", "-sd", store.to_str().unwrap()], folder.path(), expected);
}

#[test]
fn nobody_else_gets_in_without_a_password() {
    let expected = "error: 0.0.0.0 can be reached from other machines, and nobody would need a \
                    password: set --user and --pass, or listen on 127.0.0.1";
    check(&["-p", "-1", "-a", "0.0.0.0"], Path::new("none"), expected);
}
