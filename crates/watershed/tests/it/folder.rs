//! The files of a folder are one topology, also if the folder is not named.

use std::path::Path;

use crate::server::{Ran, Running, watershed};

/// The program in a folder.
fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let output = watershed(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// A part of the topology `shop` with a stream.
fn part(folder: &Path, file: &str, stream: &str) {
    let subject = stream.to_lowercase();
    let text = format!(
        "watershed: 1\nname: shop\nstreams: {{ {stream}: {{ subjects: [{subject}.>], max_age: 1d }} }}\n"
    );
    std::fs::write(folder.join(file), text).unwrap();
}

#[test]
fn nothing_named_is_the_current_folder() {
    let data = tempfile::tempdir().unwrap();
    let server = Running::start(&data.path().join("store"));
    let url = server.url();
    for first in ["watershed.yaml", "orders.yaml"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        part(folder, first, "ORDERS");
        part(folder, "payments.yaml", "PAYMENTS");
        std::fs::write(folder.join("compose.yaml"), "services: {}\n").unwrap();
        let with = |command: &[&str]| run(folder, &[command, &["-s", &url]].concat());
        assert_eq!(with(&["apply", "--yes"]).code, Some(0));
        let plan = with(&["plan", "--prune"]);
        assert!(
            plan.out.ends_with("\nshop: nothing to do, 2 assets as declared\n"),
            "{}",
            plan.out
        );
        assert_eq!(with(&["plan", "--prune", "."]).out, plan.out);
        assert_eq!(with(&["verify"]).code, Some(0));
        assert_eq!(run(folder, &["lint"]).out, run(folder, &["lint", "."]).out);
        // Who names one file is told what is not read.
        let plan = with(&["plan", first]);
        assert_eq!(
            plan.err,
            "note: payments.yaml is a part of `shop` as well and is not read: name the folder to read \
             both\n"
        );
        assert_eq!(with(&["destroy", "--yes"]).code, Some(0));
    }
}

#[test]
fn a_file_alone_in_its_folder_is_read_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("watershed.yaml"), "watershed: 1\nname: [\n").unwrap();
    std::fs::write(folder.join("compose.yaml"), "services: {}\n").unwrap();
    let lint = run(folder, &["lint"]);
    assert!(lint.out.contains("> watershed.yaml:2") && !lint.out.contains("./"), "{}", lint.out);
    std::fs::remove_file(folder.join("watershed.yaml")).unwrap();
    let lint = run(folder, &["lint"]);
    assert_eq!(
        lint.err,
        "error: cannot read watershed.yaml: name a topology file, or a folder with a watershed.yaml: \
         No such file or directory (os error 2)\n"
    );
}
