//! Workers that die between an effect and its acknowledgement, acknowledgements that are lost, servers
//! that are killed: no message is lost, each is delivered as often as is declared at most, and what is
//! given up is kept once. What fails names its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use watershed_client::{Client, Options};
use watershed_topology::Topology;
use watershed_wire::jetstream::call::Call;
use watershed_worker::dead::{Cases, Selection, Sweep};
use watershed_worker::{
    Assignment, CancellationToken, Delivery, Effect, Once, Outcome, Reason, Work, Worker, raw,
};

use crate::world::{
    PATIENCE, Server, ask, create, name, publish, stored, topology, unfinished, until,
};

const FILE: &str = "\
streams:
  JOBS:
    subjects: [jobs.>]
    retention: workqueue
    max_age: 1d
    consumers:
      worker: { max_deliver: 7, backoff: [250ms], dead_letter: DEAD } # allow C003: a test
  DEAD: { max_age: 30d, consumers: { operator: {} } }
services:
  s: { consumes: [JOBS/worker], concurrency: 4, replicas: 2 }
";

const MAX_DELIVER: u64 = 7;

/// What a message's handler does.
const KINDS: [&str; 6] = ["ok", "slow", "flaky", "kill", "reject", "fail"];

/// What handlers did, by message.
#[derive(Default)]
struct Seen {
    effects: BTreeMap<String, u64>,
    killed: BTreeSet<String>,
    deliveries: u64,
}

/// One worker, on a thread of its own that can be ended.
struct Replica {
    kill: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Replica {
    fn start(
        id: u64,
        options: &Options,
        topology: &Topology,
        seen: &Arc<Mutex<Seen>>,
        deaths: &mpsc::UnboundedSender<u64>,
    ) -> Self {
        let (seen, deaths) = (Arc::clone(seen), deaths.clone());
        let handler = raw(move |delivery: Delivery| {
            let deaths = deaths.clone();
            handle(delivery, Arc::clone(&seen), move || deaths.send(id).unwrap())
        });
        Self::run(options, topology, handler)
    }

    fn run(options: &Options, topology: &Topology, handler: impl Work) -> Self {
        let options = options.clone();
        let assignment = Assignment::of(topology, "s", &name("JOBS/worker")).unwrap();
        let worker = Worker::new().on(assignment, handler);
        let (kill, killed) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = runtime();
            runtime.spawn(async move { worker.start(&options, |_| ()).await.unwrap().run().await });
            let _ = runtime.block_on(killed);
            // With its tasks goes its connection.
            runtime.shutdown_background();
        });
        Self { kill, thread }
    }

    /// Ends it as a crash does: its connection closes, and nothing is said.
    fn kill(self) {
        let _ = self.kill.send(());
        self.thread.join().unwrap();
    }
}

async fn handle(delivery: Delivery, seen: Arc<Mutex<Seen>>, dies: impl FnOnce()) -> Outcome {
    let message = String::from_utf8_lossy(&delivery.payload).into_owned();
    let kind = message.split(' ').next().unwrap_or_default().to_owned();
    seen.lock().unwrap().deliveries += 1;
    assert!(delivery.deliveries <= MAX_DELIVER, "{message}: {}", delivery.deliveries);
    match kind.as_str() {
        "reject" => return Outcome::reject("poison"),
        "fail" => return Outcome::retry("always"),
        "flaky" if delivery.deliveries < 3 => return Outcome::retry("not yet"),
        "slow" => tokio::time::sleep(Duration::from_millis(600)).await,
        _ => {}
    }
    let is_to_die = {
        let mut seen = seen.lock().unwrap();
        *seen.effects.entry(message.clone()).or_default() += 1;
        kind == "kill" && seen.killed.insert(message)
    };
    if is_to_die {
        dies();
        std::future::pending::<()>().await;
    }
    Outcome::Done
}

async fn run(mut server: Server, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let topology = topology(FILE);
    let client = server.client().await;
    create(&client, &topology).await;
    let mut messages = Vec::new();
    for number in 0..36 {
        let kind = KINDS[random.usize(..KINDS.len())];
        messages.push(format!("{kind} {number}"));
        publish(&client, &format!("jobs.{kind}"), messages.last().unwrap()).await;
    }
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (deaths, mut died) = mpsc::unbounded_channel();
    let options = server.options();
    let start = |id| Replica::start(id, &options, &topology, &seen, &deaths);
    let mut last = 2;
    let mut replicas = BTreeMap::from([(1, start(1)), (2, start(2))]);
    let mut restarts: Vec<u64> = (0..2).map(|_| random.u64(100..900)).collect();
    let begun = std::time::Instant::now();
    loop {
        if begun.elapsed() > PATIENCE {
            let consumer = Call::ConsumerInfo { stream: "JOBS", consumer: "worker" };
            let consumer = ask(&client, consumer).await;
            let stream = ask(&client, Call::StreamInfo("JOBS")).await;
            let effects = &seen.lock().unwrap().effects;
            panic!("seed {seed}: never finished\n{consumer}\n{stream}\n{effects:?}");
        }
        while let Ok(id) = died.try_recv() {
            // What else it held dies with it.
            if let Some(replica) = replicas.remove(&id) {
                replica.kill();
                last += 1;
                replicas.insert(last, start(last));
            }
        }
        let elapsed = u64::try_from(begun.elapsed().as_millis()).unwrap();
        if let Some(index) = restarts.iter().position(|at| *at <= elapsed) {
            restarts.remove(index);
            server.restart();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        if restarts.is_empty() && finished(&client).await {
            break;
        }
    }
    replicas.into_values().for_each(Replica::kill);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    check(&client, &messages, &seen, seed).await;
}

/// Whether nothing is left, once what the server gave up for workers that died is kept as well.
async fn finished(client: &Client) -> bool {
    let mut sweep = Sweep::of(client, "DEAD");
    while let Ok(Some(_)) = sweep.next().await {}
    client.is_connected() && stored(client, "JOBS", ">").await == 0
}

async fn check(client: &Client, messages: &[String], seen: &Seen, seed: u64) {
    let cases = Cases::read(client, "DEAD", &Selection::default(), usize::MAX).await.unwrap();
    let mut dead: BTreeMap<String, Vec<Reason>> = BTreeMap::new();
    for case in &cases.all {
        // nats-server says so of messages that were acknowledged just before it was killed.
        if case.reason() == Reason::Deleted {
            continue;
        }
        let letter = case.letter.as_ref();
        let letter = letter.unwrap_or_else(|| panic!("seed {seed}: not kept: {case:?}"));
        let body = letter.body.clone();
        let body = body.unwrap_or_else(|| panic!("seed {seed}: lost: {case:?}"));
        let message = String::from_utf8_lossy(&body).into_owned();
        if letter.reason == Reason::MaxDeliver {
            assert_eq!(letter.deliveries, MAX_DELIVER, "seed {seed}: {message}");
        }
        dead.entry(message).or_default().push(letter.reason);
    }
    for message in messages {
        let kind = message.split(' ').next().unwrap();
        let given_up = dead.remove(message).unwrap_or_default();
        let effects = seen.effects.get(message).copied().unwrap_or_default();
        match kind {
            "reject" => assert_eq!(given_up, [Reason::Rejected], "seed {seed}: {message}"),
            "fail" => assert_eq!(given_up, [Reason::MaxDeliver], "seed {seed}: {message}"),
            _ => {
                assert!(effects >= 1, "seed {seed}: {message} was lost");
                assert_eq!(given_up, [], "seed {seed}: {message}");
            }
        }
        if kind == "kill" {
            assert!(effects >= 2, "seed {seed}: {message}: its worker did not die");
        }
    }
    assert_eq!(dead, BTreeMap::new(), "seed {seed}");
}

#[test]
fn nothing_is_lost_when_workers_and_the_server_die() {
    runtime().block_on(run(Server::embedded(), 1));
}

#[test]
fn nothing_is_lost_when_they_die_at_other_times() {
    runtime().block_on(run(Server::embedded(), 2));
}

#[test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
fn nothing_is_lost_when_workers_and_a_real_server_die() {
    runtime().block_on(run(Server::real(), 3));
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What happens to the first acknowledgement on its way.
#[derive(Clone, Copy, PartialEq)]
enum Loss {
    /// It does not arrive.
    Acknowledgement,
    /// It arrives, and its confirmation does not.
    Confirmation,
}

/// A way to a server on which one acknowledgement is lost, and the connection with it.
async fn lossy(server: String, loss: Loss) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut lost = false;
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(&server).await.unwrap();
            let (mut near_in, mut near_out) = near.into_split();
            let (mut far_in, mut far_out) = far.into_split();
            let back = tokio::spawn(async move {
                let _ = tokio::io::copy(&mut far_in, &mut near_out).await;
            });
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count) = near_in.read(&mut buffer).await
                && count > 0
            {
                let cuts = !lost && buffer[..count].windows(4).any(|bytes| bytes == b"+ACK");
                if cuts && loss == Loss::Confirmation {
                    back.abort();
                }
                if !(cuts && loss == Loss::Acknowledgement) {
                    let _ = far_out.write_all(&buffer[..count]).await;
                }
                if cuts {
                    lost = true;
                    break;
                }
            }
            back.abort();
        }
    });
    url
}

async fn lost(server: Server, loss: Loss) {
    let client = server.client().await;
    let topology = topology(FILE);
    create(&client, &topology).await;
    publish(&client, "jobs.ok", "x").await;
    let address = server.options().servers.trim_start_matches("nats://").to_owned();
    let options = Options {
        servers: lossy(address, loss).await,
        timeout: Duration::from_millis(500),
        ..Options::default()
    };
    let stop = CancellationToken::new();
    let handler = raw(|_| async { Outcome::Done });
    let assignment = Assignment::of(&topology, "s", &name("JOBS/worker")).unwrap();
    let worker = Worker::new().on(assignment, handler).stop_on(stop.clone());
    let running = tokio::spawn(worker.start(&options, |_| ()).await.unwrap().run());
    until("the message is done", || async { unfinished(&client, &name("JOBS/worker")).await == 0 })
        .await;
    stop.cancel();
    let report = running.await.unwrap().unwrap();
    let counts = report.consumers[0].1;
    assert_eq!((counts.done, counts.unconfirmed, report.abandoned), (1, 0, 0));
    assert_eq!(stored(&client, "JOBS", ">").await, 0);
}

#[tokio::test]
async fn an_acknowledgement_that_is_lost_is_said_again() {
    lost(Server::embedded(), Loss::Acknowledgement).await;
    lost(Server::embedded(), Loss::Confirmation).await;
}

#[tokio::test]
#[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
async fn an_acknowledgement_that_is_lost_is_said_again_to_a_real_server() {
    lost(Server::real(), Loss::Acknowledgement).await;
    lost(Server::real(), Loss::Confirmation).await;
}

/// A worker that dies when its effect is there and its acknowledgement is not.
#[tokio::test]
async fn an_effect_with_its_mark_happens_once() {
    let server = Server::embedded();
    let client = server.client().await;
    let topology = topology(FILE);
    create(&client, &topology).await;
    publish(&client, "jobs.ok", "x").await;
    let folder = tempfile::tempdir().unwrap();
    let once = Once::open(&folder.path().join("done.db")).unwrap();
    let effects = Arc::new(Mutex::new(Vec::new()));
    let (deaths, mut died) = mpsc::unbounded_channel();
    let start = |dies: bool| {
        let (once, effects, deaths) = (once.clone(), Arc::clone(&effects), deaths.clone());
        let handler = raw(move |delivery: Delivery| {
            let (once, effects, deaths) = (once.clone(), Arc::clone(&effects), deaths.clone());
            async move {
                let effect = once.run(&delivery, |_| Ok::<(), String>(())).await;
                effects.lock().unwrap().push(effect.unwrap());
                if dies {
                    deaths.send(()).unwrap();
                    std::future::pending::<()>().await;
                }
                Outcome::Done
            }
        });
        Replica::run(&server.options(), &topology, handler)
    };
    let first = start(true);
    died.recv().await.unwrap();
    first.kill();
    let second = start(false);
    until("the message is done", || async { unfinished(&client, &name("JOBS/worker")).await == 0 })
        .await;
    second.kill();
    assert_eq!(*effects.lock().unwrap(), [Effect::Now(()), Effect::Before]);
}
