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

#[test]
fn configurations_of_other_programs_are_none() {
    for (name, text) in [
        ("infra/cache/redis.conf", "bind 127.0.0.1\nport 6379\nsave 900 1\nmaxmemory 1gb\n"),
        (
            "web/site.conf",
            "server {\n  listen 80;\n  server_name shop.example;\n  location / { }\n}\n",
        ),
        (
            "db/postgresql.conf",
            "listen_addresses = '*'\nport = 5432\nwork_mem = 4MB\nshared_buffers = 1GB\nmax_connections = 9\n",
        ),
        ("mqtt/mosquitto.conf", "listener 1883\nallow_anonymous true\npersistence true\n"),
        ("build/checks.conf", "checks = [all]\n"),
    ] {
        let mut sources = SourceMap::default();
        let file = sources.add(name, text);
        let (imported, others) = import(&sources, &[file]);
        assert!(!imported.recognized && imported.findings.is_empty(), "{name}");
        assert_eq!(others, [file], "{name}");
    }
    for (name, text) in [
        ("nats/broken.conf", "jetstream {\n  store_dir: \n"),
        ("hub.conf", "port: 4222\nlog_level: info\n"),
        ("hub.conf", "authorization { token: \"t\" \n"),
        ("nats-hub.conf", "colour: red\n"),
    ] {
        let mut sources = SourceMap::default();
        let file = sources.add(name, text);
        let (imported, _) = import(&sources, &[file]);
        assert!(imported.recognized || !imported.findings.is_empty(), "{name}: {text}");
    }
}

#[test]
fn what_only_looks_like_a_stream_is_none() {
    for (name, text) in [
        (
            "charts/shop/Chart.yaml",
            "apiVersion: v2\nname: shop\nversion: 1.0.0\nsources:\n  - https://example.org/shop\n",
        ),
        ("pack.yaml", "entities:\n  - name: Ship\n    storage: pack\n    extends: Thing\n"),
        ("claims.yaml", "volumes:\n  - name: data\n    storage: 10Gi\n    class: fast\n"),
        ("logs.yaml", "sinks:\n  - name: out\n    stream: stdout\n    level: info\n"),
        ("job.yaml", "worker:\n  stream: ORDERS\n  durable: true\n  batch: 5\n  url: nats://x\n"),
        ("site.json", r#"{"name":"site","retention":"7d","url":"x","owner":"y"}"#),
    ] {
        assert_eq!(check(name, text), "", "{name}");
    }
}

#[test]
fn settings_say_in_which_unit_they_count() {
    let text = "jetstream:\n  name: ORDERS\n  subjects: [orders.>]\n  max_age: 24\n  storage-type: memory\n  retention_days: 3\n  colour: red\n";
    insta::assert_snapshot!(check("settings.yaml", text), @r"
    streams:
      ORDERS:
        subjects: [orders.>]
        storage: memory
        max_age: unlimited
    settings.yaml:4:12: warning[I002]: in which unit `24` counts is not known here
    settings.yaml:5:3: warning[I001]: unknown field `storage-type`; taken for `storage`
    settings.yaml:6:3: warning[I002]: `retention_days` is not understood
    settings.yaml:7:3: warning[I002]: `colour` is not understood
    ");
}

#[test]
fn what_is_not_read_is_said_once_of_each_kind() {
    let mut sources = SourceMap::default();
    let chart = "kind: ConfigMap\ndata:\n  x: {{ .Values.natsJetstream }}\n";
    let program = "using NATS.Client.JetStream;\nawait js.CreateStreamAsync(new StreamConfig(\"A\", [\"a\"]));\n";
    let files = [
        sources.add("c/templates/a.yaml", chart),
        sources.add("c/templates/b.yaml", chart),
        // Nothing of streams, and no template of Helm.
        sources.add("c/templates/c.yaml", "a: {{ .Values.nats.url }}\n"),
        sources.add("release.yml", "x: {{ if .Jetstream }}nats{{ end }}\n"),
        sources.add("src/Bus.cs", program),
        sources.add("src/Other.cs", program),
        sources.add("src/Core.cs", "using NATS.Client.Core;\n"),
        sources.add(
            "src/Bus.kt",
            "val c = StreamConfiguration.builder() // nats\nval s = js.addStream(c)\n",
        ),
    ];
    let (imported, _) = import(&sources, &files);
    assert!(imported.incomplete);
    let said: Vec<String> = imported.findings.iter().map(|one| one.plain(&sources)).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    c/templates/a.yaml:3:6: warning[I002]: a template of Helm: render it first, with `helm template`, and name what comes out (and 1 more)
    src/Bus.cs:2:32: warning[I002]: programs in C# are not read, and this one makes streams or consumers (and 1 more)
    src/Bus.kt:1:9: warning[I002]: programs in Kotlin are not read, and this one makes streams or consumers
    ");
}

#[test]
fn the_command_of_a_server_switches_jetstream_on() {
    let conf = "port: 4222\n";
    let script = "nats stream add A --subjects 'a.>' --defaults\n";
    let compose =
        |command: &str| format!("services:\n  n:\n    image: nats:2.12\n    command: {command}\n");
    for (compose, off) in [
        (compose("-c /etc/nats.conf"), true),
        (compose("-c /etc/nats.conf -js"), false),
        (compose("[\"--jetstream\", \"-c\", \"/etc/nats.conf\"]"), false),
    ] {
        let mut sources = SourceMap::default();
        let files = [
            sources.add("nats.conf", conf),
            sources.add("a.sh", script),
            sources.add("compose.yaml", compose.as_str()),
        ];
        let (imported, _) = import(&sources, &files);
        assert_eq!(imported.findings.iter().any(|one| one.code == "I012"), off, "{compose}");
    }
    // Users alone are a part of a configuration.
    let mut sources = SourceMap::default();
    let users = "authorization { users = [ { user: a, password: $P } ] }\n";
    let files = [sources.add("users.conf", users), sources.add("a.sh", script)];
    let (imported, _) = import(&sources, &files);
    assert!(!imported.findings.iter().any(|one| one.code == "I012"));
}

#[test]
fn what_a_tool_refuses_of_its_own_file_is_an_error() {
    let nack = "apiVersion: jetstream.nats.io/v1beta2\nkind: Stream\nspec:\n  name: A\n  subjects: [a]\n  storage: ram\n  maxAge: 3600\n  compression: \"\"\n";
    insta::assert_snapshot!(check("a.yaml", nack), @r"
    streams:
      A:
        subjects: [a]
        max_age: unlimited
    a.yaml:6:12: error[I004]: `ram` is none of file, memory
    a.yaml:7:11: error[I004]: missing unit in `3600`: nack refuses it; as seconds it would be 1h
    ");
    let terraform = "resource \"jetstream_stream\" \"a\" {\n  name = \"A\"\n  subjects = [\"a\"]\n  storage = \"disk\"\n  max_age = 604800000000000\n}\n";
    insta::assert_snapshot!(check("a.tf", terraform), @r"
    streams:
      A:
        subjects: [a]
        max_age: unlimited
        allow_direct: true
    a.tf:4:13: error[I004]: `disk` is none of file, memory
    a.tf:5:13: error[I004]: the provider counts seconds, and 604800000000000 are too many; as nanoseconds it would be 7d
    ");
    let consumer = |more: &str| {
        format!(
            "apiVersion: jetstream.nats.io/v1beta2\nkind: Consumer\nspec:\n  streamName: A\n  durableName: c\n  ackPolicy: explicit\n{more}"
        )
    };
    let twice =
        format!("{}---\n{}---\n{}", consumer(""), consumer(""), consumer("  maxDeliver: 3\n"));
    insta::assert_snapshot!(check("b.yaml", &twice), @r"
    streams:
      A:
        consumers:
          c: {}
    b.yaml:5:16: warning[I002]: these files have no stream `A`, only consumers of it
    b.yaml:19:16: error[I005]: consumer `A/c` is defined twice, and not alike: `max_deliver` is unlimited there and 3 here
    ");
}
