//! Topologies as they are found, offline.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::server::{EXAMPLES, example, run, succeed, write};

#[test]
fn the_examples_have_no_findings() {
    for name in EXAMPLES {
        let out = succeed(&["lint", "--deny", "warnings", &example(name)]);
        assert!(!out.contains("warning"), "{name}: {out}");
    }
    let all: Vec<String> = EXAMPLES.iter().map(|name| example(name)).collect();
    let mut arguments = vec!["lint"];
    arguments.extend(all.iter().map(String::as_str));
    let out = succeed(&arguments);
    assert!(out.ends_with("4 topologies: no findings, 7 allowed\n"), "{out}");
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
    check(&file, "error: FOLDER/watershed.yaml: not a topology file (no `watershed:` key)\n");
    std::fs::write(&file, b"watershed: \xff\n").unwrap();
    check(&file, "error: FOLDER/watershed.yaml is not text: byte 11 is not UTF-8\n");
}

#[test]
fn codes_are_explained() {
    assert!(succeed(&["explain", "S004"]).contains("streams-overlap"));
    let out = succeed(&["explain", "10065"]);
    assert!(out.starts_with("error 10065: subjects overlap") && out.contains("S004"), "{out}");
    assert_eq!(run(&["explain", "nonsense"]).code, Some(1));
}

const MESSY: &str = "watershed: 1\nname: messy\nstreams:\n  A: { subject: [a], maxAge: 0, deny_delete: no }\n  B: { subjects: [b] } # allow S030: pruned by hand\n";

#[test]
fn what_can_be_put_right_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, MESSY);
    let ran = run(&["lint", "--fix", &file]);
    assert_eq!(ran.code, Some(0), "{}", ran.out);
    let fixed = std::fs::read_to_string(&file).unwrap();
    let expected = "  A: { subjects: [a], max_age: unlimited, deny_delete: false }\n";
    assert!(fixed.contains(expected), "{fixed}");
    assert_eq!(ran.out, "1 topology: no findings, 1 allowed\n");
    // There is nothing left to do.
    succeed(&["lint", "--fix", "--deny", "warnings", &file]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), fixed);
}

#[test]
fn json_stays_json_when_it_is_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.json");
    let text = r#"{"watershed":1,"name":"x","streams":{"A":{"subject":["a"],"maxAge":-1,"deny_delete":"no"}}}"#;
    std::fs::write(&file, text).unwrap();
    succeed(&["lint", "--fix", file.to_str().unwrap()]);
    let fixed: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let stream = &fixed["streams"]["A"];
    assert_eq!((&stream["max_age"], &stream["deny_delete"]), (&"unlimited".into(), &false.into()));
}

/// A secret that somebody wrote into a file is not repeated in any form of the findings.
#[test]
fn secrets_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let topology = "watershed: 1\nname: x\nusers: { a: { password: hunter2, rol: admin }, b: { passwrd: hunter2 } }\n";
    let conf = "port: 4222\nauthorization { users: [ { user: a, password: hunter2 }, { user: b, password: \"hunter2\" } ] }\n";
    let script = "#!/bin/sh\nNATS_PASS=hunter2\nnats -s nats://a:hunter2@host --password hunter2 stream add S --ttl 5\n";
    for (name, text) in [("w.yaml", topology), ("n.conf", conf), ("i.sh", script)] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        for format in ["human", "json", "sarif", "github", "junit"] {
            let ran = run(&["lint", "--format", format, file.to_str().unwrap()]);
            assert!(ran.out.contains("F008") || ran.out.contains("I00"), "{name}: {}", ran.out);
            assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"), "{}", ran.out);
        }
        // What is corrected keeps them.
        run(&["lint", "--fix", file.to_str().unwrap()]);
        assert!(std::fs::read_to_string(&file).unwrap().contains("hunter2"), "{name}");
    }
}

#[test]
fn findings_have_the_forms_that_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, MESSY);
    let form = |form: &str| {
        let ran = run(&["lint", "--format", form, &file]);
        assert_eq!(ran.code, Some(4), "{form}");
        ran.out.replace(&file, "FILE")
    };
    let sarif: serde_json::Value = serde_json::from_str(&form("sarif")).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let first = results.iter().find(|result| result["ruleId"] == "F003").unwrap();
    assert_eq!(first["level"], "error");
    let place = &first["locations"][0]["physicalLocation"];
    assert_eq!(place["region"]["startLine"], 4);
    assert_eq!(place["artifactLocation"]["uri"], "FILE");
    let change = &first["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(change["insertedContent"]["text"], "subjects");
    insta::assert_snapshot!(form("github"), @r"
    ::notice file=FILE,line=4,col=3,title=S010::`A` stores the subject `A`, its own name%0Athe server accepts this silently%0Awrite its `subjects`
    ::warning file=FILE,line=4,col=3,title=S030::`A` is unlimited and grows forever%0Athe server accepts this silently%0Agive it a `max_age` or `max_bytes`, or write `max_age: unlimited`
    ::error file=FILE,line=4,col=8,title=F003::unknown key `subject` in stream `A`%0Awrite `subjects`
    ::error file=FILE,line=4,col=22,title=F003::unknown key `maxAge` in stream `A`%0Awrite `max_age`
    ::error file=FILE,line=4,col=46,title=F004::`deny_delete` is true or false, and this is `no`%0Awrite `false`
    ");
    insta::assert_snapshot!(form("junit"), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="watershed lint" tests="5" failures="4">
      <testsuite name="FILE" tests="5" failures="4">
        <testcase classname="FILE" name="S010 at 4:3">
          <system-out>FILE:4:3: info[S010]: `A` stores the subject `A`, its own name&#10;  note: the server accepts this silently&#10;  help: write its `subjects`</system-out>
        </testcase>
        <testcase classname="FILE" name="S030 at 4:3">
          <failure type="warning" message="`A` is unlimited and grows forever">FILE:4:3: warning[S030]: `A` is unlimited and grows forever&#10;  note: the server accepts this silently&#10;  help: give it a `max_age` or `max_bytes`, or write `max_age: unlimited`</failure>
        </testcase>
        <testcase classname="FILE" name="F003 at 4:8">
          <failure type="error" message="unknown key `subject` in stream `A`">FILE:4:8: error[F003]: unknown key `subject` in stream `A`&#10;  help: write `subjects`</failure>
        </testcase>
        <testcase classname="FILE" name="F003 at 4:22">
          <failure type="error" message="unknown key `maxAge` in stream `A`">FILE:4:22: error[F003]: unknown key `maxAge` in stream `A`&#10;  help: write `max_age`</failure>
        </testcase>
        <testcase classname="FILE" name="F004 at 4:46">
          <failure type="error" message="`deny_delete` is true or false, and this is `no`">FILE:4:46: error[F004]: `deny_delete` is true or false, and this is `no`&#10;  help: write `false`</failure>
        </testcase>
      </testsuite>
    </testsuites>
    "##);
}

#[test]
fn a_folder_and_an_environment_are_one_topology() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("watershed.yaml", "watershed: 1\nname: x\nstreams:\n  A: { subjects: [a], max_age: 1d }\n");
    put("more.yaml", "watershed: 1\nstreams:\n  B: { subjects: [b], max_age: 1d }\n");
    put("compose.yaml", "services: {}\n");
    put("watershed.prod.yaml", "streams:\n  A: { max_age: 50ms }\n");
    let out = succeed(&["lint", path]);
    let expected = format!(
        "skipping {path}/compose.yaml: not a topology file (no `watershed:` key)\n1 topology: no findings\n"
    );
    assert_eq!(out, expected);
    assert_eq!(run(&["lint", "--env", "prod", path]).code, Some(4));
    let missing = run(&["lint", "--env", "test", path]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("missing ") && missing.err.contains(".test.yaml"));
    let overlay = run(&["lint", &format!("{path}/watershed.prod.yaml")]);
    assert_eq!(overlay.code, Some(1));
    assert!(overlay.err.contains("name that one, with --env prod"), "{}", overlay.err);
}

#[test]
fn a_first_file_is_without_findings() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("watershed.yaml").display().to_string();
    succeed(&["init", &file, "--name", "mine"]);
    let out = succeed(&["lint", "--deny", "warnings", &file]);
    assert_eq!(out, "1 topology: no findings\n");
    let again = run(&["init", &file]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("already exists and was not changed"), "{}", again.err);
}

/// A thousand streams with ten thousand consumers, and services that use them.
fn large() -> String {
    let mut text = String::from(
        "watershed: 1\nname: large\ndefaults: { consumer: { max_deliver: 5 } }\nstreams:\n",
    );
    for stream in 0..1000 {
        let area = stream % 37;
        let _ = writeln!(
            text,
            "  S{stream}: {{ subjects: [area{area}.s{stream}.>, other.{stream}.*], max_age: 7d, consumers: {{"
        );
        for consumer in 0..10 {
            let filter = format!("area{area}.s{stream}.k{consumer}.>");
            let _ = writeln!(text, "    c{consumer}: {{ filter_subject: {filter} }},");
        }
        text.push_str("  } }\n");
    }
    text.push_str("services:\n");
    for service in 0..200 {
        let area = service % 37;
        let _ = writeln!(
            text,
            "  svc{service}: {{ publishes: [area{area}.s{service}.k1.x], consumes: [S{service}/c1] }}"
        );
    }
    text
}

/// In a release build, in less than a second. docs/benchmarks.md has the figures.
#[test]
fn a_large_topology_is_linted_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, &large());
    let start = Instant::now();
    let ran = run(&["lint", &file]);
    let took = start.elapsed();
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    eprintln!("1,000 streams, 10,000 consumers: {took:?}");
    assert!(cfg!(debug_assertions) || took < Duration::from_secs(1), "{took:?}");
}
