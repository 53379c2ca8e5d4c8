//! Servers in one process know nothing of each other.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use watershed_server::Server;

struct Client {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
        stream.write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB r 1\r\n").unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        Self { stream, lines }
    }

    /// Sends a message; the JSON that it is answered with.
    fn ask(&mut self, subject: &str, header: &str, body: &str) -> Value {
        let head = format!("NATS/1.0\r\n{header}\r\n\r\n");
        let (length, total) = (head.len(), head.len() + body.len());
        write!(self.stream, "HPUB {subject} r {length} {total}\r\n{head}{body}\r\n").unwrap();
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the server closed");
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }
}

/// Makes a stream, a consumer and `count` messages, under names and ids that every server has.
fn work(address: SocketAddr, count: u64) {
    let mut client = Client::connect(address);
    let config = format!("{{\"name\":\"S\",\"subjects\":[\"s.*\"],\"max_msgs\":{}}}", count + 7);
    let created = client.ask("$JS.API.STREAM.CREATE.S", "A: b", &config);
    assert_eq!(created["did_create"], true, "{created}");
    let config =
        "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"c\",\"ack_policy\":\"all\"}}";
    let created = client.ask("$JS.API.CONSUMER.CREATE.S.c", "A: b", config);
    assert_eq!(created["name"], "c", "{created}");
    for number in 1..=count {
        let stored = client.ask("s.x", &format!("Nats-Msg-Id: {number}"), "x");
        assert_eq!(stored["seq"], number, "{stored}");
        assert_eq!(stored["duplicate"], Value::Null, "{stored}");
    }
}

fn messages(address: SocketAddr) -> Value {
    let info = Client::connect(address).ask("$JS.API.STREAM.INFO.S", "A: b", "");
    info["state"]["messages"].clone()
}

#[test]
fn two_servers_in_one_process_share_nothing() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let start = |index: usize| {
        Server::builder().store_dir(folders[index].path().join("store")).start().unwrap()
    };
    let servers = [start(0), start(1)];
    std::thread::scope(|scope| {
        for (server, count) in servers.iter().zip([60, 40]) {
            let address = server.local_addr();
            scope.spawn(move || work(address, count));
        }
    });
    let [first, second] = servers;
    assert_eq!(
        (messages(first.local_addr()), messages(second.local_addr())),
        (60.into(), 40.into())
    );
    // What one hears, the other does not; when one ends, the other goes on.
    let deleted = Client::connect(first.local_addr()).ask("$JS.API.STREAM.DELETE.S", "A: b", "");
    assert_eq!(deleted["success"], true);
    first.stop();
    assert_eq!(messages(second.local_addr()), 40);
    let first = start(0);
    assert_eq!(messages(first.local_addr()), Value::Null);
    drop(second);
    let second = start(1);
    assert_eq!(messages(second.local_addr()), 40);
}
