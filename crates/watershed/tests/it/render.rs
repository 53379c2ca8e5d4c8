//! What `render` writes, read by those who it is for.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use watershed_peers::{NatsServer, nats_server, nats_servers};

use crate::raw::Raw;
use crate::server::{EXAMPLES, Running, example, run, succeed, up, write};

/// Users with few rights, exports, limits, a private inbox.
const FILE: &str = "\
watershed: 1
name: shop
account: SHOP
streams:
  ORDERS: { subjects: [orders.>], max_age: 1d, max_bytes: 1MiB, consumers: { billing: { max_deliver: 3, backoff: [30s] } } }
key_values: { settings: {} }
services:
  shop: { publishes: [orders.new], reads: [settings], ensures: [ORDERS] }
  billing: { consumes: [ORDERS/billing], requests: [price.get] }
  prices: { replies: [price.get], writes: [settings] }
users:
  admin: { password: { env: ADMIN_PASS }, role: admin }
  shop: { password: { env: SHOP_PASS }, service: shop, permissions: { publish: { deny: [orders.secret] } } }
  billing: { service: billing, inbox_prefix: _INBOX_billing }
  prices: { password: $2a$11$ooo5Lo.1WyIqLjPpHLnNwuUYBRWvzg2qGJyZM9hJxuKEoIhSj5MwC, service: prices }
  probe: { permissions: { publish: [probe.>], subscribe: [] } }
exports: [{ service: price.get }, { stream: orders.new, accounts: [B] }]
server: { listen: '127.0.0.1:4222', max_payload: 2MiB, jetstream: { max_file_store: 1GiB, max_streams: 10, max_consumers: 20, limits: { max_ack_pending: 5000, duplicate_window: 5m } } }
";

const OTHER: &str = "\
watershed: 1
name: other
account: B
streams: { COPY: { subjects: [from.>], max_age: 1d, max_bytes: 1MiB } }
imports: [{ stream: { account: SHOP, subject: orders.new }, prefix: from }, { service: { account: SHOP, subject: price.get }, to: price }]
server: { jetstream: { max_file_store: 1GiB } }
";

/// A configuration with a text in place of each variable.
fn replaced(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| match line.split_once("password: $") {
        Some((before, rest)) => {
            let end = rest.find([' ', '\n']).unwrap();
            format!("{before}password: secret{}", &rest[end..])
        }
        None => line.to_owned(),
    });
    lines.collect()
}

/// The configuration for topologies, with a text in place of each variable, and without the folder, which is an
/// argument.
fn conf(files: &[&str], folder: &Path) -> PathBuf {
    let text = succeed(&[&["render", "nats-conf"], files].concat());
    let lines = text.split_inclusive('\n');
    let text: String = lines.filter(|line| !line.trim().starts_with("store_dir")).collect();
    let path = folder.join("nats.conf");
    std::fs::write(&path, replaced(&text)).unwrap();
    path
}

/// Each server takes what is written for each topology, and finds its passwords where that says they are.
fn accepted(program: &Path, first: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let (file, other) = (write(&folder, FILE), write(&other, OTHER));
    let examples: Vec<String> = EXAMPLES.iter().map(|name| example(name)).collect();
    let mut all: Vec<Vec<&str>> = examples.iter().map(|file| vec![file.as_str()]).collect();
    all.push(examples.iter().map(String::as_str).collect());
    all.push(vec![&file, &other]);
    for files in all {
        let text = succeed(&[&["render", "nats-conf"], files.as_slice()].concat());
        let path = folder.path().join("nats.conf");
        std::fs::write(&path, &text).unwrap();
        let mut command = Command::new(program);
        command.args(first).args(["-t", "-c"]).arg(&path);
        for line in text.lines().filter_map(|line| line.strip_prefix("#   ")) {
            let variable = line.split_whitespace().next().unwrap();
            command.env(variable, "secret");
        }
        let ran = command.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{} {files:?}: {said}\n{text}", program.display());
    }
}

#[test]
fn this_server_takes_its_configuration() {
    accepted(Path::new(env!("CARGO_BIN_EXE_watershed")), &["serve"]);
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn real_servers_take_their_configuration() {
    for program in nats_servers() {
        accepted(&program, &[]);
    }
}

/// What each user may do with each subject that any of them may, and with some that nobody should.
fn rights(url: &str, conf: &str) -> Vec<String> {
    let mut subjects: BTreeSet<String> = conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix('"'))
        .map(literal)
        .collect();
    subjects.extend(
        [
            "orders.secret",
            "other",
            "$JS.API.STREAM.DELETE.ORDERS",
            "$JS.API.STREAM.CREATE.X",
            "$SYS.REQ.USER.INFO",
        ]
        .map(str::to_owned),
    );
    let mut rights = Vec::new();
    for user in ["admin", "shop", "billing", "probe"] {
        let mut raw = Raw::connect(&url.replace("nats://", &format!("nats://{user}:secret@")));
        raw.settle();
        for subject in &subjects {
            let (publish, subscribe) = raw.may(subject);
            rights.push(format!("{user} {subject}: publish {publish}, subscribe {subscribe}"));
        }
    }
    rights
}

/// A subject that a filter takes.
fn literal(filter: &str) -> String {
    let tokens =
        filter.split('.').map(|token| if token == "*" || token == ">" { "x" } else { token });
    tokens.collect::<Vec<_>>().join(".")
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn users_may_do_on_a_real_server_what_they_may_here() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (file, other) = (write(&folder, FILE), write(&other, OTHER));
    let conf = conf(&[&file, &other], folder.path());
    let text = std::fs::read_to_string(&conf).unwrap();
    let real = NatsServer::start_with(&nats_server(), &["-c", conf.to_str().unwrap()]);
    let store = tempfile::tempdir().unwrap();
    let store = store.path().join("store");
    let arguments = ["-c", conf.to_str().unwrap(), "-sd", store.to_str().unwrap()];
    let here = Running::serve(&arguments, &[]);
    let (theirs, ours) = (rights(&real.url, &text), rights(&here.url(), &text));
    assert_eq!(theirs, ours);
    let has = |line: &str| assert!(ours.iter().any(|own| own == line), "{line}: {ours:#?}");
    has("shop orders.new: publish true, subscribe false");
    has("shop orders.secret: publish false, subscribe false");
    has("shop $JS.API.STREAM.CREATE.ORDERS: publish true, subscribe false");
    has("shop $JS.API.STREAM.DELETE.ORDERS: publish false, subscribe false");
    has("billing _INBOX_billing.x: publish false, subscribe true");
    has("probe probe.x: publish true, subscribe false");
    has("admin $JS.API.STREAM.CREATE.X: publish true, subscribe true");
    for url in [&real.url, &here.url()] {
        for (file, user) in [(&file, "admin"), (&other, "B")] {
            let at = url.replace("nats://", &format!("nats://{user}:secret@"));
            succeed(&["apply", "--yes", "-s", &at, file]);
            succeed(&["verify", "-s", &at, file]);
        }
    }
}

/// `nats server ping` and its like, as a user of the system account: on a real server with the configuration that is
/// written for a topology, and on what `up` runs.
#[test]
#[cfg_attr(not(peer = "nats"), ignore = "needs the nats tool: see .ci/peers")]
fn the_system_account_tells_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        FILE.replace("users:\n", "users:\n  sys: { password: { env: SYS_PASS }, system: true }\n");
    let text = text.replace(", { stream: orders.new, accounts: [B] }", "");
    let file = write(&folder, &text);
    let conf = conf(&[&file], folder.path());
    let data = tempfile::tempdir().unwrap();
    let mut up = up(data.path(), &[&file]);
    for name in ["SYS_PASS", "ADMIN_PASS", "SHOP_PASS"] {
        up.env(name, "secret");
    }
    let here = Running::ready(up.spawn().unwrap());
    let mut servers = vec![here.url()];
    let real = cfg!(peer = "nats-server")
        .then(|| NatsServer::start_with(&nats_server(), &["-c", conf.to_str().unwrap()]));
    servers.extend(real.as_ref().map(|real| real.url.clone()));
    for url in servers {
        let tool = |user: &str, arguments: &[&str]| {
            let mut command = Command::new(watershed_peers::nats());
            command.args([
                "--no-context",
                "--server",
                &url,
                "--user",
                user,
                "--password",
                "secret",
            ]);
            let ran = command.args(arguments).env("HOME", folder.path()).output().unwrap();
            let said = [ran.stdout, ran.stderr].concat();
            (ran.status.success(), String::from_utf8_lossy(&said).into_owned())
        };
        for (arguments, says) in [
            (["server", "ping", "1"].as_slice(), "1 replies"),
            (&["server", "list", "1"], "Server Overview"),
            (&["server", "info"], "Storage Directory"),
            (&["server", "report", "jetstream"], "JetStream Summary"),
            (&["req", "$SYS.REQ.SERVER.PING.ACCOUNTZ", "", "--raw"], "\"SHOP\""),
            (&["req", "$SYS.REQ.SERVER.PING.IDZ", "", "--raw"], "\"host\":"),
            (&["req", "$SYS.REQ.SERVER.PING.HEALTHZ", "", "--raw"], "\"status\":\"ok\""),
            (&["req", "$SYS.REQ.SERVER.PING.VARZ", "{", "--raw"], "\"code\":400"),
            (&["req", "$SYS.REQ.SERVER.PING.FOO", "", "--raw"], "No responders"),
        ] {
            let (_, said) = tool("sys", arguments);
            assert!(said.contains(says), "{url} {arguments:?}: {said}");
        }
        // Nobody else may ask, and it keeps no streams.
        let (fine, said) = tool("admin", &["server", "ping", "1"]);
        assert!(
            !fine || said.contains("0 replies") || said.contains("no results"),
            "{url}: {said}"
        );
        let (_, said) = tool("sys", &["req", "$JS.API.INFO", "", "--raw"]);
        assert!(said.contains("10039") || said.contains("No responders"), "{url}: {said}");
    }
}

/// The documents of a text in YAML, or one, by a reader that is not ours; Kubernetes' are valid by its own schemas.
fn documents(text: &str) -> Vec<Value> {
    const READ: &str = "\
import json, sys, yaml
import kubernetes_validate
all = list(yaml.safe_load_all(sys.stdin))
for one in all:
    if 'apiVersion' in one:
        kubernetes_validate.validate(one, '1.29', strict=True)
print(json.dumps(all))
";
    let mut reader = Command::new(watershed_peers::python())
        .args(["-c", READ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The deployed form starts: the containers' programs run with their arguments, environment and files.
#[test]
#[cfg_attr(
    not(all(peer = "python", peer = "nats-server")),
    ignore = "needs a Python with kubernetes-validate, and nats-server: see .ci/peers"
)]
fn what_is_deployed_runs() {
    for name in EXAMPLES {
        let all = documents(&succeed(&["render", "kubernetes", &example(name)]));
        let of = |kind: &'static str| all.iter().filter(move |one| one["kind"] == kind);
        let folder = tempfile::tempdir().unwrap();
        let data = |name: &str| {
            of("ConfigMap").find(|one| one["metadata"]["name"] == name).unwrap()["data"].clone()
        };
        let conf = data("nats-config")["nats.conf"].as_str().unwrap().to_owned();
        let conf: String = conf
            .split_inclusive('\n')
            .filter(|line| !line.trim().starts_with("store_dir"))
            .collect();
        let conf = replaced(&conf);
        let path = folder.path().join("nats.conf");
        std::fs::write(&path, &conf).unwrap();
        let server = NatsServer::start_with(&nats_server(), &["-c", path.to_str().unwrap()]);
        let topology = folder.path().join("topology");
        std::fs::create_dir(&topology).unwrap();
        for (file, text) in data(&format!("topology-{name}")).as_object().unwrap() {
            std::fs::write(topology.join(file), text.as_str().unwrap()).unwrap();
        }
        let run = |container: &Value| {
            let arguments = container["args"].as_array().unwrap().iter();
            let arguments = arguments.map(|one| match one.as_str().unwrap() {
                "/topology" => topology.to_str().unwrap().to_owned(),
                "nats://nats:4222" => server.url.clone(),
                other => other.to_owned(),
            });
            let mut command = Command::new(env!("CARGO_BIN_EXE_watershed"));
            command.args(arguments);
            for one in container["env"].as_array().unwrap() {
                let value = one["value"].as_str().unwrap_or("secret");
                command.env(one["name"].as_str().unwrap(), value);
            }
            let ran = command.output().unwrap();
            let said = [ran.stdout, ran.stderr].concat();
            assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&said));
        };
        let job = |begins: &str| {
            let job =
                of("Job").find(|one| one["metadata"]["name"].as_str().unwrap().starts_with(begins));
            let pod = &job.unwrap()["spec"]["template"]["spec"];
            let both = [&pod["initContainers"], &pod["containers"]];
            both.into_iter().filter_map(Value::as_array).flatten().for_each(&run);
        };
        job("apply-");
        job("apply-");
        for deployment in of("Deployment") {
            run(&deployment["spec"]["template"]["spec"]["initContainers"][0]);
        }
        job("purge-");
        job("delete-");
        job("apply-");
        // Compose says the same.
        let project = documents(&succeed(&["render", "compose", &example(name)])).remove(0);
        let content = project["configs"]["nats-conf"]["content"].as_str().unwrap();
        let content = content.replace("$$", "$");
        assert_eq!(content, data("nats-config")["nats.conf"].as_str().unwrap(), "{name}");
    }
}

/// The script makes, with the real tool, what `apply` makes.
#[test]
#[cfg_attr(not(peer = "nats"), ignore = "needs the `nats` tool: see .ci/peers")]
fn the_real_tool_makes_what_the_script_says() {
    for name in EXAMPLES {
        let server = NatsServer::reference();
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("init.sh");
        succeed(&["render", "natscli", &example(name), "-o", script.to_str().unwrap()]);
        for again in [false, true] {
            let ran = Command::new("sh")
                .arg(&script)
                .env("NATS", watershed_peers::nats())
                .env("NATS_URL", &server.url)
                .env("HOME", folder.path())
                .output()
                .unwrap();
            let said = [ran.stdout, ran.stderr].concat();
            assert!(ran.status.success(), "{name} {again}: {}", String::from_utf8_lossy(&said));
        }
        // Equal, and the topology's own.
        let plan = run(&["plan", "-s", &server.url, &example(name)]);
        assert_eq!(plan.code, Some(0), "{name}: {}", plan.out);
        assert!(!plan.out.contains("unmanaged"), "{name}: {}", plan.out);
    }
}
