//! Scripts inside other files.

use super::*;

/// A container comes to what this script does, and nothing else is to be said.
#[track_caller]
fn same(name: &str, text: &str, plain: &str) {
    let made = |name: &str, text: &str| {
        let mut sources = SourceMap::default();
        let file = sources.add(name, text);
        let (imported, _) = import(&sources, &[file]);
        let said: Vec<String> = imported.findings.iter().map(|one| one.plain(&sources)).collect();
        (render(&imported.topology, &Comments::new()), said, imported.incomplete)
    };
    assert_eq!(made(name, text), made("a.sh", plain), "{text}");
}

const A: &str = "nats stream add A --subjects 'a.>' --max-age 1d --defaults";

#[test]
fn scripts_are_found_where_people_put_them() {
    for (name, text) in [
        (
            "compose.yaml",
            "services:\n  init:\n    image: natsio/nats-box\n    command: sh -c \"nats stream add A --subjects 'a.>' --max-age 1d --defaults\"\n",
        ),
        (
            "compose.yaml",
            "services:\n  init:\n    entrypoint: /bin/sh\n    command:\n      - -c\n      - |\n        D=1d\n        nats stream add A --subjects 'a.>' --max-age $$D --defaults\n",
        ),
        (
            "compose.yaml",
            "services:\n  init:\n    command: [nats, -s, 'nats://nats:4222', stream, add, A, --subjects, 'a.>', --max-age, 1d, --defaults]\n",
        ),
        (
            "compose.yaml",
            "services:\n  init:\n    entrypoint: [nats]\n    command: [stream, add, A, --subjects, 'a.>', --max-age, 1d, --defaults]\n",
        ),
        (
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  t:\n    steps:\n      - uses: x\n      - run: |\n          echo hi\n          nats stream add A --subjects 'a.>' --max-age 1d --defaults\n",
        ),
        (
            ".github/workflows/x.yml",
            "jobs:\n  t:\n    steps:\n      - run: nats stream add A --subjects 'a.>' --max-age 1d --defaults # with care\n        env: { T: \"${{ secrets.T }}\" }\n",
        ),
        (
            "play.yml",
            "- hosts: all\n  tasks:\n    - name: make it\n      shell: nats stream add A --subjects 'a.>' --max-age 1d --defaults\n",
        ),
        (
            "job.yaml",
            "apiVersion: batch/v1\nkind: CronJob\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          initContainers:\n            - name: x\n              command: [sh, -c, \"nats stream add A --subjects 'a.>' --max-age 1d --defaults\"]\n",
        ),
        (
            "job.yaml",
            "apiVersion: batch/v1\nkind: Job\nspec:\n  template:\n    spec:\n      containers:\n        - name: x\n          command: [nats]\n          args: [stream, add, A, '--subjects=a.>', --max-age=1d, --defaults]\n",
        ),
        (
            "Makefile",
            "NATS ?= nats -s $(URL)\nAGE := 1d\n\nstreams: up\n\t@$(NATS) stream add A --subjects 'a.>' \\\n\t\t--max-age $(AGE) --defaults\n",
        ),
        (
            "Dockerfile",
            "FROM natsio/nats-box\nRUN nats stream add A --subjects 'a.>' \\\n  --max-age 1d --defaults\n",
        ),
        (
            "Dockerfile",
            "FROM natsio/nats-box\nCMD [\"nats\", \"stream\", \"add\", \"A\", \"--subjects\", \"a.>\", \"--max-age\", \"1d\", \"--defaults\"]\n",
        ),
        (
            "README.md",
            "# X\n\nRun `nats stream add B --defaults`:\n\n```sh\n$ nats stream add A --subjects 'a.>' --max-age 1d --defaults\n```\n",
        ),
    ] {
        same(name, text, A);
    }
}

#[test]
fn templates_are_to_be_rendered_first() {
    let text = "apiVersion: jetstream.nats.io/v1beta2\nkind: Stream\nspec:\n  name: {{ .Values.name }}\n  maxAge: {{ .Values.age }}\n";
    let mut sources = SourceMap::default();
    let file = sources.add("templates/stream.yaml", text);
    let (imported, _) = import(&sources, &[file]);
    assert!(imported.incomplete && imported.topology.streams.is_empty());
    assert!(imported.findings[0].message.contains("helm template"));
}

#[test]
fn lists_are_read_whatever_their_keys_are() {
    let text = r#"{"streams":[{"name":"O","subjects":["o.>"],"mirror":null},{"name":"M","mirror":"O"},{"name":"S","sources":["O"]}],
"consumers":[{"stream":"O","durable_name":"b","ack_policy":"explicit"},{"streamName":"O","durable":"c","ack_policy":"all"}],
"kv":[{"bucket":"K","history":5}],"object_stores":[{"bucket":"F"}]}"#;
    insta::assert_snapshot!(check("js.json", text), @r"
    streams:
      O:
        subjects: [o.>]
        max_age: unlimited
        consumers:
          b: {}
          c: { ack_policy: all }

      M:
        max_age: unlimited
        mirror: { name: O }

      S:
        max_age: unlimited
        sources: [{ name: O }]

    key_values:
      K: { history: 5 }

    object_stores:
      F: {}
    js.json:1:21: warning[S030]: `O` is unlimited and grows forever
    js.json:1:67: warning[S030]: `M` is unlimited and grows forever
    js.json:1:93: warning[S030]: `S` is unlimited and grows forever
    ");
}

#[test]
fn names_are_not_chosen_among() {
    let tf = r#"resource "jetstream_stream" "o" {
  name = "O"
  subjects = ["o.>"]
  max_age = 604800
  max_ack_pending = 500
  placement_cluster = "east"
  republish_source = "o.>"
  republish_destination = "r.>"
  lifecycle { prevent_destroy = true }
}
"#;
    insta::assert_snapshot!(check("main.tf", tf), @r"
    streams:
      O:
        subjects: [o.>]
        max_age: 7d
        placement: { cluster: east }
        republish: { src: o.>, dest: r.> }
        allow_direct: true
    main.tf:5:3: warning[I002]: `max_ack_pending` is not understood
    ");
    let json = r#"[{"name":"A","subjects":["a"],"max_message_bytes":16384,"replication":3,"max_age_days":7,"max_ack_pending":9,"max_agee":3600000000000}]"#;
    insta::assert_snapshot!(check("a.json", json), @r"
    streams:
      A:
        subjects: [a]
        max_age: 1h
        max_msg_size: 16KiB
    a.json:1:31: warning[I001]: unknown field `max_message_bytes`; taken for `max_msg_size`
    a.json:1:57: warning[I002]: `replication` is not understood
    a.json:1:73: warning[I002]: `max_age_days` is not understood
    a.json:1:90: warning[I002]: `max_ack_pending` is not understood
    a.json:1:110: warning[I001]: unknown field `max_agee`; taken for `max_age`
    ");
    let nack = "apiVersion: jetstream.nats.io/v1beta2\nkind: Stream\nspec:\n  name: M\n  storage: file\n  maxAge: 1d\n  mirror: { name: O, externalApiPrefix: JS.a.API, externalDeliverPrefix: d }\n---\napiVersion: jetstream.nats.io/v1beta2\nkind: Consumer\nspec:\n  streamName: M\n  durableName: c\n  ackPolicy: none\n  deliverSubject: x\n  flowControl: true\n  heartbeatInterval: 5s\n";
    insta::assert_snapshot!(check("nack.yaml", nack), @r"
    streams:
      M:
        max_age: 1d
        mirror: { name: O, external: { api: JS.a.API, deliver: d } }
        consumers:
          c: { ack_policy: none, deliver_subject: x, idle_heartbeat: 5s, flow_control: true }
    ");
}

#[test]
fn servers_that_know_who_connects_are_not_open() {
    for (conf, unread) in [
        ("authorization { token: t }", false),
        ("authorization { user: u, password: p }", false),
        ("tls { cert_file: c, key_file: k, ca_file: a, verify: true }", false),
        ("operator: x.jwt", true),
    ] {
        let text = format!("listen: 0.0.0.0:4222\njetstream {{ store_dir: /d }}\n{conf}\n");
        let out = check("nats.conf", &text);
        assert!(!out.contains("L010") && out.contains("that is not read") == unread, "{out}");
    }
}
