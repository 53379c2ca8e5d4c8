//! `store`: what a person sees of a store on which no server runs, whole, damaged and mended.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::server::{Running, run, succeed, write};

const FILE: &str = "\
watershed: 1
name: shop
streams:
  ORDERS: { subjects: [orders.>], max_age: 1d, consumers: { billing: { max_deliver: 3, backoff: [1h] } } }
  EMPTY: { subjects: [empty.>], max_age: 1d }
";

/// A store with ten messages, on which no server runs any more.
fn store() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let server = Running::start(&store);
    succeed(&["apply", "--yes", "-s", &server.url(), &write(&folder, FILE)]);
    for number in 0..10 {
        let text = number.to_string().repeat(300);
        succeed(&["pub", "-s", &server.url(), "orders.new", &text]);
    }
    assert_eq!(server.interrupt(), Some(0));
    (folder, store)
}

/// What `watershed store ACTION` says, with its exit code and without what differs from run to run.
#[track_caller]
fn says(action: &str, store: &Path) -> String {
    let store = store.to_str().unwrap();
    let ran = run(&["store", action, store]);
    let text = format!("exit code {}\n{}{}", ran.code.unwrap(), ran.out, ran.err);
    let text = text.replace(store, "STORE");
    let words = text.split_inclusive([' ', '\n']).map(|word| match word.split_once("/damaged/") {
        Some((before, time)) => {
            format!("{before}/damaged/{}", time.replace(|sign: char| sign.is_ascii_digit(), ""))
        }
        None => word.to_owned(),
    });
    let text: String = words.collect();
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push((path.clone(), fs::read(path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_whole_store_is_shown_and_not_changed() {
    let (folder, store) = store();
    let before = files(&store);
    insta::assert_snapshot!(says("info", &store), @"
    exit code 0
    STORE: format 5, 16 rounds, 16 of them in a checkpoint
    journal 1.5MiB, blocks 3.8KiB, checkpoints 2.5KiB
    ─────────────────────────────────────────────────────────────────────────────────
     account   stream         storage   messages    bytes   first   last   consumers
    ─────────────────────────────────────────────────────────────────────────────────
     $G        EMPTY          file             0       0B       0      0           0
     $G        KV_watershed   file             0       0B       2      1           0
     $G        ORDERS         file            10   3.3KiB       1     10           1
    ─────────────────────────────────────────────────────────────────────────────────
    ");
    insta::assert_snapshot!(says("check", &store), @"
    exit code 0
    STORE: 10 messages of 3 streams, all whole
    ");
    insta::assert_snapshot!(says("repair", &store), @"
    exit code 0
    STORE: 10 messages of 3 streams, all whole
    ");
    let json: serde_json::Value =
        serde_json::from_str(&succeed(&["store", "info", "--json", store.to_str().unwrap()]))
            .unwrap();
    assert_eq!(json["store"]["streams"][2]["messages"], 10, "{json}");
    assert!(before == files(&store), "nothing was to be changed");
    // The data directory of `up` has its store in a folder.
    let ran = run(&["store", "check", folder.path().to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn what_can_be_mended_is_mended_and_copied_before() {
    let (_folder, store) = store();
    damage(&store.join("FORMAT"), |bytes| bytes[3] ^= 4);
    damage(&store.join("checkpoint-0"), |bytes| bytes[40..100].fill(0));
    damage(&store.join("journal/00000003.wj"), |bytes| bytes[1024..1536].fill(7));
    damage(&store.join("blocks/00000002-00000001.wb"), |bytes| bytes[100] ^= 1);
    let before = files(&store);
    insta::assert_snapshot!(says("check", &store), @"
    exit code 4
    damaged: FORMAT is damaged or missing
    damaged: checkpoint-0 is damaged, and the journal has what it said
    damaged: 1 round of the journal is damaged
    STORE: 10 messages of 3 streams, nothing lost, 3 findings
    to mend what can be mended: watershed store repair STORE
    ");
    assert!(before == files(&store), "nothing was to be changed");
    insta::assert_snapshot!(says("repair", &store), @"
    exit code 0
    damaged: FORMAT is damaged or missing
    damaged: checkpoint-0 is damaged, and the journal has what it said
    damaged: 1 round of the journal is damaged
    mended; files that were changed are as they were in STORE/damaged/
    STORE: 10 messages of 3 streams, all whole
    ");
    insta::assert_snapshot!(says("check", &store), @"
    exit code 0
    STORE: 10 messages of 3 streams, all whole
    ");
    let copies = fs::read_dir(store.join("damaged")).unwrap().next().unwrap().unwrap().path();
    for name in ["FORMAT", "checkpoint-0", "journal/00000003.wj"] {
        let old = before.iter().find(|(path, _)| *path == store.join(name)).unwrap();
        assert!(fs::read(copies.join(name)).unwrap() == old.1, "{name}");
    }
}

#[test]
fn what_is_lost_is_named() {
    let (_folder, store) = store();
    let block = store.join("blocks/00000002-00000001.wb");
    assert!(block.exists(), "{:?}", files(&store).iter().map(|(path, _)| path).collect::<Vec<_>>());
    damage(&block, |bytes| bytes[512..1024].fill(0));
    insta::assert_snapshot!(says("check", &store), @"
    exit code 4
    lost: ORDERS of $G, sequences 2 to 3: blocks/00000002-00000001.wb is damaged at byte 370
    STORE: 10 messages of 3 streams, 2 lost
    ");
    fs::remove_file(&block).unwrap();
    insta::assert_snapshot!(says("check", &store), @"
    exit code 4
    lost: ORDERS of $G, sequences 1 to 10: blocks/00000002-00000001.wb cannot be read: No such file or directory (os error 2)
    STORE: 10 messages of 3 streams, 10 lost
    ");
}

#[test]
fn what_is_no_store_of_ours_is_left_alone() {
    let (folder, store) = store();
    let server = Running::start(&store);
    insta::assert_snapshot!(says("check", &store), @r"
    exit code 1
    error: STORE is in use by another process: stop that one, or choose another folder
    ");
    server.interrupt();
    insta::assert_snapshot!(says("info", &folder.path().join("other")), @r"
    exit code 1
    error: STORE holds no store
    ");
    // A link at the place of a file is somebody else's file.
    let elsewhere = folder.path().join("elsewhere");
    for name in ["checkpoint-0", "LOCK"] {
        let path = store.join(name);
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        for action in ["check", "repair"] {
            let said = says(action, &store);
            let named = said.contains(name) && said.contains("symbolic link");
            assert!(said.starts_with("exit code 1\n") && named, "{said}");
        }
        fs::rename(&elsewhere, &path).unwrap();
    }
}
