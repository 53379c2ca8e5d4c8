//! Topologies as they are found, offline.

use std::path::Path;

use crate::server::{EXAMPLES, example, run, succeed, write};

#[test]
fn the_examples_have_no_findings() {
    for name in EXAMPLES {
        let out = succeed(&["lint", "--deny", "warnings", &example(name)]);
        assert!(out.ends_with("1 topology: no findings\n"), "{name}: {out}");
    }
    let all: Vec<String> = EXAMPLES.iter().map(|name| example(name)).collect();
    let mut arguments = vec!["lint"];
    arguments.extend(all.iter().map(String::as_str));
    assert_eq!(succeed(&arguments), "4 topologies: no findings\n");
}

/// The documents as they were written, before they became the examples.
#[test]
fn the_documents_as_written_are_found_fault_with() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds");
    for name in EXAMPLES {
        let file = folder.join(format!("{name}.yaml"));
        let ran = run(&["lint", file.to_str().unwrap()]);
        let text = ran.out.replace(&format!("{}/", folder.display()), "");
        insta::assert_snapshot!(name, format!("exit code {}\n\n{text}", ran.code.unwrap()));
    }
}

#[test]
fn warnings_fail_only_if_they_are_denied() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "watershed: 1\nname: x\nstreams: { A: { subjects: [a] } }\n");
    assert_eq!(run(&["lint", &file]).code, Some(0));
    assert_eq!(run(&["lint", "--deny", "warnings", &file]).code, Some(4));
    let json: serde_json::Value =
        serde_json::from_str(&succeed(&["lint", "--json", &file])).unwrap();
    assert_eq!(json["findings"][0]["code"], "S030");
    assert_eq!(json["findings"][0]["place"]["line"], 3);
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let check = |path: &str, expected: &str| {
        let ran = run(&["lint", path]);
        let text = ran.err.replace(&folder.path().display().to_string(), "FOLDER");
        assert_eq!((ran.code, text.as_str()), (Some(1), expected));
    };
    let missing = folder.path().join("none.yaml");
    check(
        missing.to_str().unwrap(),
        "error: cannot read FOLDER/none.yaml: name a topology file, or a folder with a \
         watershed.yaml: No such file or directory (os error 2)\n",
    );
    let file = write(&folder, "services: {}\n");
    check(&file, "error: FOLDER/watershed.yaml has no `watershed:` key: it is no topology\n");
    std::fs::write(&file, b"watershed: \xff\n").unwrap();
    check(&file, "error: FOLDER/watershed.yaml is no text: byte 11 is not UTF-8\n");
}

#[test]
fn codes_are_explained() {
    assert!(succeed(&["explain", "S004"]).contains("streams-overlap"));
    let out = succeed(&["explain", "10065"]);
    assert!(out.starts_with("error 10065: subjects overlap") && out.contains("S004"), "{out}");
    assert_eq!(run(&["explain", "nonsense"]).code, Some(1));
}
