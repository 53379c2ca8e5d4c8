//! What nobody reads is held up to a bound, however many do not read it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use watershed_engine::{
    CloseReason, ConnId, CoreSettings, Engine, Flow, Identity, Most, Now, Outbox, Output, Peer,
    Settings, Tick,
};
use watershed_wire::ClientDecoder;

/// Bytes that may wait for all connections together.
const OUTBOXES_BYTES_MAX: usize = 256 << 20;

/// Clients, none of whom reads.
struct Clients {
    engine: Engine,
    open: Vec<ConnId>,
    closed: Vec<(ConnId, CloseReason)>,
}

impl Clients {
    fn new() -> Self {
        Self::with(Most::default())
    }

    fn with(most: Most) -> Self {
        let core = CoreSettings { most, ..CoreSettings::default() };
        let engine = Engine::new(Settings { core, ..Settings::default() });
        Self { engine, open: Vec::new(), closed: Vec::new() }
    }

    /// Time has passed.
    fn at(&mut self, now: Now) {
        self.engine.timeout(now);
        self.close();
    }

    fn connect(&mut self) -> ConnId {
        let account = self.engine.account("A");
        let identity = Identity::new(account, "", None);
        let peer =
            Peer { ip: "test".into(), port: 1, anonymous: Some(identity), ..Peer::default() };
        let conn = self.engine.opened(Now::default(), peer);
        self.open.push(conn);
        self.say(conn, b"CONNECT {\"verbose\":false}\r\n");
        conn
    }

    fn say(&mut self, conn: ConnId, bytes: &[u8]) -> Flow {
        let (op, _) = ClientDecoder::new(1 << 20).next(bytes).unwrap().unwrap();
        let flow = self.engine.received(Now::default(), conn, op);
        self.close();
        flow
    }

    /// Closes whom the engine wants closed.
    fn close(&mut self) {
        let mut outputs = Vec::new();
        self.engine.drain(Now::default(), &mut outputs, &mut Vec::new());
        for output in outputs {
            if let Output::Close { conn, reason } = output {
                self.closed.push((conn, reason));
                self.open.retain(|other| *other != conn);
                self.engine.closed(conn);
            }
        }
    }

    fn waiting(&self) -> usize {
        self.open.iter().filter_map(|conn| self.engine.outbox(*conn)).map(Outbox::len).sum()
    }
}

#[test]
fn those_who_never_read_share_a_budget() {
    let mut clients = Clients::new();
    let publisher = clients.connect();
    for _ in 0..6 {
        let reader = clients.connect();
        clients.say(reader, b"SUB a 1\r\n");
    }
    let size = 1 << 20;
    let frame = [format!("PUB a {size}\r\n").as_bytes(), &vec![b'x'; size], b"\r\n"].concat();
    let mut stalls = 0;
    for _ in 0..50 {
        stalls += usize::from(clients.say(publisher, &frame) == Flow::Stall);
        let waiting = clients.waiting();
        assert!(waiting <= OUTBOXES_BYTES_MAX, "{waiting} bytes wait");
    }
    // Who publishes is asked to wait, and stays.
    assert!(stalls > 40, "{stalls}");
    assert!((1..6).contains(&clients.closed.len()), "{:?}", clients.closed);
    for (conn, reason) in &clients.closed {
        assert!(*conn != publisher && *reason == CloseReason::SlowConsumer);
    }
}

#[test]
fn what_waits_for_one_is_bounded_as_is_said() {
    let mut clients = Clients::with(Most { pending_bytes: 1 << 20, ..Most::default() });
    let (publisher, reader) = (clients.connect(), clients.connect());
    clients.say(reader, b"SUB a 1\r\n");
    let frame = [b"PUB a 262144\r\n", &vec![b'x'; 262_144][..], b"\r\n"].concat();
    let flows: Vec<Flow> = (0..3).map(|_| clients.say(publisher, &frame)).collect();
    assert_eq!((flows, clients.closed.len()), (vec![Flow::Continue, Flow::Stall, Flow::Stall], 0));
    clients.say(publisher, &frame);
    assert_eq!(clients.closed, [(reader, CloseReason::SlowConsumer)]);
}

#[test]
fn who_takes_nothing_has_to_go() {
    let mut clients = Clients::new();
    let (stuck, slow) = (clients.connect(), clients.connect());
    let after = |seconds: u64| Now { tick: Tick(seconds * 1_000_000_000), ..Now::default() };
    for conn in [stuck, slow] {
        clients.engine.blocked(after(0), conn);
    }
    // It takes something, and is stuck anew.
    clients.engine.sent(slow, 1);
    clients.engine.blocked(after(5), slow);
    clients.at(after(9));
    assert_eq!(clients.closed, []);
    clients.at(after(10));
    assert_eq!(clients.closed, [(stuck, CloseReason::WriteDeadline)]);
    clients.at(after(15));
    assert_eq!(clients.closed[1..], [(slow, CloseReason::WriteDeadline)]);
}
