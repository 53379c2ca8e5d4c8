//! What a plan promises: carried out on a node, it leaves nothing to plan.

use std::fmt::Write as _;

use fastrand::Rng;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::SimDisk;
use watershed_sim::node::Node;
use watershed_topology::apply::{Event, Run, Task};
use watershed_topology::call::Request;
use watershed_topology::lower::lower;
use watershed_topology::observe::{Observation, Observed, ServerFacts};
use watershed_topology::plan::{Names, Policy, destroy, plan, plan_by};
use watershed_topology::verify::verify;
use watershed_topology::yaml::parse;
use watershed_topology::{Severity, SourceMap, Topology, lint};

/// Topologies one after the other on the same node.
const EDITS: usize = 4;

/// One of some texts, mostly none of them.
fn some(rng: &mut Rng, out: &mut String, choices: &[&str]) {
    if rng.u8(..3) == 0 {
        let _ = write!(out, ", {}", choices[rng.usize(..choices.len())]);
    }
}

/// A topology as somebody might write it. Names and subjects stay the same from one to the next, so
/// that it is an edit of what was there.
fn write(rng: &mut Rng) -> String {
    let mut text = String::from("watershed: 1\nname: random\nstreams:\n");
    for stream in 0..rng.usize(1..5) {
        let _ = write!(text, "  S{stream}: {{ subjects: [s{stream}.>]");
        let retention = ["limits", "interest", "workqueue"]
            [if rng.u8(..6) == 0 { rng.usize(..3) } else { stream % 3 }];
        let _ = write!(text, ", retention: {retention}");
        some(
            rng,
            &mut text,
            &["max_age: 1d", "max_age: 1h, duplicate_window: 1m", "max_age: unlimited"],
        );
        some(rng, &mut text, &["max_msgs: 2", "max_msgs: 100"]);
        some(rng, &mut text, &["max_bytes: 1MiB", "max_bytes: 200B"]);
        some(rng, &mut text, &["max_msgs_per_subject: 1"]);
        some(rng, &mut text, &["discard: new", "discard: old"]);
        some(rng, &mut text, &["storage: memory"]);
        some(rng, &mut text, &["allow_direct: true", "deny_delete: true", "description: text"]);
        some(rng, &mut text, &["metadata: { team: a }"]);
        text.push_str(", consumers: { ");
        let filters = if retention == "workqueue" { rng.usize(1..3) } else { rng.usize(1..4) };
        for consumer in 0..filters {
            let _ = write!(text, "c{consumer}: {{ filter_subject: s{stream}.{consumer}.>");
            some(rng, &mut text, &["max_deliver: 3", "max_deliver: 5, backoff: [1s, 5s]"]);
            some(rng, &mut text, &["ack_wait: 10s", "max_ack_pending: 7"]);
            some(rng, &mut text, &["headers_only: true", "description: text", "max_waiting: 3"]);
            if retention != "workqueue" {
                some(rng, &mut text, &["ack_policy: all", "deliver_policy: new"]);
            }
            text.push_str(" }, ");
        }
        text.push_str("} }\n");
    }
    if rng.bool() {
        text.push_str("  COPY: { max_age: 1d, sources: [{ name: S0 }] }\n");
    }
    text
}

pub(crate) fn read(text: &str) -> Option<Topology> {
    let mut sources = SourceMap::default();
    let file = sources.add("random", text);
    let (root, mut found) = parse(&sources, file);
    let (topology, mut wrong) = lower(&root.unwrap());
    found.append(&mut wrong);
    // Findings that a server knows nothing of are no concern of the planner.
    found.extend(
        lint::run(&topology, None).into_iter().filter(|one| one.code.starts_with(['C', 'S'])),
    );
    let error = found.iter().any(|one| one.severity == Severity::Error);
    (!error).then_some(topology)
}

pub(crate) fn call(node: &mut Node, request: &Request) -> Vec<u8> {
    let body = String::from_utf8(request.body.clone()).unwrap();
    node.send(format!("PUB {} r.1 {}\r\n{body}\r\n", request.subject, body.len()).as_bytes());
    node.settle().unwrap();
    node.received().pop().expect("every call is answered").payload.into_bytes()
}

pub(crate) fn observe(node: &mut Node, topology: &Topology) -> Observed {
    let server = ServerFacts { version: "2.14.6".into(), clustered: false };
    let mut observation = Observation::new(topology, server);
    while let Some((tag, request)) = observation.next() {
        let reply = call(node, &request);
        observation.done(tag, &reply).unwrap();
    }
    observation.finish()
}

/// Messages in a stream now.
fn messages(observed: &Observed, stream: &str) -> u64 {
    observed.streams.get(stream).map_or(0, |there| there.info.state.messages)
}

/// Does one thing that a run wants done.
fn carry(node: &mut Node, run: &mut Run, task: Task) -> Result<(), String> {
    let done = match task {
        Task::Call(request) => run.done(Event::Answer(Ok(&call(node, &request)))),
        Task::Pause(_) => run.done(Event::Passed),
        // Whether a backup is one is looked at where files are.
        Task::BackUp(_) => run.done(Event::BackedUp(Ok(()))),
        Task::PutBack(stream) => return Err(format!("{stream} was not made again")),
        Task::Compare(_) | Task::Ids(_) => return Err("a plan that recreates migrates".into()),
    };
    done.map(drop).map_err(|halt| format!("{halt}: {}", halt.source))
}

fn carry_out(node: &mut Node, topology: &Topology, policy: &Policy) -> Result<(), String> {
    let before = observe(node, topology);
    let planned = plan_by(topology, &before, &everything().ways());
    let mut run = Run::new(&planned, policy);
    while let Some(task) = run.next() {
        carry(node, &mut run, task)?;
    }
    let after = observe(node, topology);
    // Whatever lost messages had said so.
    for stream in &topology.streams {
        let name = &stream.name.value;
        let lossy =
            planned.steps.iter().any(|step| step.target.stream == *name && !step.losses.is_empty());
        if messages(&after, name) < messages(&before, name) && !lossy {
            return Err(format!("{name} lost messages, and the plan did not say so: {planned:?}"));
        }
    }
    if *policy != everything() {
        return Ok(());
    }
    let left = plan(topology, &after);
    if !left.is_empty() {
        return Err(format!("there is more to do: {:?} {:?}", left.steps, left.refused));
    }
    let verdict = verify(topology, &after);
    if verdict.problems.is_empty() { Ok(()) } else { Err(format!("{:?}", verdict.problems)) }
}

fn everything() -> Policy {
    let all = Names::All;
    Policy {
        allow_loss: all.clone(),
        recreate: all.clone(),
        adopt: all,
        prune: true,
        ..Policy::default()
    }
}

fn run(seed: u64) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let settings = JetStreamSettings::new(1 << 40, 1 << 40);
    let mut node = Node::start(&SimDisk::default(), settings, seed)?;
    let mut last = None;
    for edit in 0..EDITS {
        let text = write(&mut rng);
        let Some(topology) = read(&text) else { continue };
        let told = |error| format!("edit {edit}: {error}\n{text}");
        // First what loses nothing, and then all of it.
        carry_out(&mut node, &topology, &Policy::default()).map_err(told)?;
        carry_out(&mut node, &topology, &everything()).map_err(told)?;
        for number in 0..rng.usize(..12) {
            let subject = format!("s{}.{}.x", number % 4, rng.u8(..3));
            node.send(format!("PUB {subject} 20\r\n{number:020}\r\n").as_bytes());
        }
        node.settle()?;
        last = Some(topology);
    }
    let Some(topology) = last else { return Ok(()) };
    let plan = destroy("random", &observe(&mut node, &topology));
    let mut run = Run::new(&plan, &everything());
    while let Some(task) = run.next() {
        carry(&mut node, &mut run, task)?;
    }
    let left = observe(&mut node, &topology);
    if left.streams.is_empty() { Ok(()) } else { Err("something is left".into()) }
}

#[test]
fn a_plan_that_was_carried_out_leaves_nothing_to_plan() {
    for seed in 0..crate::seeds(60) {
        run(seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}
