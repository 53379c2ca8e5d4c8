//! Names and numbers that flags are given.

use crate::server::{Running, run, succeed, write};

const FILE: &str = "\
watershed: 1
name: shop
streams: { ORDERS: { subjects: [orders.>], max_age: 1d, consumers: { billing: {} } } }
key_values: { settings: { history: 10 } }
object_stores: { files: {} }
";

#[test]
fn names_of_what_is_not_there_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&data.path().join("store"));
    let (file, url) = (write(&folder, FILE), server.url());
    let mistyped = |command: &[&str]| {
        let ran = run(&[command, &["-s", &url, &file]].concat());
        assert_eq!(ran.code, Some(2), "{command:?}: {}{}", ran.out, ran.err);
        ran.err
    };
    for command in [["plan"].as_slice(), &["apply", "--yes"]] {
        let said = |flags: &[&str]| mistyped(&[command, flags].concat());
        assert_eq!(
            said(&["--allow-loss", "ORDER"]),
            "error: unknown name `ORDER` in --allow-loss: did you mean `ORDERS`?\n"
        );
        assert_eq!(
            said(&["--recreate", "ORDERS/biling"]),
            "error: unknown name `ORDERS/biling` in --recreate: did you mean `ORDERS/billing`?\n"
        );
        assert_eq!(
            said(&["--recreate", "seting"]),
            "error: unknown name `seting` in --recreate: did you mean `settings`?\n"
        );
        assert_eq!(
            said(&["--recreate", "xyz"]),
            "error: unknown name `xyz` in --recreate: the topology has KV_settings, OBJ_files, ORDERS, \
             ORDERS/billing\n"
        );
        for number in ["-1", "0", "6"] {
            let said = said(&[&format!("--replicas={number}")]);
            assert!(said.contains("is not in 1..=5"), "{said}");
        }
    }
    // Nothing came of any of it.
    assert_eq!(run(&["verify", "-s", &url, &file]).code, Some(3));
    assert!(!succeed(&["status", "-s", &url]).contains("ORDERS"));
}

/// Flags that are printed can be pasted into a shell.
#[test]
fn printed_names_are_quoted() {
    let data = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&data.path().join("store"));
    let url = server.url();
    let text = |storage: &str| {
        let stream = format!("{{ subjects: [a.>], max_age: 1d, storage: {storage} }}");
        format!("watershed: 1\nname: x\nstreams: {{ \"A$HOME;B\": {stream} }}\n")
    };
    let file = write(&folder, &text("file"));
    succeed(&["apply", "--yes", "-s", &url, &file]);
    write(&folder, &text("memory"));
    let plan = run(&["plan", "-s", &url, &file]).out;
    assert!(plan.contains("refused without --recreate 'A$HOME;B'\n"), "{plan}");
    std::fs::write(folder.path().join("watershed.a b.yaml"), "name: y\n").unwrap();
    let overlay = folder.path().join("watershed.a b.yaml").display().to_string();
    let ran = run(&["plan", "-s", &url, &overlay]);
    assert!(ran.err.ends_with("name that one, with --env 'a b'\n"), "{}", ran.err);
}

#[test]
fn a_bucket_is_called_as_in_the_file_or_as_its_stream() {
    let data = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&data.path().join("store"));
    let (file, url) = (write(&folder, FILE), server.url());
    succeed(&["apply", "--yes", "-s", &url, &file]);
    let mut memory = FILE.replace("history: 10", "history: 10, storage: memory");
    write(&folder, &memory);
    assert_eq!(run(&["apply", "--yes", "-s", &url, &file]).code, Some(5));
    let done = succeed(&["apply", "--yes", "-s", &url, &file, "--recreate", "settings"]);
    assert!(done.contains("stream KV_settings"), "{done}");
    memory = memory.replace("files: {}", "files: { storage: memory }");
    write(&folder, &memory);
    succeed(&["apply", "--yes", "-s", &url, &file, "--recreate", "OBJ_files"]);
}
