//! What clients make the server hold has bounds, and does not keep others waiting.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use watershed_server::{Config, Server};

const HELLO: &[u8] = b"CONNECT {\"verbose\":false}\r\n";

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    stream
}

/// Waits for an answer that ends so.
fn answered(stream: &mut TcpStream, end: &[u8]) {
    let (mut seen, mut bytes) = (Vec::new(), [0; 4096]);
    while !seen.ends_with(end) {
        let count = stream.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "the server closed: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&bytes[..count]);
    }
}

#[test]
fn unfinished_payloads_share_a_budget() {
    let config = Config { max_half_received: 4 << 20, ..Config::default() };
    let server = Server::builder().config(config).start().unwrap();
    let address = server.local_addr();
    let begin = |size: usize| {
        let mut stream = connect(address);
        stream.write_all(HELLO).unwrap();
        stream.write_all(b"PUB a 1000000\r\n").unwrap();
        // The server may have closed, which is what this is about.
        let _ = stream.write_all(&vec![b'x'; size]);
        stream
    };
    let mut small = begin(100_000);
    let large: Vec<_> = (0..12).map(|_| begin(900_000)).collect();
    let mut refused = 0;
    for mut stream in large {
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut text = Vec::new();
        let closed = match stream.read_to_end(&mut text) {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        };
        refused += usize::from(closed);
    }
    // Twelve of them do not fit. Buffers grow by doubling: some count for more than they hold.
    assert!((6..12).contains(&refused), "{refused} of 12 were closed");
    small.write_all(&vec![b'x'; 900_000]).unwrap();
    small.write_all(b"\r\nPING\r\n").unwrap();
    answered(&mut small, b"PONG\r\n");
}

/// Floods a server with a line, and reads nothing. What the sockets of both sides take is taken, and not
/// much more; once the answers are read, all goes on.
fn flood(address: SocketAddr, hello: &[u8], line: &[u8]) {
    let mut stream = connect(address);
    stream.write_all(hello).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let flood = line.repeat(10_000);
    // 64 MiB and more without a bound.
    let mut sent = 0;
    while sent < 40 << 20 {
        match stream.write(&flood) {
            Ok(count) => sent += count,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
                break;
            }
        }
    }
    assert!(sent < 40 << 20, "{sent} bytes were taken");
    // A part of a line may be what comes next.
    let mut reader = stream.try_clone().unwrap();
    let drain = std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 20];
        while let Ok(1..) = reader.read(&mut bytes) {}
    });
    stream.set_write_timeout(Some(Duration::from_secs(4))).unwrap();
    stream.write_all(&flood).unwrap();
    stream.shutdown(std::net::Shutdown::Both).unwrap();
    drain.join().unwrap();
}

/// Whoever does not read what was asked for is not asked what else there is.
#[test]
fn answers_that_nobody_reads_are_few() {
    let server = Server::builder().start().unwrap();
    let address = server.local_addr();
    flood(address, HELLO, b"PING\r\n");
    flood(address, HELLO, b"SUB a..b 1\r\n");
    let mut other = connect(address);
    other.write_all(b"PING\r\n").unwrap();
    answered(&mut other, b"PONG\r\n");
}

/// Nor whoever does not read what is not allowed.
#[test]
fn refusals_that_nobody_reads_are_few() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("nats.conf");
    let text = "listen: \"127.0.0.1:0\"\nauthorization { users: [{ user: a, password: s3, \
                permissions: { publish: \"yes\", subscribe: \"yes\" } }] }";
    std::fs::write(&conf, text).unwrap();
    let (config, _) = watershed_server::read_config(&conf, &|_| None).unwrap();
    let server = Server::builder().config(config).start().unwrap();
    let address = server.local_addr();
    let hello = b"CONNECT {\"verbose\":false,\"user\":\"a\",\"pass\":\"s3\"}\r\n";
    flood(address, hello, b"PUB no 0\r\n\r\n");
    flood(address, hello, b"SUB no 1\r\n");
    let mut other = connect(address);
    other.write_all(hello).unwrap();
    other.write_all(b"PING\r\n").unwrap();
    answered(&mut other, b"PONG\r\n");
}
