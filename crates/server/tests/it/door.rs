//! Who may come in, and how long they may stay without a word.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use watershed_server::{Config, Server};

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    stream
}

/// What comes until the server closes, `INFO` aside.
fn last_words(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n").unwrap().1.to_owned()
}

/// Waits for a `PONG`: the connection is there, and the server has seen what came before.
fn ping(stream: &mut TcpStream) {
    stream.write_all(b"PING\r\n").unwrap();
    let (mut seen, mut bytes) = (Vec::new(), [0; 4096]);
    while !seen.ends_with(b"PONG\r\n") {
        let count = stream.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "the server closed");
        seen.extend_from_slice(&bytes[..count]);
    }
}

#[test]
fn whoever_says_nothing_whole_may_not_stay() {
    let config = Config { connect_timeout: Duration::from_millis(200), ..Config::default() };
    let server = Server::builder().config(config).start().unwrap();
    let address = server.local_addr();
    let mut known = connect(address);
    ping(&mut known);
    let silent = connect(address);
    let mut half = connect(address);
    half.write_all(b"CONNECT {\"verbose\":").unwrap();
    for stream in [silent, half] {
        assert_eq!(last_words(stream), "-ERR 'Authentication Timeout'\r\n");
    }
    ping(&mut known);
}

#[test]
fn one_connection_too_many_is_told_so() {
    let config = Config { max_connections: 2, ..Config::default() };
    let server = Server::builder().config(config).start().unwrap();
    let address = server.local_addr();
    let mut inside = [connect(address), connect(address)];
    inside.iter_mut().for_each(ping);
    assert_eq!(last_words(connect(address)), "-ERR 'maximum connections exceeded'\r\n");
    let [mut first, second] = inside;
    drop(second);
    // Whether the server has seen that somebody left is seen by trying.
    let stays = |mut stream: TcpStream| {
        let mut bytes = [0; 4096];
        let _ = stream.write_all(b"PING\r\n");
        let mut seen = Vec::new();
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            seen.extend_from_slice(&bytes[..count]);
            if seen.ends_with(b"PONG\r\n") {
                return true;
            }
        }
        false
    };
    assert!((0..1000).any(|_| stays(connect(address))));
    ping(&mut first);
}

/// What is half sent on the monitoring port is not waited for, and others are answered meanwhile.
#[test]
fn half_a_request_is_not_waited_for() {
    let config = Config { http_timeout: Duration::from_millis(200), ..Config::default() };
    let builder = Server::builder().config(config).http(([127, 0, 0, 1], 0).into());
    let server = builder.start().unwrap();
    let address = server.http_addr().unwrap();
    let connect = || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
        stream
    };
    let half = connect();
    (&half).write_all(b"GET /varz HTTP/1.1\r\nHost:").unwrap();
    let mut whole = connect();
    whole.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    whole.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut rest = Vec::new();
    (&half).read_to_end(&mut rest).unwrap();
    assert!(!rest.starts_with(b"HTTP/1.1 2"));
}

/// What a client is told of itself behind its first `PONG`, if it takes `INFO` at any time.
#[test]
fn a_client_is_told_where_it_lives() {
    let server = Server::builder().start().unwrap();
    for (protocol, told) in [(0, 0), (1, 1)] {
        let mut stream = connect(server.local_addr());
        let hello = format!("CONNECT {{\"verbose\":false,\"protocol\":{protocol}}}\r\nPING\r\n");
        stream.write_all(hello.as_bytes()).unwrap();
        // Only the first time; a refused operation ends the connection, and with it what is read.
        stream.write_all(b"PING\r\nPUB\r\n").unwrap();
        let words = last_words(stream);
        let lines: Vec<&str> = words.lines().filter(|line| line.starts_with("INFO ")).collect();
        assert_eq!(lines.len(), told, "{words}");
        for line in lines {
            assert!(line.contains("\"connect_info\":true,\"remote_account\":\"$G\""), "{line}");
            assert!(words.starts_with("PONG\r\nINFO "), "{words}");
        }
    }
}
