//! Bad circumstances get a clear error, and nothing is touched.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::kill::Client;
use crate::server::{PATIENCE, Running, outcome, serve, up, watershed, write};

/// Starts a server that can't; what it says, without the place of the folder.
#[track_caller]
fn check(arguments: &[&str], folder: &Path, expected: &str) {
    let output = serve(arguments).output().unwrap();
    let (code, text) = outcome(&output);
    let text = text.replace(&folder.display().to_string(), "FOLDER");
    let last = text.lines().last().unwrap_or_default();
    assert_eq!((code, last), (Some(1), expected));
}

#[test]
fn an_occupied_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let expected =
        format!("error: cannot listen on 127.0.0.1:{port}: Address already in use (os error 98)");
    check(&["-p", &port.to_string()], Path::new("none"), &expected);
}

#[test]
fn a_store_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let _running = Running::start(&store);
    let expected =
        "error: FOLDER/store is in use by another process: stop that one, or choose another folder";
    check(&["-p", "-1", "-sd", store.to_str().unwrap()], folder.path(), expected);
}

#[test]
fn a_store_of_another_format_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap();
    std::fs::write(folder.path().join("FORMAT"), "watershed store 9\n").unwrap();
    let expected = "error: FOLDER holds a store of another format (\"watershed store 9\"): use the program that made it";
    check(&["-p", "-1", "-sd", store], folder.path(), expected);
    let left = std::fs::read_to_string(folder.path().join("FORMAT")).unwrap();
    assert_eq!(left, "watershed store 9\n");
}

/// As nats-server has it, a folder alone does not switch JetStream on.
#[test]
fn a_link_named_nats_server_keeps_nothing_until_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    for (flags, expected) in
        [(&["--as-nats-server"][..], false), (&["--as-nats-server", "-js"], true), (&[], true)]
    {
        let given = ["-sd", store.to_str().unwrap()];
        let running = Running::serve(&[&given[..], flags].concat(), &[]);
        let mut info = String::new();
        let stream = TcpStream::connect(running.address).unwrap();
        BufReader::new(stream).read_line(&mut info).unwrap();
        assert_eq!(info.contains("\"jetstream\":true"), expected, "{flags:?}: {info}");
    }
}

/// A volume has a `lost+found`, and people have files beside their data.
#[test]
fn what_else_is_in_a_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("letter.txt"), "dear all").unwrap();
    let running = Running::start(folder.path());
    let created = Client::connect(&running).request("$JS.API.STREAM.CREATE.S", r#"{"name":"S"}"#);
    assert!(created.contains("did_create"), "{created}");
    running.kill();
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["letter.txt", "watershed"]);
    let running = Running::start(folder.path());
    let info = Client::connect(&running).request("$JS.API.STREAM.INFO.S", "");
    assert!(info.contains("\"config\""), "{info}");
}

/// Beside the streams of another server, none at all would look as if they were lost.
#[test]
fn a_folder_of_nats_server_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("jetstream")).unwrap();
    let expected = "error: FOLDER is not empty and holds no store: choose another folder";
    check(&["-p", "-1", "-sd", folder.path().to_str().unwrap()], folder.path(), expected);
}

#[test]
fn a_damaged_store_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    Running::start(&store).kill();
    std::fs::write(store.join("checkpoint-0"), "nonsense").unwrap();
    let expected = "error: checkpoint-0 is damaged, and the journal does not go back to its first round; nothing was changed";
    check(&["-p", "-1", "-sd", store.to_str().unwrap()], folder.path(), expected);
}

#[test]
fn nobody_else_gets_in_without_a_password() {
    let expected = "error: 0.0.0.0 can be reached from other machines, and nobody would need a \
                    password: set --user and --pass or --auth, or listen on 127.0.0.1";
    check(&["-p", "-1", "-a", "0.0.0.0"], Path::new("none"), expected);
}

#[test]
fn a_configuration_file_is_obeyed_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nats.conf");
    let name = path.to_str().unwrap();
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    write("host: 127.0.0.1\nauthorization { user: a, password: $WATERSHED_NONE }\n");
    let expected = "error: FOLDER/nats.conf: line 2: the variable `WATERSHED_NONE` is set neither here \
                    nor in the environment";
    check(&["-c", name], folder.path(), expected);
    write("host: 127.0.0.1\ncluster { name: c }\n");
    let expected = "error: FOLDER/nats.conf: line 2: `cluster` is not supported by this server";
    check(&["-c", name], folder.path(), expected);
    write("host: 127.0.0.1\nauthorization { user: a, password: b }\n");
    let output = serve(&["-c", name, "-t"]).output().unwrap();
    assert_eq!(outcome(&output), (Some(0), "the configuration is valid\n".into()));
}

/// A server in `folder` for whom the shell has set limits, and where it says its ports.
fn limited(
    limits: &str,
    folder: &Path,
    more: &[&str],
    log: impl Into<Stdio>,
) -> (std::process::Child, std::path::PathBuf) {
    let child = Command::new("sh")
        .args(["-c", &format!("{limits}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_watershed")])
        .args(["serve", "-a", "127.0.0.1", "-p", "-1", "-sd"])
        .arg(folder.join("store"))
        .arg("--ports_file_dir")
        .arg(folder)
        .args(more)
        .stderr(log)
        .spawn()
        .unwrap();
    let ports = folder.join(format!("nats-server_{}.ports", child.id()));
    (child, ports)
}

/// Two accounts of one configuration see nothing of each other, and keep to what they may keep.
#[test]
fn accounts_of_a_configuration_are_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nats.conf");
    let store = folder.path().join("store");
    let text = format!(
        "accounts {{\n A {{ jetstream {{ max_file: 1M }}, users [ {{ user: a, password: $WATERSHED_PW }} ] }}\n \
         B {{ jetstream: enabled, users [ {{ user: b, password: b }} ] }}\n C {{ users [ {{ user: c, password: c }} ] }}\n}}\n\
         jetstream {{ store_dir: {:?} }}\n",
        store.to_str().unwrap()
    );
    std::fs::write(&path, text).unwrap();
    let server = Running::serve(&["-c", path.to_str().unwrap()], &[("WATERSHED_PW", "hush")]);
    let url = server.url();
    let apply = |user: &str, password: &str, max_bytes: &str| {
        let text = format!(
            "watershed: 1\nname: x\nstreams: {{ S: {{ subjects: [s], max_bytes: {max_bytes} }} }}\n"
        );
        let file = write(&folder, &text);
        let mut command =
            watershed(&["apply", "--yes", "--wait", "200ms", "-s", &url, "--user", user, &file]);
        outcome(&command.env("NATS_PASSWORD", password).output().unwrap())
    };
    let (code, said) = apply("a", "hush", "2MB");
    assert!(code == Some(5) && said.contains("refused, and nothing was changed"), "{said}");
    assert_eq!(apply("a", "hush", "1MB").0, Some(0));
    assert_eq!(apply("b", "b", "2MB").0, Some(0));
    let (code, said) = apply("c", "c", "1MB");
    assert!(code == Some(6) && said.contains("10039"), "{said}");
    // A file that names its account is not applied to another one.
    let text =
        "watershed: 1\nname: x\naccount: A\nstreams: { S: { subjects: [s], max_bytes: 1MB } }\n";
    let file = write(&folder, text);
    let guarded = |user: &str, password: &str| {
        let mut command = watershed(&["verify", "-s", &url, "--user", user, &file]);
        outcome(&command.env("NATS_PASSWORD", password).output().unwrap())
    };
    assert_eq!(guarded("a", "hush").0, Some(0));
    let expected = "error: these credentials are of the account `B`, and the file is for `A`\n";
    assert_eq!(guarded("b", "b"), (Some(1), expected.into()));
    let (code, said) = apply("a", "wrong", "1MB");
    assert!(code == Some(1) && said.contains("authorization violation"), "{said}");
}

/// Everything that was accepted is durable within a round or two; nothing else is waited for.
#[test]
fn a_stop_is_obeyed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    let mut client = Client::connect(&server);
    let created = client.request("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"]}"#);
    assert!(created.contains("\"config\""), "{created}");
    let consumer = r#"{"stream_name":"S","config":{"durable_name":"c","ack_policy":"explicit"}}"#;
    let created = client.request("$JS.API.CONSUMER.DURABLE.CREATE.S.c", consumer);
    assert!(created.contains("\"config\""), "{created}");
    client.publish("$JS.API.CONSUMER.MSG.NEXT.S.c", "r.pull", "{\"batch\":1000}");
    // Each round wakes the consumer, which then has a delivery to keep.
    for number in 0..20 {
        client.publish(&format!("s.{number}"), "r.stored", "");
        let subjects = [(); 2].map(|()| client.next().unwrap().subject);
        assert!(subjects.contains(&"r.stored".into()), "{subjects:?}");
    }
    let asked = Instant::now();
    server.signal("TERM");
    assert_eq!(server.end(), Some(0));
    let taken = asked.elapsed();
    // It takes some ten milliseconds; builders share machines.
    assert!(taken < Duration::from_secs(1), "the server took {taken:?} to stop");
}

/// A reload must not end a server that runs.
#[test]
fn a_hangup_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("store"));
    let mut client = Client::connect(&server);
    server.signal("HUP");
    // The signal is delivered before `kill` returns: a process that it ends answers nothing more.
    for _ in 0..100 {
        let info = client.request("$JS.API.INFO", "");
        assert!(info.contains("account_info"), "{info}");
    }
    assert_eq!(server.interrupt(), Some(0));
}

/// A flood of connections takes no descriptor from the store, and does not fill the log.
#[test]
fn connections_leave_descriptors_for_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (mut child, ports) =
        limited("ulimit -n 64", folder.path(), &[], std::fs::File::create(&log).unwrap());
    let running = Running::wait(&mut child, &ports);
    let mut client = Client::connect_to(running);
    let created = client.request("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"]}"#);
    assert!(created.contains("\"config\""), "{created}");
    let flood: Vec<_> = (0..200).map(|_| TcpStream::connect(running).unwrap()).collect();
    for mut stream in &flood {
        stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "every one of them is answered");
    }
    for number in 0..20 {
        // Each is a block of its own, which has to be opened.
        let name = format!("T{number}");
        let body = format!("{{\"name\":\"{name}\",\"subjects\":[\"{name}\"]}}");
        let created = client.request(&format!("$JS.API.STREAM.CREATE.{name}"), &body);
        assert!(created.contains("\"config\""), "{created}");
        let stored = client.request(&name, "x");
        assert!(stored.contains("\"seq\":1"), "{stored}");
    }
    drop((flood, client));
    child.kill().unwrap();
    child.wait().unwrap();
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.lines().count() < 20, "{log}");
}

/// The limit that shells give is small: a server takes what the system lets it have.
#[test]
fn the_limit_of_open_files_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, ports) =
        limited("ulimit -Sn 64; ulimit -Hn 700", folder.path(), &[], Stdio::null());
    Running::wait(&mut child, &ports);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["700", "700"]);
}

/// However many streams there are, and however few files may be open: what is stored is in blocks.
#[test]
fn many_streams_share_few_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let store = folder.path().join("store");
    let (mut child, ports) =
        limited("ulimit -n 64", folder.path(), &[], std::fs::File::create(&log).unwrap());
    let running = Running::wait(&mut child, &ports);
    let mut client = Client::connect_to(running);
    for number in 0..200 {
        let name = format!("T{number}");
        let body = format!("{{\"name\":\"{name}\",\"subjects\":[\"{name}\"]}}");
        let created = client.request(&format!("$JS.API.STREAM.CREATE.{name}"), &body);
        assert!(created.contains("\"config\""), "{created}");
        let stored = client.request(&name, "x");
        assert!(stored.contains("\"seq\":1"), "{stored}");
    }
    // The blocks are written by and by; what cannot be is said at once.
    let written = || std::fs::read_dir(store.join("blocks")).unwrap().count();
    let deadline = Instant::now() + PATIENCE;
    while written() < 200 {
        assert!(Instant::now() < deadline, "{} of 200 blocks were written", written());
        std::thread::yield_now();
    }
    drop(client);
    child.kill().unwrap();
    child.wait().unwrap();
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(!log.contains("ERROR"), "{log}");
}

/// Requests that are never whole keep nobody from asking how the server is.
#[test]
fn half_requests_keep_nobody_from_monitoring() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, ports) = limited("ulimit -n 128", folder.path(), &["-m", "-1"], Stdio::null());
    Running::wait(&mut child, &ports);
    let said = std::fs::read_to_string(&ports).unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let address = said["monitoring"][0].as_str().unwrap().trim_start_matches("http://").to_owned();
    let connect = || {
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        stream
    };
    let half: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = connect();
            stream.write_all(b"GET /varz HTTP/1.1\r\nHost:").unwrap();
            stream
        })
        .collect();
    for _ in 0..10 {
        let mut whole = connect();
        whole.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        whole.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    drop(half);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Starts a server and reads its log until `last` comes.
#[track_caller]
fn log_until(command: &mut Command, last: &str) -> String {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        log.push_str(&line.unwrap());
        if log.contains(last) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(log.contains(last), "{log}");
    log
}

#[test]
fn a_log_that_nobody_watches_has_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    let topology = write(&folder, "watershed: 1\nname: x\n");
    let mut server = serve(&["-p", "-1"]);
    let mut up = up(&folder.path().join("data"), &["-D", &topology]);
    for log in [log_until(&mut server, "Server is ready"), log_until(&mut up, "DEBUG")] {
        assert!(!log.contains('\u{1b}'), "{log:?}");
    }
}

/// What is kept is its owner's alone, and is not put where others can change it.
#[test]
fn folders_are_their_owners() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let topology = write(&folder, "watershed: 1\nname: x\n");
    let start = |program: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", "umask 0; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_watershed")]);
        command.args(program).current_dir(folder.path());
        command
    };
    let up = ["up", "-D", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", &topology];
    let serve = ["serve", "-p", "-1", "-js"];
    let kept = folder.path().join(".watershed");
    log_until(&mut start(&up), "DEBUG");
    log_until(&mut start(&serve), "Server is ready");
    for path in [".", "x", "x/store", "serve"].map(|path| kept.join(path)) {
        assert_eq!(mode(&path), 0o700, "{path:?}");
    }
    for (path, command) in [("x", &up[..]), ("serve", &serve), (".", &up), (".", &serve)] {
        let path = kept.join(path);
        set(&path, 0o722);
        let (code, said) = outcome(&start(command).output().unwrap());
        assert_eq!(code, Some(1), "{path:?}: {said}");
        assert!(
            said.contains("others can write to ") && said.contains(": run `chmod 700 "),
            "{said}"
        );
        set(&path, 0o700);
    }
    let (ignore, elsewhere) = (kept.join("x/.gitignore"), folder.path().join("elsewhere"));
    std::fs::remove_file(&ignore).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &ignore).unwrap();
    log_until(&mut start(&up), "DEBUG");
    assert!(!elsewhere.exists(), "a link that leads nowhere was followed");
}
