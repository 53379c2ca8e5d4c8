//! What the linter says of exports and imports, asked of real servers: what it finds wrong keeps them
//! from starting, what it passes does not.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use watershed_topology::read::{Document, read};
use watershed_topology::sharing::{Account, Passage, between};
use watershed_topology::{Diagnostic, SourceMap, Topology};

use crate::server::{run, succeed, write};
use watershed_peers::{NatsServer, nats_servers};

/// Accounts that share something: what `A` and what `B` say.
const CASES: &[(&str, &str)] = &[
    ("exports: [{ stream: a.> }]", "imports: [{ stream: { account: A, subject: a.x } }]"),
    ("exports: [{ stream: a.> }]", "imports: [{ stream: { account: A, subject: b.x } }]"),
    ("exports: [{ stream: a.> }]", "imports: [{ service: { account: A, subject: a.x } }]"),
    (
        "exports: [{ stream: a.>, accounts: [B] }]",
        "imports: [{ stream: { account: A, subject: a.> }, prefix: from.a }]",
    ),
    (
        "exports: [{ stream: a.>, accounts: [C] }]",
        "imports: [{ stream: { account: A, subject: a.x } }]",
    ),
    (
        "exports: [{ stream: 'a.*' }]",
        "imports: [{ stream: { account: A, subject: 'a.*' }, to: foo.$1 }]",
    ),
    (
        "exports: [{ stream: 'a.*' }]",
        "imports: [{ stream: { account: A, subject: 'a.*' }, to: 'foo.*' }]",
    ),
    (
        "exports: [{ stream: 'a.*' }]",
        "imports: [{ stream: { account: A, subject: 'a.*' }, to: foo.$2 }]",
    ),
    (
        "exports: [{ stream: 'a.*' }]",
        "imports: [{ stream: { account: A, subject: 'a.*' }, to: foo }]",
    ),
    (
        "exports: [{ stream: a.> }]",
        "imports: [{ stream: { account: A, subject: a.> }, to: 'foo.*' }]",
    ),
    (
        "exports: [{ stream: a.> }]",
        "imports: [{ stream: { account: A, subject: a.> }, to: foo.> }]",
    ),
    ("exports: [{ service: q.x }]", "imports: [{ service: { account: A, subject: q.x }, to: q }]"),
    (
        "exports: [{ service: 'q.*' }]",
        "imports: [{ service: { account: A, subject: 'q.*' }, to: foo.$2 }]",
    ),
    (
        "exports: [{ service: 'q.*' }]",
        "imports: [{ service: { account: A, subject: 'q.*' }, to: 'foo.*' }]",
    ),
    (
        "exports: [{ service: 'q.*' }]",
        "imports: [{ service: { account: A, subject: 'q.*' }, to: foo }]",
    ),
    (
        "exports: [{ service: q, response: stream }]",
        "imports: [{ service: { account: A, subject: q } }]",
    ),
    (
        "exports: [{ service: q.> }]",
        "imports: [{ service: { account: A, subject: q.x }, to: f }, { service: { account: A, subject: q.y }, to: f }]",
    ),
    (
        "exports: [{ service: q }]\nimports: [{ service: { account: B, subject: q } }]",
        "exports: [{ service: q }]\nimports: [{ service: { account: A, subject: q } }]",
    ),
    (
        "exports: [{ stream: a.> }]\nimports: [{ stream: { account: B, subject: b.> } }]",
        "exports: [{ stream: b.> }]\nimports: [{ stream: { account: A, subject: a.> } }]",
    ),
    (
        "exports: [{ stream: a.> }]\nimports: [{ stream: { account: B, subject: a.> } }]",
        "exports: [{ stream: a.> }]\nimports: [{ stream: { account: A, subject: a.> } }]",
    ),
];

fn lint(name: &str, body: &str) -> (Topology, Vec<Diagnostic>) {
    let mut sources = SourceMap::default();
    let file = sources.add("watershed.yaml", &format!("watershed: 1\nname: {name}\n{body}"));
    let found = read(&sources, vec![Document::new(&sources, file)], Vec::new(), None);
    (found.topology, found.diagnostics)
}

fn conf(accounts: &[Account<'_>]) -> String {
    let mut text = String::from("accounts {\n");
    for account in accounts {
        let name = account.name;
        let _ = write!(text, "{name} {{ users: [{{ user: {name}, password: x }}]\nexports: [");
        for export in account.exports {
            let (word, subject) = (export.passage.word(), &export.subject.value);
            let _ = write!(text, "{{ {word}: {subject:?}");
            let accounts = export.accounts.iter().map(|account| account.value.as_str());
            let accounts: Vec<&str> = accounts.collect();
            if !accounts.is_empty() {
                let _ = write!(text, ", accounts: [{}]", accounts.join(", "));
            }
            if let (Passage::Service, Some(response)) = (export.passage, &export.response) {
                let _ = write!(text, ", response: {response}");
            }
            text.push_str(" }\n");
        }
        text.push_str("]\nimports: [");
        for import in account.imports {
            let (word, account) = (import.passage.word(), &import.account.value);
            let subject = &import.subject.value;
            let _ = write!(text, "{{ {word}: {{ account: {account}, subject: {subject:?} }}");
            for (key, said) in [("to", &import.to), ("prefix", &import.prefix)] {
                if let Some(said) = said {
                    let _ = write!(text, ", {key}: {:?}", said.value);
                }
            }
            text.push_str(" }\n");
        }
        text.push_str("] }\n");
    }
    text.push_str("C { users: [{ user: C, password: x }] } }\n");
    text
}

/// Whether a server would start with this.
fn starts(program: &Path, conf: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nats.conf");
    std::fs::write(&file, conf).unwrap();
    let output = Command::new(program).arg("-t").arg("-c").arg(&file).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn what_keeps_a_server_from_starting_is_found() {
    let programs = nats_servers();
    let mut wrong = Vec::new();
    for (a, b) in CASES {
        let [(a, mut found), (b, other)] = [lint("A", a), lint("B", b)];
        found.extend(other);
        let accounts = [a.sharing(), b.sharing()];
        found.extend(between(&accounts));
        let said: Vec<String> =
            found.iter().map(|one| format!("{}: {}", one.code, one.message)).collect();
        let fine = found.iter().all(|one| one.code != "A013" && one.code != "A014");
        let conf = conf(&accounts);
        for program in &programs {
            let (started, error) = starts(program, &conf);
            if started != fine {
                wrong.push(format!("{}\n{conf}{error}{said:?}", program.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a server comes up with this; one that does is ended.
fn runs(program: &Path, conf: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nats.conf");
    std::fs::write(&file, conf).unwrap();
    let mut command = Command::new("timeout");
    command.arg("2").arg(program).args(["-a", "127.0.0.1", "-p", "-1", "-c"]);
    let output = command.arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (text.contains("Server is ready"), text)
}

/// Configurations, and whether servers start with them.
const CONFIGURATIONS: &[(&str, bool)] = &[
    (
        "accounts { A { users: [{ user: a, password: x }] }, B { users: [{ user: a, password: y }] } }",
        false,
    ),
    (
        "accounts { A { users: [{ user: a, password: x }] }, B { users: [{ user: b, password: y }] } }",
        true,
    ),
    ("authorization { users: [{ user: a, password: x }, { user: a, password: y }] }", false),
    ("cluster { name: c, listen: '127.0.0.1:-1' }\njetstream { store_dir: DIR }", false),
    (
        "server_name: s\ncluster { name: c, listen: '127.0.0.1:-1' }\njetstream { store_dir: DIR }",
        true,
    ),
    (
        "accounts { A { users: [{ user: a, password: x }], jetstream { max_bytes: 10G } } }\njetstream { store_dir: DIR }",
        false,
    ),
    (
        "accounts { A { users: [{ user: a, password: x }], jetstream { max_bytes: true } } }\njetstream { store_dir: DIR }",
        true,
    ),
    ("no_auth_user: b\naccounts { A { users: [{ user: a, password: x }] } }", false),
    ("no_auth_user: a\naccounts { A { users: [{ user: a, password: x }] } }", true),
    (
        "accounts { A { users: [{ user: a, password: x }], imports: [{ stream: { account: B, subject: x } }] } }",
        false,
    ),
];

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn configurations_that_keep_a_server_from_starting_are_found() {
    let mut wrong = Vec::new();
    for (text, fine) in CONFIGURATIONS {
        let folder = tempfile::tempdir().unwrap();
        let text = text.replace("DIR", folder.path().to_str().unwrap());
        let mut sources = SourceMap::default();
        let file = sources.add("nats.conf", &text);
        let (imported, _) = watershed_import::import(&sources, &[file]);
        let refused = imported.findings.iter().any(|one| one.code == "I011");
        if refused == *fine {
            wrong.push(format!("{text}: {:?}", imported.findings));
        }
        for program in &nats_servers() {
            // Some of it is looked at only when the server really starts.
            let (good, error) = if *fine { starts(program, &text) } else { runs(program, &text) };
            if good != *fine {
                wrong.push(format!("{}: {text}: {error}", program.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const ACCOUNTS: &str = "accounts {
  A { users: [{ user: a, password: a }], jetstream: enabled }
  B { users: [{ user: b, password: b }], jetstream: enabled }
  C { users: [{ user: c, password: c }] }
  $SYS { users: [{ user: s, password: s }] }
}
";

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn a_user_of_the_system_account_imports_every_account() {
    for program in nats_servers() {
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("nats.conf");
        std::fs::write(&conf, ACCOUNTS).unwrap();
        let server = NatsServer::start_with(&program, &["-c".into(), conf.display().to_string()]);
        let url = |user: &str| server.url.replace("nats://", &format!("nats://{user}:{user}@"));
        for (name, user) in [("A", "a"), ("B", "b")] {
            let text = format!(
                "watershed: 1\nname: {name}\nstreams: {{ S{name}: {{ subjects: [s.>], max_age: 1d, consumers: {{ c: {{ filter_subject: s.x }} }} }} }}\n"
            );
            let file = write(&folder, &text);
            succeed(&["apply", "--yes", "-s", &url(user), &file]);
        }
        let system = url("s");
        let many = run(&["import", "-s", &system]);
        assert_eq!(many.code, Some(1));
        assert!(many.err.contains("of the accounts A, B: name one with --account"), "{}", many.err);
        let one = succeed(&["import", "-s", &system, "--account", "B"]);
        assert!(one.contains("name: B\n") && one.contains("  SB:\n"), "{one}");
        let all = folder.path().join("all");
        succeed(&["import", "-s", &system, "-o", all.to_str().unwrap()]);
        for (name, user) in [("A", "a"), ("B", "b")] {
            let file = all.join(name).join("watershed.yaml");
            let again = succeed(&["plan", "-s", &url(user), file.to_str().unwrap()]);
            assert!(again.contains("nothing to do, 2 assets as declared"), "{again}");
        }
        // An account without JetStream is no system account.
        let none = run(&["import", "-s", &url("c")]);
        assert!(none.err.contains("JetStream not enabled for account"), "{}", none.err);
    }
}

#[test]
fn topologies_that_are_named_together_are_judged_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (shop, audit) = (path("shop.yaml"), path("audit.yaml"));
    let export = |to: &str| {
        let text = format!(
            "watershed: 1\nname: SHOP\nstreams: {{ ORDERS: {{ subjects: [orders.>], max_age: 1d }} }}\nexports: [{{ stream: orders.>, accounts: [{to}] }}]\n"
        );
        std::fs::write(&shop, text).unwrap();
    };
    std::fs::write(
        &audit,
        "watershed: 1\nname: AUDIT\nstreams: { COPY: { max_age: 1d, sources: [{ name: ORDERS }] } }\nimports: [{ stream: { account: SHOP, subject: orders.> } }]\n",
    )
    .unwrap();
    let codes = || {
        let ran = run(&["lint", "--json", &shop, &audit]);
        let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let found = json["findings"].as_array().unwrap().iter();
        found.map(|one| one["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    export("OTHER");
    assert_eq!(codes(), ["A010", "M009", "A014"]);
    export("AUDIT");
    assert_eq!(codes(), ["A010", "M009"]);
}
