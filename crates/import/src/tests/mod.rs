use std::fmt::Write as _;

use super::*;
use watershed_topology::render::render;

/// What a source comes to: the file that it is, and everything that is said about it.
fn check(name: &str, text: &str) -> String {
    let mut sources = SourceMap::default();
    let file = sources.add(name, text);
    let (imported, _) = import(&sources, &[file]);
    let mut out = render(&imported.topology, &Comments::new());
    let out_of_head = out.split_off(out.find("\n\n").map_or(out.len(), |head| head + 2));
    let mut out = out_of_head;
    let (found, _) = lint(&sources, &[file], &imported, None);
    for found in found.iter().filter(|found| found.severity > Severity::Info) {
        let _ = writeln!(out, "{}", found.plain(&sources).lines().next().unwrap_or_default());
    }
    out
}

#[test]
fn answers_of_the_server_are_read() {
    let info = r#"{"type":"io.nats.jetstream.api.v1.stream_info_response","config":{"name":"ORDERS","subjects":["orders.>"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":1073741824,"max_age":604800000000000,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old","storage":"file","num_replicas":1,"duplicate_window":120000000000,"allow_direct":true,"metadata":{"_nats.level":"0"}},"created":"2026-01-01T00:00:00Z","state":{"messages":0}}"#;
    insta::assert_snapshot!(check("stream.json", info), @r"
    streams:
      ORDERS:
        subjects: [orders.>]
        max_age: 7d
        max_bytes: 1GiB
        allow_direct: true
    ");
    let consumer = r#"{"stream_name":"ORDERS","name":"c","config":{"durable_name":"c","name":"c","deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"filter_subject":"orders.paid","replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"num_replicas":0}}"#;
    insta::assert_snapshot!(check("consumer.json", consumer), @r"
    streams:
      ORDERS:
        consumers:
          c: { filter_subject: orders.paid }
    consumer.json:1:61: warning[I002]: these files have no stream `ORDERS`, only consumers of it
    ");
}

#[test]
fn buckets_are_what_clients_made_them() {
    // As nats-py does.
    let info = r#"{"config":{"name":"KV_s","subjects":["$KV.s.>"],"max_age":3600000000000,"max_msgs_per_subject":5,"discard":"new","deny_delete":true,"allow_rollup_hdrs":true,"allow_direct":false,"allow_msg_ttl":true}}"#;
    let expected =
        "key_values:\n  s: { history: 5, ttl: 1h, allow_msg_ttl: true, allow_direct: false }\n";
    assert_eq!(check("kv.json", info), expected);
    let odd = info.replace("\"deny_delete\":true", "\"deny_delete\":false");
    assert!(check("kv.json", &odd).starts_with("streams:\n  KV_s:\n"));
}

#[test]
fn lists_of_streams_are_read_with_every_guess() {
    let text = "{\n  \"streams\": [\n    {\"name\": \"A\", \"subjects\": [\"a.>\"], \"max_age\": 604800, \"replicas\": 3},\n    {\"name\": \"B\", \"subjects\": [\"a.b\"], \"max_age\": \"7d\", \"retention\": \"work\"},\n    {\"name\": \"C\", \"subjects\": [\"c\"], \"max_age_seconds\": 3600, \"colour\": \"red\"}\n  ]\n}\n";
    insta::assert_snapshot!(check("js-streams.json", text), @r"
    streams:
      A:
        subjects: [a.>]
        max_age: 604µs800ns
        num_replicas: 3

      B:
        subjects: [a.b]
        retention: workqueue
        max_age: 7d

      C:
        subjects: [c]
        max_age: 1h
    js-streams.json:3:51: error[C000]: stream `A`: max age needs to be >= 100ms
    js-streams.json:3:51: warning[I001]: 604800 nanoseconds; as seconds it would be 7d
    js-streams.json:3:59: warning[I001]: unknown field `replicas`; taken for `num_replicas`
    js-streams.json:4:32: error[S004]: `a.b` of `B` overlaps with `a.>` of `A`: `a.b` matches both
    js-streams.json:4:51: warning[I001]: the API takes nanoseconds: `7d` is 604800000000000 of them
    js-streams.json:4:70: warning[I001]: `work` is taken for `workqueue`
    js-streams.json:5:38: warning[I001]: unknown field `max_age_seconds`; taken for `max_age`
    js-streams.json:5:63: warning[I002]: `colour` is not understood
    ");
}

#[test]
fn manifests_are_read() {
    let text = "apiVersion: jetstream.nats.io/v1beta2\nkind: Stream\nmetadata:\n  name: orders\nspec:\n  name: ORDERS\n  subjects: [\"orders.>\"]\n  maxAge: 24h\n  maxBytes: 1000000\n---\napiVersion: jetstream.nats.io/v1beta2\nkind: Consumer\nmetadata:\n  name: c\nspec:\n  streamName: ORDERS\n  durableName: c\n  deliverPolicy: all\n  ackPolicy: explicit\n  maxDeliver: 5\n  filterSubject: orders.paid\n---\napiVersion: jetstream.nats.io/v1beta2\nkind: KeyValue\nmetadata: { name: s }\nspec: { bucket: settings, history: 5, ttl: 1h }\n";
    insta::assert_snapshot!(check("nack.yaml", text), @r"
    streams:
      ORDERS:
        subjects: [orders.>]
        storage: memory
        max_age: 1d
        max_bytes: 1MB
        consumers:
          c: { filter_subject: orders.paid, max_deliver: 5 }

    key_values:
      settings: { history: 5, ttl: 1h }
    nack.yaml:6:9: warning[I001]: nack keeps a stream without `storage` in memory
    nack.yaml:6:9: warning[S025]: `ORDERS` forgets its messages at a restart, and has durable consumers
    ");
}

#[test]
fn terraform_is_read() {
    let text = r#"variable "age" {}
resource "jetstream_stream" "orders" {
  name     = "ORDERS"
  subjects = ["orders.*", "orders.eu.x"]
  storage  = "file"
  max_age  = 60 * 60 * 24 * 365
  replicas = 3
  duplicate_window = var.age
  source {
    name = "OTHER"
    filter_subject = "orders.us"
  }
  ack = false
}
resource "jetstream_consumer" "c" {
  stream_id      = jetstream_stream.orders.id
  durable_name   = "c"
  deliver_all    = true
  filter_subject = "orders.paid"
  max_delivery   = 5
  ack_wait       = 30
  sample         = 100
}
resource "jetstream_kv_bucket" "s" {
  name = "settings"
  ttl = 60
  history = 10
}
resource "null_resource" "x" {}
"#;
    insta::assert_snapshot!(check("main.tf", text), @r#"
    streams:
      ORDERS:
        subjects: [orders.*, orders.eu.x]
        max_age: 365d
        num_replicas: 3
        no_ack: true
        sources: [{ name: OTHER, filter_subject: orders.us }]
        allow_direct: true
        consumers:
          c: { filter_subject: orders.paid, max_deliver: 5, max_ack_pending: 20_000, sample_freq: "100" }

    key_values:
      settings: { history: 10, ttl: 1m }
    main.tf:8:3: warning[I002]: what `duplicate_window` is, is not known here
    main.tf:10:12: warning[M009]: unknown stream `OTHER`
    "#);
    assert!(check("bad.tf", "resource {{{").contains("I002"));
}

#[test]
fn scripts_are_read() {
    let text = r#"#!/bin/sh
NATS_URL=${NATS_URL:-nats://nats:4222}
AGE=30d
nats --server "$NATS_URL" stream add PLANNING \
  --subjects "planning.>" --storage file --retention limits \
  --max-age $AGE --max-msgs 1000000 --defaults || echo "may exist"
for name in a b; do
  nats stream add "S_$name" --subjects "$name.*" --max-bytes 10G --defaults
done
create() {
  local stream=$1 subjects=$2
  nats stream add "$stream" --subjects "$subjects" --max-age "$3" --defaults 2>/dev/null
}
create EVENTS "events.>,logs" 1h
nats consumer add EVENTS worker --pull --filter events.job --ack explicit --ack-wait 30s --max-deliver 3
for x in $(nats stream ls); do nats stream add "$x" --defaults; done
nats stream add "$UNKNOWN" --defaults
"#;
    insta::assert_snapshot!(check("init.sh", text), @r"
    streams:
      PLANNING:
        subjects: [planning.>]
        max_age: 30d
        max_msgs: 1_000_000
        allow_direct: true

      S_a:
        subjects: [a.*]
        max_bytes: 10GiB
        allow_direct: true

      S_b:
        subjects: [b.*]
        max_bytes: 10GiB
        allow_direct: true

      EVENTS:
        subjects: [events.>, logs]
        max_age: 1h
        allow_direct: true
        consumers:
          worker: { filter_subject: events.job, max_deliver: 3 }
    init.sh:4:1: warning[I003]: every failure of this command is hidden, including overlaps and wrong flags
    init.sh:12:78: warning[I003]: what the tool says about a failure of this command is thrown away
    init.sh:15:1: error[I004]: without `--defaults` the tool asks for what is not given, and fails where nobody answers
    init.sh:15:75: error[I004]: unknown flag `--ack-wait` of `nats consumer add`: the command fails
    init.sh:16:10: warning[I002]: what `nats` prints is not known here: this command was not read
    init.sh:17:17: warning[I002]: `UNKNOWN` is not known here: this command was not read
    ");
}

#[test]
fn permissions_that_streams_need_are_missed() {
    let text = r#"jetstream { max_file_store: 10G }
authorization { users: [
  { user: a, password: $A, permissions: { publish: ["context.>"], subscribe: ["planning.>"] } }
  { user: b, password: $B, permissions: { publish: { allow: ["b.>", "$JS.API.>", "$JS.ACK.>"] }, subscribe: ["b.>", "_INBOX.>"] } }
  { user: c, password: $C, permissions: { publish: { deny: "x" }, subscribe: { deny: "y" } } }
] }
"#;
    insta::assert_snapshot!(check("nats.conf", text), @r#"
    users:
      a: { password: { env: A }, permissions: { publish: [context.>], subscribe: [planning.>] } }
      b: { password: { env: B }, permissions: { publish: [b.>, $JS.API.>, $JS.ACK.>], subscribe: [b.>, _INBOX.>] } }
      c: { password: { env: C }, permissions: { publish: { deny: [x] }, subscribe: { deny: ["y"] } } }

    server:
      jetstream: { max_file_store: 10GB }
    nats.conf:3:28: warning[I009]: who publishes `context.>` and may not subscribe to `_INBOX.>` has messages stored and never learns of it
    nats.conf:3:28: warning[I009]: who reads `planning.>` through a consumer asks for messages on `$JS.API…` and acknowledges on `$JS.ACK…`, and may publish to neither
    nats.conf:4:28: warning[I008]: `$JS.API.>` lets them delete every stream of the account
    "#);
}

#[test]
fn a_configuration_is_looked_through() {
    let text = r#"server_name: "my server"
jetstream { store_dir: /data, sync_interval: 2m, limits { max_ack_pending: 100, duplicate_window: "1m" } }
cluster { name: c }
no_auth_user: guest
accounts {
  SHOP {
    jetstream { max_streams: 3, max_bytes: 10G, max_file: 1G }
    users: [ { user: a, password: $A }, { user: guest, password: "$2a$04$XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX" } ]
    exports: [ { stream: "orders.>", accounts: [AUDIT] }, { service: quote } ]
  }
  AUDIT {
    users: [ { user: a, password: $B } ]
    imports: [ { stream: { account: SHOP, subject: "orders.*" }, to: orders }, { service: { account: SHOP, subject: price } }, { stream: { account: NOBODY, subject: x } } ]
  }
}
"#;
    insta::assert_snapshot!(check("nats.conf", text), @r"
    server:
      jetstream: { store_dir: /data, max_file_store: 1GB, max_streams: 3, limits: { max_ack_pending: 100, duplicate_window: 1m } }
    nats.conf:1:14: error[I011]: white space in the name of a server: `my server`
    nats.conf:2:46: error[I010]: `2m` is the number 2000000 here, in seconds
    nats.conf:4:15: warning[I013]: whoever connects without a password may do everything in the account, delete every stream too
    nats.conf:7:44: error[I011]: `max_bytes` is true or false here: whether every stream must have `max_bytes`
    nats.conf:8:22: warning[I008]: `a` may do everything, delete every stream too
    nats.conf:8:49: warning[I008]: `guest` may do everything, delete every stream too
    nats.conf:8:66: warning[F010]: a bcrypt hash of cost 4 is soon guessed by whoever has the file
    nats.conf:12:22: error[I011]: there are two users `a`
    nats.conf:13:70: error[A013]: `orders.*`: not using all of the token wildcard(s) in orders
    nats.conf:13:117: error[A014]: `SHOP` exports no service `price` to `AUDIT`
    nats.conf:13:149: error[I011]: unknown account `NOBODY`
    ");
    let shared = "accounts { A { jetstream: enabled, exports: [{ stream: \"a.>\", accounts: [B, C] }, { service: q, response: Stream }], imports: [{ stream: { account: A, subject: \"x.*\" }, to: \"y.$1\" }] } }\n";
    insta::assert_snapshot!(check("nats.conf", shared), @r"
    exports:
      - { stream: a.>, accounts: [B, C] }
      - { service: q, response: stream }

    imports:
      - { stream: { account: A, subject: x.* }, to: y.$1 }
    nats.conf:1:149: error[A013]: an account imports nothing from itself
    nats.conf:1:161: error[A014]: `A` exports no stream `x.*` to `A`
    ");
    let alone =
        "port: 4222\naccounts { A { users: [{ user: a, password: $A }] } }\njetstream: enabled\n";
    insta::assert_snapshot!(check("nats.conf", alone), @r"
    users:
      a: { password: { env: A }, role: admin }

    server:
      listen: 0.0.0.0:4222
    nats.conf:2:1: error[I012]: no account has JetStream: every request for a stream is refused with error 10039
    ");
}

#[test]
fn an_edit_changes_what_was_added() {
    let text = "#!/bin/sh\nnats stream add A --subjects a --max-age 1d --defaults\nnats stream edit A --max-age 2d --force\n";
    assert_eq!(
        check("a.sh", text),
        "streams:\n  A:\n    subjects: [a]\n    max_age: 2d\n    allow_direct: true\n"
    );
}

#[test]
fn scripts_that_never_end_are_given_up() {
    let doubling = format!(
        "#!/bin/sh\nA=aaaaaaaa\nfor i in {}; do A=$A$A; done\nnats stream add $A --defaults\n",
        "x ".repeat(60)
    );
    assert!(check("a.sh", &doubling).contains("this is a long text"));
    let recursion = "#!/bin/sh\nf() { f; f; }\nf\nnats stream add A --subjects a --defaults\n";
    assert!(check("b.sh", recursion).contains("does more than is followed"));
    let unclosed = format!("#!/bin/sh\n{}nats stream add A --defaults\n", "f(){\n".repeat(50_000));
    check("c.sh", &unclosed);
    check("d.sh", &"for a in b; do ".repeat(50_000));
}

#[test]
fn fields_are_those_that_the_server_knows() {
    let text = "log_level: info\nSTORE = /d\nstream_defaults {}\njetstream { store_dir: $STORE, max_memory: 1GB, max_file: \"10G\" }\naccounts { $G { jetstream: enabled }, A { user: x, users: [ { user: a, pasword: b } ] } }\ninclude './more.conf'\n";
    insta::assert_snapshot!(check("nats.conf", text), @r"
    server:
      jetstream: { store_dir: /d, max_file_store: 10GiB, max_memory_store: 1GiB }
    nats.conf:1:1: error[I011]: unknown field `log_level`
    nats.conf:3:1: error[I011]: unknown field `stream_defaults`
    nats.conf:4:32: error[I011]: unknown field `max_memory` in `jetstream`
    nats.conf:5:12: error[I011]: `$G` is reserved, and cannot be configured
    nats.conf:5:43: error[I011]: unknown field `user` in account `A`
    nats.conf:5:72: error[I011]: unknown field `pasword` in `users`
    nats.conf:6:9: warning[I002]: `./more.conf` is included, and not read: it is not among the files that were given, or not in their folder
    ");
    insta::assert_snapshot!(check("nats.conf", "jetstream { max_file: \"10GB\" }\n"), @"nats.conf:1:23: error[I011]: invalid size `10GB`: in quotes it ends in K, M, G or T");
}

#[test]
fn what_a_config_map_carries_is_read_in_its_lines() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x }\ndata:\n  js-streams.json: |\n    [\n      {\"name\": \"A\", \"subjects\": [\"a..b\"], \"max_age\": 604800000000000}\n    ]\n  init.sh: |\n    nats stream add B --subjects b --ttl 1h --defaults\n---\napiVersion: batch/v1\nkind: Job\nspec:\n  template:\n    spec:\n      containers:\n        - name: c\n          command: [\"/bin/sh\", \"-c\"]\n          args:\n            - |\n              nats stream add C --subjects 'c.>' --defaults || true\n";
    insta::assert_snapshot!(check("job.yaml", text), @r"
    streams:
      A:
        subjects: [a..b]
        max_age: 7d

      B:
        subjects: [b]
        max_age: unlimited
        allow_direct: true

      C:
        subjects: [c.>]
        max_age: unlimited
        allow_direct: true
    job.yaml:7:34: error[S001]: invalid subject `a..b`: a subject cannot have an empty token (a dot at an end, or two in a row)
    job.yaml:10:36: error[I004]: unknown flag `--ttl` of `nats stream add`: the command fails
    job.yaml:22:15: warning[I003]: every failure of this command is hidden, including overlaps and wrong flags
    job.yaml:22:31: warning[S030]: `C` is unlimited and grows forever
    ");
}

#[test]
fn what_is_none_of_it_is_not_recognized() {
    for (name, text) in
        [("a.yaml", "services: { a: { image: x } }\n"), ("b.json", "[1, 2]"), ("c.yaml", "")]
    {
        let mut sources = SourceMap::default();
        let file = sources.add(name, text);
        assert!(!import(&sources, &[file]).0.recognized, "{text}");
    }
}

#[test]
fn what_stands_in_quotes_is_read_at_its_place() {
    let text = "apiVersion: v1\nkind: ConfigMap\ndata:\n  streams.json: '[{\"name\": \"A\", \"subjects\": [\"a\"], \"max_age\": 3}]'\n  \
                more.json: \"[{\\\"name\\\": \\\"B\\\",\\n\\\"subjects\\\": [\\\"b\\\"], \\\"max_age\\\": 5}]\"\n  \
                odd.json: \"[{\\\"name\\\": \\\"C\\\", \\\"subjects\\\": [\\\"\\u0063\\\"]}]\"\n";
    insta::assert_snapshot!(check("cm.yaml", text), @r"
    streams:
      A:
        subjects: [a]
        max_age: 3ns

      B:
        subjects: [b]
        max_age: 5ns
    cm.yaml:4:63: error[C000]: stream `A`: max age needs to be >= 100ms
    cm.yaml:4:63: warning[I001]: 3 nanoseconds; as seconds it would be 3s
    cm.yaml:5:71: error[C000]: stream `B`: max age needs to be >= 100ms
    cm.yaml:5:71: warning[I001]: 5 nanoseconds; as seconds it would be 5s
    cm.yaml:6:13: warning[I002]: `odd.json` has escapes in its quotes: write it behind `|` to have it read
    ");
}

#[test]
fn a_script_that_takes_away_or_tries_out_is_noticed() {
    let text = "#!/bin/sh\nnats stream add A --subjects 'a.>' --defaults\nnats consumer add A c --pull --ack explicit --defaults --filter a.x\nnats pub a.x hello\nnats pub a.y hello\nnats stream purge A -f\nfor s in $(nats stream ls -n); do nats stream rm $s -f; done\n";
    insta::assert_snapshot!(check("a.sh", text), @r"
    streams:
      A:
        subjects: [a.>]
        max_age: unlimited
        allow_direct: true
        consumers:
          c: { filter_subject: a.x }
    a.sh:2:17: warning[S030]: `A` is unlimited and grows forever
    a.sh:4:10: warning[I016]: `a.x` is stored in `A`, and `c` takes it for work
    a.sh:6:1: warning[I015]: this empties `A`, whenever the script runs
    a.sh:7:35: warning[I015]: this deletes streams that are not named here with messages and consumers, whenever the script runs
    ");
}

#[test]
fn what_a_server_reports_is_no_error() {
    let answer = r#"{"config":{"name":"W","subjects":["w.>"],"retention":"workqueue","max_age":3600000000000},"created":"2026-01-01T00:00:00Z","state":{}}"#;
    let consumer = r#"{"stream_name":"W","name":"c","created":"2026-01-01T00:00:00Z","config":{"durable_name":"c","ack_policy":"explicit","filter_subject":"w.x"}}"#;
    let both = |answer: &str| check("info.json", &format!("[{answer},{consumer}]"));
    assert!(both(answer).contains("warning[X007]: no consumer takes `w.x1`"), "{}", both(answer));
    let wanted = answer.replace(r#""created":"2026-01-01T00:00:00Z","#, "");
    assert!(both(&wanted).contains("error[X007]"), "{}", both(&wanted));
}

mod against;
mod code;
mod containers;
mod scripts;
