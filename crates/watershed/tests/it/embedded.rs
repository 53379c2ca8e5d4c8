//! What `up` does not carry out is said before it starts, and nothing else is.

use serde_json::Value;

use crate::server::{Running, run, succeed, write};

/// A stream in which one thing is special, and whether this server refuses it by name.
const CASES: &[(&str, bool)] = &[
    ("subjects: [s.>], subject_transform: { src: s.*, dest: t.$1 }", false),
    ("subjects: [s.>], republish: { src: s.>, dest: t.> }", false),
    ("subjects: [s.>], allow_msg_ttl: true, subject_delete_marker_ttl: 1h", false),
    ("subjects: [s.>], allow_msg_counter: true", false),
    ("subjects: [s.>], allow_atomic: true", false),
    ("subjects: [s.>], allow_msg_schedules: true", false),
    ("subjects: [s.>], allow_batched: true", false),
    ("subjects: [s.>], persist_mode: async", false),
    ("mirror: { name: O, external: { api: $JS.X.API } }", true),
    ("sources: [{ name: O, subject_transforms: [{ src: o.>, dest: s.> }] }]", false),
    ("mirror: { name: O, subject_transforms: [{ src: o.>, dest: s.> }] }", false),
    ("subjects: [s.>], consumers: { c: { replay_policy: original } }", false),
    ("subjects: [s.>], consumers: { c: { deliver_subject: d.x, rate_limit_bps: 1000 } }", false),
    ("subjects: [s.>], consumers: { c: { sample_freq: 50% } }", false),
    (
        "subjects: [s.>], consumers: { c: { deliver_subject: d.x, ack_policy: flow_control } }",
        false,
    ),
    ("subjects: [s.>], consumers: { c: { pause_until: 2046-12-24T18:00:00Z } }", false),
    (
        "subjects: [s.>], consumers: { c: { priority_policy: overflow, priority_groups: [g] } }",
        false,
    ),
    ("subjects: [s.>], allow_msg_ttl: true", false),
    ("subjects: [s.>], storage: memory", false),
    ("subjects: [s.>], first_seq: 7", false),
    ("subjects: [s.>], allow_direct: true, mirror_direct: false", false),
    (
        "subjects: [s.>], discard: new, max_msgs: 5, max_msgs_per_subject: 2, discard_new_per_subject: true",
        false,
    ),
    ("subjects: [s.>], retention: workqueue, consumers: { c: { ack_policy: explicit } }", false),
    ("subjects: [s.>], deny_delete: true, deny_purge: true", false),
    (
        "subjects: [s.>], consumers: { c: { deliver_subject: d.x, flow_control: true, idle_heartbeat: 5s } }",
        false,
    ),
    (
        "subjects: [s.>], consumers: { c: { deliver_policy: last_per_subject, headers_only: true } }",
        false,
    ),
    ("sources: [{ name: O, filter_subject: o.x }]", false),
    ("mirror: { name: O }", false),
];

#[test]
fn what_up_does_not_support_is_found_and_nothing_else() {
    let store = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&store.path().join("store"));
    let mut wrong = Vec::new();
    for (stream, expected) in CASES {
        let file = write(
            &folder,
            &format!(
                "watershed: 1\nname: x\nlint: {{ target_version: 2.14 }}\nstreams:\n  O: {{ subjects: [o.>], max_age: 1d }}\n  \
                 S: {{ max_age: 1d, {stream} }}\n"
            ),
        );
        let found = run(&["lint", "--json", "--target", "up", &file]);
        let found: Value = serde_json::from_str(&found.out).unwrap();
        let found = found["findings"].as_array().unwrap().iter();
        let errors: Vec<String> = found
            .filter(|one| one["severity"] == "error")
            .map(|one| format!("{} {} {}", one["code"], one["place"]["line"], one["message"]))
            .collect();
        let predicted = errors.iter().any(|error| error.starts_with("\"U001\" 6 "));
        let ran = run(&["apply", "--yes", "-s", &server.url(), &file]);
        let refused = ran.err.contains("is not supported by this server yet");
        if predicted != *expected || refused != *expected || errors.len() > 1 {
            wrong.push(format!("{stream}: found {errors:?}; {}{}", ran.out, ran.err));
        }
        run(&["destroy", "--yes", "-s", &server.url(), &file]);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What makes no difference to clients does not keep a file of a production system from running.
#[test]
fn copies_are_run_without() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = "watershed: 1\nname: x\n\
                streams: { A: { subjects: [a.>], max_age: 1d, compression: s2, num_replicas: 3 } }\n";
    let file = write(&folder, text);
    let found = succeed(&["lint", "--target", "up", &file]);
    assert!(found.contains("S021"), "{found}");
    let mut up = crate::server::up(data.path(), &[&file]);
    let said = folder.path().join("said");
    let child = up.stderr(std::fs::File::create(&said).unwrap()).spawn().unwrap();
    let server = Running::ready(child);
    let said = std::fs::read_to_string(said).unwrap();
    assert!(said.contains("x: running 1 stream with 1 replica: not a cluster\n"), "{said}");
    let status = succeed(&["status", "--json", "-s", &server.url()]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["streams"][0]["stream"]["config"]["compression"], "s2");
}

#[test]
fn the_place_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let text = "watershed: 1\nname: x\nstreams:\n  A:\n    max_age: 1d\n    mirror:\n      name: O\n      \
                external: { api: $JS.X.API }\n";
    let file = write(&folder, text);
    let ran = run(&["up", "--listen", "127.0.0.1:0", &file]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    let said = ran.out + &ran.err;
    assert!(said.contains("watershed.yaml:8:"), "{said}");
    assert!(said.contains("error[U001]: `watershed up` does not support `external` yet"), "{said}");
    assert!(!folder.path().join(".watershed").exists());
    succeed(&["lint", &file]);
}
