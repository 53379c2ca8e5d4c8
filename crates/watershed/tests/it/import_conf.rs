//! `import` of nats.conf: what stands beside it, and where passwords go.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::server::{Running, run, succeed};

#[test]
fn passwords_are_kept_beside_the_topology_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(path("conf")).unwrap();
    let conf = "SECRET: sesame-2\nauthorization { include users.conf }\ninclude ../outside.conf\ninclude link.conf\n";
    fs::write(path("conf/nats.conf"), conf).unwrap();
    let users = "users: [\n  { user: admin, password: sesame-1 },\n  { user: 'a/b', password: \"s2\", permissions: { subscribe: x } }\n]\n";
    fs::write(path("conf/users.conf"), users).unwrap();
    fs::write(path("outside.conf"), "no_auth_user: admin\n").unwrap();
    std::os::unix::fs::symlink(path("outside.conf"), path("conf/link.conf")).unwrap();
    let ran = run(&["import", &path("conf/nats.conf"), "-o", &path("watershed.yaml")]);
    assert_eq!(ran.code, Some(4), "{}{}", ran.out, ran.err);
    for missing in ["../outside.conf", "link.conf"] {
        assert!(ran.err.contains(&format!("`{missing}` is included, and not read")), "{}", ran.err);
    }
    let text = fs::read_to_string(path("watershed.yaml")).unwrap();
    assert!(
        !text.contains("sesame") && !ran.err.contains("sesame") && !text.contains("no_auth"),
        "{text}"
    );
    let kept = |name: &str| path(&format!(".watershed/imported/passwords/{name}"));
    assert_eq!(fs::read_to_string(kept("user-admin")).unwrap(), "sesame-1");
    for name in ["user-admin", "user-a_b"] {
        let mode = fs::metadata(kept(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::read_to_string(path(".watershed/.gitignore")).unwrap(), "*\n");
    // `up` finds them.
    let data = tempfile::tempdir().unwrap();
    let server = Running::up(data.path(), &[&path("watershed.yaml")]);
    let status =
        succeed(&["status", "-s", &server.url(), "--user", "admin", "--password", "sesame-1"]);
    assert!(!status.is_empty());
    let wrong = run(&["status", "-s", &server.url(), "--user", "admin", "--password", "other"]);
    assert_ne!(wrong.code, Some(0));
}

#[test]
fn several_accounts_are_several_topologies() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let conf = "accounts {\n  SHOP { jetstream: enabled, users: [ { user: shop, password: one } ], exports: [ { stream: orders.> } ] }\n  \
                AUDIT { users: [ { user: audit, password: two } ], imports: [ { stream: { account: SHOP, subject: orders.> } } ] }\n}\n";
    fs::write(path("nats.conf"), conf).unwrap();
    let alone = run(&["import", &path("nats.conf")]);
    assert_eq!(alone.code, Some(1));
    assert!(
        alone.err.contains("of the accounts SHOP, AUDIT: name one with --account"),
        "{}",
        alone.err
    );
    let one = succeed(&["import", &path("nats.conf"), "--account", "AUDIT"]);
    assert!(one.contains("account: AUDIT") && !one.contains("shop"), "{one}");
    succeed(&["import", &path("nats.conf"), "-o", &path("accounts")]);
    let (shop, audit) = (path("accounts/SHOP"), path("accounts/AUDIT"));
    let rendered = succeed(&["render", "nats-conf", &shop, &audit]);
    assert!(rendered.contains("\"SHOP\" {") && rendered.contains("NATS_AUDIT_PASS"), "{rendered}");
    assert_eq!(
        fs::read_to_string(format!("{audit}/.watershed/AUDIT/passwords/user-audit")).unwrap(),
        "two"
    );
}
