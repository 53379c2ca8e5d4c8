//! What the linter promises of the server, asked of real ones: what it says is refused is refused
//! with the code it names, what it says is accepted is accepted, and what it passes is taken.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use watershed_topology::diagnostic::ServerSays;
use watershed_topology::lint::RULES;
use watershed_topology::read::{Document, Read, read};
use watershed_topology::source::Spanned;
use watershed_topology::{Severity, SourceMap, Topology, Version};

use watershed_peers::{NatsServer, nats_servers};

/// Rules whose promise is not about what a single server answers to a request.
const ELSEWHERE: &[(&str, &str)] = &[
    ("N001", "the name is a token of the request's subject, which is another one then"),
    ("N002", "the name is a token of the request's subject, which is another one then"),
    ("C016", "needs a cluster that keeps copies"),
    ("L004", "needs a cluster that keeps copies"),
    ("S022", "needs a cluster that keeps copies"),
    ("X001", "is about who reads, not about what is made"),
];

/// Tries at making what a server is still deleting.
const TRIES: usize = 100;

fn lint(body: &str, target: Version) -> Read {
    let mut sources = SourceMap::default();
    let text = format!("watershed: 1\nname: x\n{body}");
    let file = sources.add("watershed.yaml", &text);
    read(&sources, vec![Document::new(&sources, file)], Vec::new(), Some(target))
}

/// Makes everything that a topology declares; the codes of what was refused.
async fn make(client: &async_nats::Client, topology: &Topology) -> BTreeSet<u64> {
    let mut refused = BTreeSet::new();
    let call = async |subject: String, body: Value| {
        // What was deleted a moment ago under this name may still be going (10049).
        for _ in 0..TRIES {
            let reply = client.request(subject.clone(), body.to_string().into()).await;
            let reply = reply.unwrap_or_else(|error| panic!("{subject}: {error}"));
            let reply: Value = serde_json::from_slice(&reply.payload).unwrap();
            match reply["error"]["err_code"].as_u64() {
                Some(10049) => {}
                code => return code,
            }
        }
        Some(10049)
    };
    for stream in &topology.streams {
        let subject = format!("$JS.API.STREAM.CREATE.{}", stream.name.value);
        refused.extend(call(subject, json!(stream.config)).await);
    }
    for (stream, consumer) in topology.consumers() {
        let (stream, name) = (&stream.name.value, &consumer.name.value);
        let subject = format!("$JS.API.CONSUMER.CREATE.{stream}.{name}");
        let body = json!({"stream_name": stream, "config": consumer.config});
        refused.extend(call(subject, body).await);
    }
    for stream in &topology.streams {
        call(format!("$JS.API.STREAM.DELETE.{}", stream.name.value), json!({})).await;
    }
    refused
}

/// What the linter promises about a body, and what it says itself.
fn promised(found: &Read, code: Option<&str>) -> (BTreeSet<u64>, bool, Vec<String>) {
    let own = || found.diagnostics.iter().filter(|one| code.is_none_or(|code| one.code == code));
    let refused = own().filter_map(|one| match one.server {
        ServerSays::Refuses(code) => Some(u64::from(code)),
        _ => None,
    });
    let accepts = own().any(|one| one.server == ServerSays::Accepts);
    let texts = own().map(|one| format!("{}: {}", one.code, one.message));
    (refused.collect(), accepts, texts.collect())
}

/// One server with all that is promised about it; what turned out otherwise.
async fn differences(program: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let server = NatsServer::start(program);
    let client = async_nats::connect(&server.url).await.unwrap();
    let version = client.server_info().version;
    let target = Version::of_server(&version);
    let mut compare = |what: &str,
                       expected: &BTreeSet<u64>,
                       got: &BTreeSet<u64>,
                       said: &[String]| {
        // A server says one thing at a time.
        let same = if expected.is_empty() {
            got.is_empty()
        } else {
            !got.is_empty() && got.is_subset(expected)
        };
        if !same {
            found.push(format!("{version}: {what}: promised {expected:?}, got {got:?}; {said:?}"));
        }
    };
    for rule in RULES.iter().filter(|rule| ELSEWHERE.iter().all(|(code, _)| *code != rule.code)) {
        let bad = lint(rule.bad, target);
        let (refused, accepts, said) = promised(&bad, Some(rule.code));
        if !refused.is_empty() || accepts {
            let got = match bounded(&bad.topology) {
                None => make(&client, &bad.topology).await,
                Some(conf) => make_bounded(program, &conf, &bad.topology).await,
            };
            compare(rule.code, &refused, &got, &said);
        }
        let good = lint(rule.good, target);
        if promised(&good, None).0.is_empty() {
            compare(rule.name, &BTreeSet::new(), &make(&client, &good.topology).await, &[]);
        }
    }
    for case in CASES {
        let bad = lint(case, target);
        let (refused, _, said) = promised(&bad, None);
        compare(case, &refused, &make(&client, &bad.topology).await, &said);
    }
    for case in BOUNDED {
        let bad = lint(case, target);
        let (refused, _, said) = promised(&bad, None);
        let conf = bounded(&bad.topology).unwrap();
        let got = make_bounded(program, &conf, &bad.topology).await;
        compare(case, &refused, &got, &said);
    }
    found
}

/// The same on a server with a configuration of its own.
async fn make_bounded(program: &Path, conf: &str, topology: &Topology) -> BTreeSet<u64> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nats.conf");
    std::fs::write(&path, conf).unwrap();
    let server = NatsServer::start_with(program, &["-c".into(), path.display().to_string()]);
    make(&async_nats::connect(&server.url).await.unwrap(), topology).await
}

/// The bounds of a topology as a nats.conf says them; `None` if it has none.
fn bounded(topology: &Topology) -> Option<String> {
    let server = &topology.server;
    let line = |key: &str, value: Option<i64>| value.map(|value| format!("{key}: {value}\n"));
    let size = |value: Option<u64>| value.map(u64::cast_signed);
    let spanned = |value: &Option<Spanned<u64>>| size(value.as_ref().map(|value| value.value));
    let store = [
        line("max_file_store", spanned(&server.max_file_store)),
        line("max_memory_store", spanned(&server.max_memory_store)),
    ];
    let limits = [
        line("max_ack_pending", server.limits.max_ack_pending),
        line("max_request_batch", server.limits.max_request_batch),
        server.limits.duplicate_window.map(|nanos| format!("duplicate_window: \"{nanos}ns\"\n")),
    ];
    let account = [
        line("max_streams", server.account.max_streams),
        line("max_consumers", server.account.max_consumers),
        line("max_ack_pending", server.account.max_ack_pending),
        server.account.max_bytes_required.then(|| "max_bytes_required: true\n".to_owned()),
        line("disk_max_stream_bytes", server.account.disk_max_stream_bytes),
        line("memory_max_stream_bytes", server.account.memory_max_stream_bytes),
    ];
    let text = |lines: &[Option<String>]| lines.iter().flatten().cloned().collect::<String>();
    let [store, limits, account] = [text(&store), text(&limits), text(&account)];
    if [&store, &limits, &account].iter().all(|text| text.is_empty()) {
        return None;
    }
    Some(format!(
        "jetstream {{\n{store} limits {{\n{limits} }}\n}}\naccounts {{ A {{ users: [{{ user: a, password: a }}]\n \
         jetstream {{ max_mem: -1\n{account} }} }} }}\nno_auth_user: a\n"
    ))
}

#[tokio::test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
async fn what_is_promised_of_servers_holds() {
    let programs = nats_servers();
    let mut all = Vec::new();
    for program in programs {
        all.extend(differences(&program).await);
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[tokio::test]
async fn what_is_promised_holds_here() {
    let server = watershed_server::Server::builder();
    let folder = tempfile::tempdir().unwrap();
    let server = server.store_dir(folder.path()).start().unwrap();
    let client = async_nats::connect(server.client_url()).await.unwrap();
    let mut found = Vec::new();
    for case in CASES.iter().filter(|case| !NOT_BUILT_HERE.iter().any(|field| case.contains(field)))
    {
        let bad = lint(case, Version::DEFAULT);
        let (refused, _, said) = promised(&bad, None);
        let got = make(&client, &bad.topology).await;
        if refused.is_empty() != got.is_empty() || !got.is_subset(&refused) {
            found.push(format!("{case}: promised {refused:?}, got {got:?}; {said:?}"));
        }
    }
    for case in BOUNDED {
        let bad = lint(case, Version::DEFAULT);
        let (refused, _, said) = promised(&bad, None);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nats.conf");
        let conf = bounded(&bad.topology).unwrap();
        std::fs::write(&file, format!("port: -1\nhost: 127.0.0.1\n{conf}")).unwrap();
        let (mut config, _) = watershed_server::read_config(&file, &|_| None).unwrap();
        config.jetstream.as_mut().unwrap().store_dir = folder.path().join("store");
        let server = watershed_server::Server::builder().config(config).start().unwrap();
        let client = async_nats::connect(server.client_url()).await.unwrap();
        let got = make(&client, &bad.topology).await;
        if refused.is_empty() != got.is_empty() || !got.is_subset(&refused) {
            found.push(format!("{case}: promised {refused:?}, got {got:?}; {said:?}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Topologies of which many are wrong, in few ways at a time.
mod random {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    const SUBJECTS: &[&str] =
        &["a", "a.b", "a.*", "a.>", "b.*.c", "b.x.>", "c", "d.e.f", "*.q", "e.>"];
    const STREAM: &[&str] = &[
        "storage: memory",
        "retention: workqueue",
        "retention: interest",
        "discard: new",
        "max_age: 1h",
        "max_age: 1m",
        "max_msgs: 10",
        "max_bytes: 1MiB",
        "max_msgs_per_subject: 2",
        "discard_new_per_subject: true",
        "duplicate_window: 5m",
        "duplicate_window: 500ms",
        "max_consumers: 1",
        "allow_rollup_hdrs: true",
        "deny_purge: true",
        "deny_delete: true",
        "no_ack: true",
        "max_msg_size: 1KiB",
        "allow_direct: true",
        "first_seq: 7",
        "compression: s2",
        "consumer_limits: { max_ack_pending: 10 }",
        "allow_msg_ttl: true",
        "subject_delete_marker_ttl: 5s",
        "republish: { src: a, dest: z.a }",
        "republish: { src: \"a.*\", dest: z.$1 }",
        "republish: { src: \"a.>\", dest: z }",
        "subject_transform: { src: \"a.*\", dest: y.$1 }",
        "subject_transform: { src: \"a.*\", dest: y.$2 }",
        "subject_transform: { src: \"b.>\", dest: y.> }",
        "sources: [{ name: O, filter_subject: o.x }]",
        "sources: [{ name: O, subject_transforms: [{ src: o.x, dest: y }, { src: o.y }] }]",
        "sources: [{ name: S0 }]",
    ];
    const CONSUMER: &[&str] = &[
        "ack_policy: none",
        "ack_policy: all",
        "ack_wait: 5s",
        "max_deliver: 2",
        "backoff: [1s, 2s, 3s]",
        "max_ack_pending: 20",
        "deliver_policy: new",
        "deliver_policy: last_per_subject",
        "deliver_policy: by_start_sequence",
        "opt_start_seq: 3",
        "deliver_subject: out.a",
        "deliver_group: g",
        "idle_heartbeat: 1s",
        "flow_control: true",
        "headers_only: true",
        "max_waiting: 5",
        "rate_limit_bps: 1000",
        "max_expires: 1s",
        "inactive_threshold: 5m",
        "filter_subject: a.b",
        "filter_subject: c",
        "filter_subjects: [a.b, b.x.y]",
        "filter_subjects: [\"a.*\", a.b]",
        "mem_storage: true",
        "replay_policy: original",
    ];

    /// Fields of which none is given twice.
    fn fields(all: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
        subsequence(all.to_vec(), 0..=most).prop_map(|fields| {
            let mut keys = Vec::new();
            let key = |field: &str| field.split(':').next().unwrap().to_owned();
            let once = fields.into_iter().filter(|field| {
                let known = keys.contains(&key(field));
                keys.push(key(field));
                !known
            });
            once.collect::<Vec<_>>().join(", ")
        })
    }

    pub(super) fn topology() -> impl Strategy<Value = String> {
        let consumer = fields(CONSUMER, 3);
        let consumers = proptest::collection::vec(consumer, 0..3);
        let subjects = proptest::collection::vec(select(SUBJECTS), 1..3);
        let stream = (subjects, fields(STREAM, 4), consumers);
        proptest::collection::vec(stream, 1..3).prop_map(|streams| {
            let mut text = String::from("streams:\n");
            for (index, (subjects, fields, consumers)) in streams.iter().enumerate() {
                let subjects: Vec<String> = subjects.iter().map(|one| format!("{one:?}")).collect();
                let comma = if fields.is_empty() { "" } else { ", " };
                let consumers: Vec<String> = consumers
                    .iter()
                    .enumerate()
                    .map(|(number, fields)| format!("c{number}: {{ {fields} }}"))
                    .collect();
                let _ = writeln!(
                    text,
                    "  S{index}: {{ subjects: [{}]{comma}{fields}, consumers: {{ {} }} }}",
                    subjects.join(", "),
                    consumers.join(", ")
                );
            }
            text
        })
    }
}

/// What the linter passes, a server takes; what the linter says is refused, is.
async fn random_differences(
    client: &async_nats::Client,
    target: Version,
    cases: u32,
) -> Vec<String> {
    let seed = std::env::var("WATERSHED_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(proptest::test_runner::Config::default(), rng);
    let mut found = Vec::new();
    for _ in 0..cases {
        let text = random::topology().new_tree(&mut runner).unwrap().current();
        let read = lint(&text, target);
        // A file that cannot be read says nothing about a server.
        if read
            .diagnostics
            .iter()
            .any(|one| one.code.starts_with('F') && one.severity == Severity::Error)
        {
            continue;
        }
        let (refused, _, said) = promised(&read, None);
        let got = make(client, &read.topology).await;
        if refused.is_empty() != got.is_empty() || !got.is_subset(&with_consequences(&refused)) {
            found.push(format!(
                "{target} seed {seed}: promised {refused:?}, got {got:?}\n{text}{said:?}"
            ));
        }
    }
    found
}

/// A stream that was refused is not there for its consumers (10059).
fn with_consequences(refused: &BTreeSet<u64>) -> BTreeSet<u64> {
    refused.iter().copied().chain([10059]).collect()
}

#[tokio::test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
async fn what_passes_is_taken() {
    let cases = std::env::var("WATERSHED_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = cases.unwrap_or(60);
    let programs = nats_servers();
    let mut all = Vec::new();
    for program in programs {
        let server = NatsServer::start(&program);
        let client = async_nats::connect(&server.url).await.unwrap();
        let target = Version::of_server(&client.server_info().version);
        all.extend(random_differences(&client, target, cases).await);
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Fields that this server refuses by name.
const NOT_BUILT_HERE: &[&str] = &["subject_transform", "republish", "external", "consumer: {"];

/// Assets that are within the bounds of a server, or beyond.
const BOUNDED: &[&str] = &[
    "streams: { A: { subjects: [a] }, B: { subjects: [b] } }\nserver: { jetstream: { max_streams: 1 } }",
    "streams: { A: { subjects: [a] }, B: { subjects: [b] } }\nserver: { jetstream: { max_streams: 2 } }",
    "streams: { A: { subjects: [a], consumers: { c: {}, d: {} } } }\nserver: { jetstream: { max_consumers: 1 } }",
    "streams: { A: { subjects: [a], max_consumers: 5 } }\nserver: { jetstream: { max_consumers: 1 } }",
    "streams: { A: { subjects: [a], consumers: { c: { max_ack_pending: 11 } } } }\nserver: { jetstream: { max_ack_pending: 10 } }",
    "streams: { A: { subjects: [a], consumers: { c: {}, d: { max_ack_pending: unlimited }, e: { ack_policy: none } } } }\nserver: { jetstream: { max_ack_pending: 10 } }",
    "streams: { A: { subjects: [a] } }\nserver: { jetstream: { max_bytes_required: true } }",
    "streams: { A: { subjects: [a], max_bytes: 1KiB } }\nserver: { jetstream: { max_bytes_required: true, disk_max_stream_bytes: 2KiB } }",
    "streams: { A: { subjects: [a], max_bytes: 3KiB } }\nserver: { jetstream: { disk_max_stream_bytes: 2KiB } }",
    "streams: { A: { subjects: [a], max_bytes: 3KiB, storage: memory } }\nserver: { jetstream: { disk_max_stream_bytes: 2KiB } }",
    "streams: { A: { subjects: [a], max_bytes: 3KiB, storage: memory } }\nserver: { jetstream: { memory_max_stream_bytes: 2KiB } }",
    "streams: { A: { subjects: [a], duplicate_window: 2m } }\nserver: { jetstream: { limits: { duplicate_window: 1m } } }",
    "streams: { A: { subjects: [a], consumers: { c: {} } } }\nserver: { jetstream: { limits: { duplicate_window: 1m, max_ack_pending: 10, max_request_batch: 20 } } }",
    "streams: { A: { subjects: [a], consumers: { c: { max_batch: 21 } } } }\nserver: { jetstream: { limits: { max_request_batch: 20 } } }",
    "streams: { A: { subjects: [a], consumers: { c: { max_ack_pending: 11 } } } }\nserver: { jetstream: { limits: { max_ack_pending: 10 } } }",
];

/// Assets that a server refuses, or might be thought to.
const CASES: &[&str] = &[
    "streams: { A: { subjects: [foo.>], subject_transform: { src: foo.*, dest: bar.$1 } } }",
    "streams: { A: { subjects: [foo.>], subject_transform: { src: foo.*, dest: bar.$2 } } }",
    "streams: { A: { subjects: [foo.>], subject_transform: { src: foo.>, dest: bar } } }",
    "streams: { A: { subjects: [foo.>], subject_transform: { src: foo..x, dest: bar } } }",
    "streams: { A: { subjects: [foo.>], subject_transform: { dest: bar.> } } }",
    "streams: { A: { subjects: [foo.>], subject_transform: { src: foo.> } } }",
    "streams: { A: { subjects: [foo.>], subject_transform: { src: foo.*, dest: 'bar.{{nope(1)}}' } } }",
    "streams: { A: { subjects: [foo.>], subject_transform: { src: foo.*, dest: 'bar.{{random(3)}}' } } }",
    "streams: { A: { subjects: [foo.>], subject_transform: { src: foo.*, dest: 'bar.{{partition(3)}}' } } }",
    "streams: { A: { subjects: [foo.>], subject_transform: { src: foo.*, dest: 'bar.{{partition(3,1)}}' } } }",
    "streams: { A: { subjects: [foo.>], subject_transform: { src: foo.*, dest: 'bar.{{left(1,2)}}' } } }",
    "streams: { A: { subjects: [foo.>], subject_transform: { src: foo.*, dest: 'bar.{{splitFromLeft(1,2)}}' } } }",
    "streams: { A: { subjects: [foo.>], republish: { src: foo.>, dest: bar } } }",
    "streams: { A: { subjects: [foo.>], republish: { src: foo.*, dest: bar.$2 } } }",
    "streams: { A: { subjects: [foo.>], republish: { src: foo.., dest: bar } } }",
    "streams: { A: { subjects: [foo.>], republish: { dest: bar } } }",
    "streams: { A: { subjects: [foo.>], republish: { src: foo.> } } }",
    "streams: { A: { subjects: [foo.>], republish: { src: foo.*, dest: foo.$1 } } }",
    "streams: { A: { sources: [{ name: O, subject_transforms: [{ src: o.*, dest: x.$2 }] }] } }",
    "streams: { A: { sources: [{ name: O, subject_transforms: [{ src: o..a, dest: x }] }] } }",
    "streams: { A: { sources: [{ name: O, subject_transforms: [{ src: o.*, dest: x.$1 }, { src: o.a, dest: y }] }] } }",
    "streams: { A: { sources: [{ name: O, subject_transforms: [{ src: o.a, dest: x }, { src: o.b }] }] } }",
    "streams: { A: { sources: [{ name: O, subject_transforms: [{ dest: x.> }] }] } }",
    "streams: { A: { sources: [{ name: O, filter_subject: o.b, subject_transforms: [{ src: o.a, dest: x }] }] } }",
    "streams: { A: { sources: [{ name: O, filter_subject: o..b }] } }",
    "streams: { A: { mirror: { name: O, subject_transforms: [{ src: o.>, dest: x }] } } }",
    "streams: { A: { mirror: { name: O, subject_transforms: [{ src: o..a, dest: x }] } } }",
    "streams: { A: { mirror: { name: O, subject_transforms: [{ src: o.a, dest: x }, { src: o.a, dest: y }] } } }",
    "streams: { A: { mirror: { name: O, filter_subject: o..x } } }",
    "streams: { A: { sources: [{ name: O, external: { api: $JS.API, deliver: d } }] } }",
    "streams: { A: { sources: [{ name: O, external: { api: $JS.hub.API, deliver: d } }] } }",
    "streams: { A: { sources: [{ name: O, external: { api: 'JS.*', deliver: d } }] } }",
    "streams: { A: { sources: [{ name: O, external: { api: JS.x, deliver: 'd.>' } }] } }",
    "streams: { A: { mirror: { name: O, external: { api: JS..x } } } }",
    "streams: { A: { sources: [{ name: O, consumer: { name: c, deliver_subject: d.x } }] } }",
    "streams: { A: { sources: [{ name: O, consumer: { name: c } }] } }",
    "streams: { A: { sources: [{ name: O, opt_start_seq: 5, consumer: { name: c, deliver_subject: d.x } }] } }",
    "streams: { A: { mirror: { name: O, consumer: { name: c.d, deliver_subject: d.x } } } }",
    "streams: { A: { mirror: { name: O, consumer: { name: c, deliver_subject: 'd.*' } } } }",
    "streams: { A: { subjects: [a], max_age: 50ms } }",
    "streams: { A: { subjects: [a], max_age: 100ms } }",
    "streams: { A: { subjects: [a], num_replicas: 6 } }",
    "streams: { A: { subjects: [a], duplicate_window: 50ms } }",
    "streams: { A: { subjects: [a], max_age: 1m, duplicate_window: 2m } }",
    "streams: { A: { subjects: [a], discard_new_per_subject: true } }",
    "streams: { A: { subjects: [a], discard: new, discard_new_per_subject: true } }",
    "streams: { A: { subjects: [a], discard: new, discard_new_per_subject: true, max_msgs_per_subject: 1 } }",
    "streams: { A: { subjects: [a, a] } }",
    "streams: { A: { subjects: [a.b, a.*] } }",
    "streams: { A: { subjects: [\">\"] } }",
    "streams: { A: { subjects: [\">\"], no_ack: true } }",
    "streams: { A: { subjects: [$JS.>] } }",
    "streams: { A: { subjects: [$JS.EVENT.>] } }",
    "streams: { A: { subjects: [$SYS.>] } }",
    "streams: { A: { subjects: [$SYS.ACCOUNT.>] } }",
    "streams: { A: { subjects: [\"*.>\"] } }",
    "streams: { A: { subjects: [\"*.b.c\"] } }",
    "streams: { A: { subjects: [$KV.>] } }",
    "streams: { A: { subjects: [a] }, B: { subjects: [b], mirror: { name: A } } }",
    "streams: { A: { subjects: [a] }, B: { mirror: { name: A }, sources: [{ name: A }] } }",
    "streams: { A: { subjects: [a] }, B: { mirror: { name: A }, first_seq: 5 } }",
    "streams: { A: { subjects: [a] }, B: { mirror: { name: A } } }",
    "streams: { A: { subjects: [a] }, B: { mirror: { name: A, filter_subject: a, subject_transforms: [{ src: a, dest: b }] } } }",
    "streams: { A: { subjects: [a] }, B: { sources: [{ name: A, filter_subject: a, subject_transforms: [{ src: a, dest: b }] }] } }",
    "streams: { A: { subjects: [a] }, B: { sources: [{ name: A }, { name: A }] } }",
    "streams: { A: { subjects: [a] }, B: { sources: [{ name: A, filter_subject: a..b }] } }",
    "streams: { A: { subjects: [a] }, B: { sources: [{ name: \"A.B\" }] } }",
    "streams: { A: { subjects: [a], mirror_direct: true } }",
    "streams: { A: { subjects: [a], subject_delete_marker_ttl: 500ms } }",
    "streams: { A: { subjects: [a], deny_purge: true, allow_rollup_hdrs: true } }",
    "streams: { A: { subjects: [a], allow_msg_counter: true, discard: new } }",
    "streams: { A: { subjects: [a], allow_msg_counter: true, allow_msg_ttl: true } }",
    "streams: { A: { subjects: [a], allow_msg_counter: true, retention: workqueue } }",
    "streams: { A: { subjects: [a], persist_mode: async, storage: memory } }",
    "streams: { A: { subjects: [a], persist_mode: async, allow_atomic: true } }",
    "streams: { A: { subjects: [a], placement: { preferred: x } } }",
    "streams: { A: { subjects: [a], republish: { src: a, dest: a } } }",
    "streams: { A: { subjects: [a.>], republish: { src: \"a.>\", dest: \"a.>\" } } }",
    "streams: { A: { subjects: [a], subject_transform: { src: a..b, dest: c } } }",
    "streams: { A: { subjects: [a], allow_msg_schedules: true, discard: new } }",
    "streams: { A: { subjects: [a], allow_msg_schedules: true, allow_msg_counter: true } }",
    "streams: { A: { subjects: [a] }, B: { allow_msg_schedules: true, sources: [{ name: A }] } }",
    "streams: { A: { subjects: [a], max_msg_size: 1KiB, max_bytes: 10B } }",
    "streams: { A: { subjects: [a], consumers: { c: { max_deliver: 1, backoff: [1s, 2s] } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { max_deliver: 2, backoff: [1s, 2s] } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { sample_freq: often } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { sample_freq: \"50%\" } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { deliver_subject: \"d.*\" } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { deliver_subject: d..d } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { deliver_subject: a } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { deliver_subject: d, max_waiting: 5 } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { deliver_subject: d, ack_policy: none, max_ack_pending: 5 } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { deliver_subject: d, idle_heartbeat: 50ms } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { deliver_subject: d, flow_control: true } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { deliver_subject: d, flow_control: true, idle_heartbeat: 5s } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { rate_limit_bps: 1000 } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { idle_heartbeat: 5s } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { flow_control: true } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { max_expires: 100us } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { filter_subject: a, filter_subjects: [a] } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { filter_subject: a..b } } } }",
    "streams: { A: { subjects: [a.>], consumers: { c: { filter_subjects: [a.*.c, a.b.*] } } } }",
    "streams: { A: { subjects: [a.>], consumers: { c: { filter_subjects: [a.b, a.b] } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { filter_subject: z } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { deliver_policy: last_per_subject } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { deliver_policy: by_start_sequence } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { deliver_policy: by_start_time } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { opt_start_seq: 5 } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { opt_start_time: 2026-01-01T00:00:00Z } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { priority_policy: overflow } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { priority_groups: [g] } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { priority_policy: overflow, priority_groups: [\"\"] } } } }",
    "streams: { A: { subjects: [a], consumers: { c: { deliver_subject: d, priority_policy: overflow, priority_groups: [g] } } } }",
    "streams: { A: { subjects: [a], retention: workqueue, consumers: { c: { ack_policy: none } } } }",
    "streams: { A: { subjects: [a], retention: workqueue, consumers: { c: { ack_policy: all } } } }",
    "streams: { A: { subjects: [a], retention: workqueue, consumers: { c: { deliver_policy: new } } } }",
    "streams: { A: { subjects: [a.>], retention: workqueue, consumers: { c: { filter_subject: a.b }, d: {} } } }",
    "streams: { A: { subjects: [a.>], retention: workqueue, consumers: { c: { filter_subject: a.b }, d: { filter_subject: a.* } } } }",
    "streams: { A: { subjects: [a], consumer_limits: { max_ack_pending: 5 }, consumers: { c: { max_ack_pending: 6 } } } }",
    "streams: { A: { subjects: [a], consumer_limits: { inactive_threshold: 5s }, consumers: { c: { inactive_threshold: 6s } } } }",
    "streams: { A: { subjects: [a], max_consumers: 1, consumers: { c: {}, d: {} } } }",
    "streams: { A: { subjects: [a] }, B: { subjects: [b, a] } }",
    "key_values: { settings: { history: 5, ttl: 1h, max_value_size: 1KiB } }",
    "key_values: { a: {}, b: { mirror: { name: a } } }",
    "object_stores: { files: { max_bytes: 1MiB } }",
];
