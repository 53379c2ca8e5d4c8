//! A server that is to stop makes durable what it has accepted, and waits for nothing else.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use watershed_server::Server;

/// Longest time to stop. It takes some milliseconds; builders share machines.
const STOP_MAX: Duration = Duration::from_secs(1);

fn connect(address: SocketAddr) -> (TcpStream, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let lines = BufReader::new(stream.try_clone().unwrap());
    stream.write_all(b"CONNECT {\"verbose\":false}\r\nSUB r.> 1\r\n").unwrap();
    (stream, lines)
}

/// Publishes one message after the other, each when the one before is stored, until the end.
fn publish(address: SocketAddr, number: usize, stored: &AtomicUsize) {
    let (mut stream, mut lines) = connect(address);
    let frame = format!("PUB s.{number} r.{number} 0\r\n\r\n");
    let own = format!("MSG r.{number} ");
    loop {
        if stream.write_all(frame.as_bytes()).is_err() {
            return;
        }
        let mut line = String::new();
        while !line.starts_with(&own) {
            line.clear();
            match lines.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        stored.fetch_add(1, Ordering::Relaxed);
    }
}

fn call(address: SocketAddr, subject: &str, body: &str) {
    let (mut stream, lines) = connect(address);
    write!(stream, "PUB {subject} r.x {}\r\n{body}\r\n", body.len()).unwrap();
    let answer = lines.lines().map(Result::unwrap).find(|line| line.starts_with('{')).unwrap();
    assert!(answer.contains("\"config\""), "{answer}");
}

#[test]
fn a_stop_takes_no_longer_than_its_last_round() {
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::builder().store_dir(folder.path().join("store")).start().unwrap();
        let address = server.local_addr();
        call(address, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"]}"#);
        let consumer =
            r#"{"stream_name":"S","config":{"durable_name":"c","ack_policy":"explicit"}}"#;
        call(address, "$JS.API.CONSUMER.DURABLE.CREATE.S.c", consumer);
        let (mut worker, _unread) = connect(address);
        worker
            .write_all(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.c r.pull 15\r\n{\"batch\":10000}\r\n")
            .unwrap();
        let stored = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for number in 0..3 {
                let stored = &stored;
                scope.spawn(move || publish(address, number, stored));
            }
            while stored.load(Ordering::Relaxed) < 30 {
                std::thread::yield_now();
            }
            let asked = Instant::now();
            server.stop();
            slowest = slowest.max(asked.elapsed());
        });
        assert!(slowest < STOP_MAX, "the server took {slowest:?} to stop");
    }
}
