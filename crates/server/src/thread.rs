//! Threads of a server. None of them is done without: a panic in one ends the process, so that a
//! supervisor sees it and starts another. A server that lives on without its loop or its disk would
//! only look alive.

use std::io::{self, Write as _};
use std::thread::JoinHandle;

/// Ends the process if the thread that holds it panics.
struct Guard(&'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What panicked was printed already; where logs go may be part of what is broken.
            let name = self.0;
            let text = format!("the server's thread `{name}` panicked: the process ends\n");
            let _ = io::stderr().write_all(text.as_bytes());
            std::process::abort();
        }
    }
}

/// Starts a thread of the server.
pub(crate) fn spawn(
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(move || {
        let _guard = Guard(name);
        #[cfg(test)]
        tests::panic_if_wanted(name);
        run();
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use crate::{
        Config, ConnectionTypes, Credential, JetStreamConfig, Nkey, OperatorConfig, Resolver,
        Server, User,
    };
    use watershed_peers::jwt::Operator;

    /// Names the thread that is to panic in the child process.
    const PANICS: &str = "WATERSHED_TEST_PANICS";

    /// Number of the signal that `abort` ends a process with.
    const SIGABRT: i32 = 6;

    pub(super) fn panic_if_wanted(name: &str) {
        assert!(std::env::var(PANICS).as_deref() != Ok(name), "this panic is wanted");
    }

    /// A server with every thread that there can be, in a process of its own.
    #[test]
    fn child() {
        if std::env::var_os(PANICS).is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let user = User {
            name: "a".into(),
            credential: Credential::Bcrypt(bcrypt::hash("b", 4).unwrap()),
            account: "A".into(),
            permissions: None,
            connections: ConnectionTypes::default(),
        };
        let key = nkeys::KeyPair::new_user().public_key();
        let with_key = User {
            name: key.clone(),
            credential: Credential::Nkey(Box::new(Nkey::of_user(&key).unwrap())),
            ..user.clone()
        };
        if std::env::var(PANICS).as_deref() == Ok("accounts") {
            let operator = Operator::new();
            let folder = folder.path().join("jwt");
            let (allow_delete, hard_delete, limit) = (false, false, None);
            let resolver = Resolver::Full { folder, allow_delete, hard_delete, limit };
            let operators = vec![operator.jwt()];
            let operator = Some(OperatorConfig { operators, resolver, preload: BTreeMap::new() });
            let _server =
                Server::builder().config(Config { operator, ..Config::default() }).start().unwrap();
            wait_for_the_end();
        }
        let config = Config {
            http: Some(([127, 0, 0, 1], 0).into()),
            users: vec![user, with_key],
            jetstream: Some(JetStreamConfig::new(folder.path())),
            ..Config::default()
        };
        let _server = Server::builder().config(config).start().unwrap();
        wait_for_the_end();
    }

    /// The thread panics as soon as it runs; who survives that fails in the parent.
    fn wait_for_the_end() {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(3) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_panic_ends_the_process() {
        // What the children leave behind goes with it.
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "watershed",
            "committer",
            "keeper",
            "reader",
            "passwords",
            "signatures",
            "accounts",
            "http",
        ] {
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "thread::tests::child", "--nocapture"])
                .env(PANICS, name)
                .env("TMPDIR", folder.path())
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.signal(), Some(SIGABRT), "{name}: {said}");
            let expected = format!("the server's thread `{name}` panicked: the process ends\n");
            assert!(said.ends_with(&expected), "{name}: {said}");
        }
    }
}
