//! What a client needs to connect, and a program that is run with it; requests.

use crate::server::{Running, run, succeed, write};

const FILE: &str = "\
watershed: 1
name: shop
streams: { A: { subjects: [a.>], max_age: 1d } }
services: { s: { publishes: [a.x], requests: [q], replies: [q] } }
users:
  admin: { role: admin }
  s: { service: s, inbox_prefix: _INBOX_s }
";

#[test]
fn a_user_gets_what_it_needs_and_secrets_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join(".watershed/shop");
    let file = write(&folder, FILE);
    let server = Running::up(&data, &[&file]);
    let url = server.url();
    let secrets = std::fs::read_to_string(data.join("secrets.json")).unwrap();
    let secrets: serde_json::Value = serde_json::from_str(&secrets).unwrap();
    let password = secrets["shop"]["s"].as_str().unwrap();
    let shown = |flags: &[&str]| {
        let all = [&["env", "-f", &file, "-s", &url, "--user", "s"], flags].concat();
        let ran = run(&all);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(!ran.err.contains(password));
        ran.out.replace(&url, "URL").replace(password, "SECRET")
    };
    insta::assert_snapshot!(shown(&[]), @"
    export NATS_URL=URL
    export NATS_USER=s
    export NATS_INBOX_PREFIX=_INBOX_s
    ");
    insta::assert_snapshot!(shown(&["--reveal", "--format", "dotenv"]), @"
    NATS_URL=URL
    NATS_USER=s
    NATS_PASSWORD=SECRET
    NATS_INBOX_PREFIX=_INBOX_s
    ");
    insta::assert_snapshot!(shown(&["--reveal", "--format", "json"]), @r#"
    {
      "NATS_INBOX_PREFIX": "_INBOX_s",
      "NATS_PASSWORD": "SECRET",
      "NATS_URL": "URL",
      "NATS_USER": "s"
    }
    "#);
    // A program finds it in its environment, and ends as itself.
    let ran = run(&[
        "run",
        "-f",
        &file,
        "-s",
        &url,
        "--user",
        "s",
        "--",
        "sh",
        "-c",
        "test -n \"$NATS_PASSWORD\" && echo \"$NATS_USER $NATS_INBOX_PREFIX\"; exit 7",
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(7), "s _INBOX_s\n"), "{}", ran.err);

    // So does this program.
    let as_user = |arguments: &[&str]| {
        let own = env!("CARGO_BIN_EXE_watershed");
        let run_as = ["run", "-f", &file, "-s", &url, "--user", "s", "--", own];
        run(&[run_as.as_slice(), arguments].concat())
    };
    let nobody = as_user(&["req", "q", "hello"]);
    let said = nobody.err;
    assert!(nobody.code == Some(1) && said.contains("nobody answers requests on `q`"), "{said}");
    let stored = as_user(&["req", "a.x", "one"]);
    assert!(stored.out.contains("\"stream\":\"A\""), "{}{}", stored.out, stored.err);
    succeed(&["status", "-f", &file, "-s", &url, "--user", "admin"]);
}
