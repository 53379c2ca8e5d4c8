//! What the disk refuses for a while is a delay, and no more.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use watershed_server::Server;

/// Longest wait for something that takes a moment.
const PATIENCE: Duration = Duration::from_secs(10);

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// Publishes, and waits until the message is stored.
fn publish(address: SocketAddr, subject: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let frames = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB r 1\r\nPUB {subject} r {}\r\n{body}\r\n",
        body.len()
    );
    stream.write_all(frames.as_bytes()).unwrap();
    let lines = BufReader::new(stream).lines();
    lines.map(Result::unwrap).find(|line| line.starts_with('{')).unwrap()
}

fn is_well(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.starts_with("HTTP/1.1 200")
}

/// What is written into a store that was deleted is in files without names: it is not stored.
#[test]
fn a_deleted_store_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let server = Server::builder().store_dir(&store).http(any).start().unwrap();
    let (address, http) = (server.local_addr(), server.http_addr().unwrap());
    let created = publish(address, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
    assert!(created.contains("did_create"), "{created}");
    assert!(publish(address, "s", "one").contains("\"seq\":1"));
    std::fs::remove_dir_all(&store).unwrap();
    let refused = publish(address, "s", "two");
    assert!(refused.contains("\"err_code\":10023"), "{refused}");
    wait("health says so", || !is_well(http));
}

#[test]
fn blocks_that_could_not_be_written_are_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let server = Server::builder().store_dir(&store).http(any).start().unwrap();
    let (address, http) = (server.local_addr(), server.http_addr().unwrap());
    // The place of the first block of the first stream is taken.
    let block = Path::new(&store).join("blocks/00000001-00000001.wb");
    std::fs::create_dir(&block).unwrap();
    let created = publish(address, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
    assert!(created.contains("did_create"), "{created}");
    assert!(publish(address, "s", "one").contains("\"seq\":1"));
    wait("health says so", || !is_well(http));
    // The journal takes more all the same.
    assert!(publish(address, "s", "two").contains("\"seq\":2"));
    std::fs::remove_dir(&block).unwrap();
    wait("the block is written", || block.is_file());
    wait("health says so", || is_well(http));
    server.stop();
    let server = Server::builder().store_dir(&store).start().unwrap();
    let info = publish(server.local_addr(), "$JS.API.STREAM.INFO.S", "");
    assert!(info.contains("\"messages\":2"), "{info}");
}
