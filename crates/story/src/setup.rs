//! A topology on a server that has nothing of it, as `apply` puts it there, and its removal.

use watershed_topology::Topology;
use watershed_topology::apply::{Event, Run, Task};
use watershed_topology::call::{CallError, Request, check};
use watershed_topology::observe::{OWNER, Observation, Observed};
use watershed_topology::plan::{Action, Policy, plan};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::stream::StreamInfo;

use crate::server::{Broken, Link, Server, call, get};

/// What stands in the way of a topology on a server that is not to be changed: assets of the same names, and
/// subjects that other streams store.
///
/// # Errors
///
/// If the server cannot be asked.
pub fn in_the_way(topology: &Topology, server: &mut impl Server) -> Result<Vec<String>, Broken> {
    let link = server.connect(topology, None)?;
    let observed = observe(server, link, topology)?.map_err(Broken::new)?;
    server.leave(link)?;
    Ok(obstacles(topology, &observed))
}

fn observe(
    server: &mut impl Server,
    link: Link,
    topology: &Topology,
) -> Result<Result<Observed, CallError>, Broken> {
    let mut observation = Observation::new(topology, server.facts());
    while let Some((tag, request)) = observation.next() {
        let reply = call(server, link, &request)?;
        if let Err(error) = reply.and_then(|reply| observation.done(tag, &reply)) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(observation.finish()))
}

fn obstacles(topology: &Topology, observed: &Observed) -> Vec<String> {
    let names = topology.streams.iter().map(|stream| stream.name.value.as_str());
    let there = names
        .filter(|name| observed.streams.contains_key(*name) || observed.silent.contains(*name));
    let mut found: Vec<String> = there.map(|name| format!("the stream `{name}`")).collect();
    if found.is_empty() {
        let plan = plan(topology, observed);
        found.extend(plan.refused.iter().map(|one| format!("{}: {}", one.target, one.reason)));
    }
    found
}

/// Makes what a topology declares, with nothing in it. Why that is not possible, for people.
pub(crate) fn apply(
    server: &mut impl Server,
    link: Link,
    topology: &Topology,
) -> Result<Result<(), String>, Broken> {
    let since = server.passed();
    loop {
        if let Err(why) = make(server, link, topology)? {
            return Ok(Err(why));
        }
        let Some(full) = not_empty(server, link, topology)? else { return Ok(Ok(())) };
        // nats-server deletes files after it has answered, and a stream that is made before that under the same name
        // finds them.
        remove(server, topology)?;
        if !server.may_become(since)? {
            return Ok(Err(format!("the server makes `{full}` with messages in it")));
        }
    }
}

/// A stream that has or had messages, of those that do not store what the server says of itself.
fn not_empty<'t>(
    server: &mut impl Server,
    link: Link,
    topology: &'t Topology,
) -> Result<Option<&'t str>, Broken> {
    for stream in &topology.streams {
        if stream.config.subjects.iter().any(|subject| subject.starts_with("$JS.")) {
            continue;
        }
        let name = &stream.name.value;
        let request = Request::bare(Call::StreamInfo(name));
        let info = get::<StreamInfo>(server, link, &request)?.map_err(Broken::new)?;
        if info.state.last_seq > 0 {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn make(
    server: &mut impl Server,
    link: Link,
    topology: &Topology,
) -> Result<Result<(), String>, Broken> {
    let observed = match observe(server, link, topology)? {
        Ok(observed) => observed,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if let Some(first) = obstacles(topology, &observed).first() {
        return Ok(Err(format!("in the way is {first}")));
    }
    let plan = plan(topology, &observed);
    if let Some(step) = plan.steps.iter().find(|step| !matches!(step.action, Action::Create)) {
        return Ok(Err(format!("{} is there already", step.target)));
    }
    let policy = Policy::default();
    let mut run = Run::new(&plan, &policy);
    while let Some(task) = run.next() {
        let event = match task {
            Task::Call(request) => {
                let reply = call(server, link, &request)?;
                run.done(Event::Answer(reply.as_deref().map_err(Clone::clone)))
            }
            Task::Pause(_) => run.done(Event::Passed),
            // Nothing is there that could be changed.
            Task::BackUp(_) | Task::PutBack(_) | Task::Compare(_) | Task::Ids(_) => {
                return Err(Broken::new("something is there that would have to be changed"));
            }
        };
        if let Err(halt) = event {
            return Ok(Err(format!("{halt}: {}", halt.source)));
        }
    }
    Ok(Ok(()))
}

/// Deletes the streams that bear the topology's mark, with their consumers. Names of those that are still there.
pub(crate) fn remove(server: &mut impl Server, topology: &Topology) -> Result<Vec<String>, Broken> {
    let link = server.connect(topology, None)?;
    let mut left = Vec::new();
    // What copies goes before what is copied.
    for stream in topology.streams.iter().rev() {
        let name = &stream.name.value;
        let found = get::<StreamInfo>(server, link, &Request::bare(Call::StreamInfo(name)))?;
        let deleted = match found {
            Err(error) if error.is_absence() => continue,
            Err(error) => Err(error),
            Ok(info) if info.config.metadata.get(OWNER) != Some(&topology.name.value) => continue,
            Ok(_) => call(server, link, &Request::bare(Call::StreamDelete(name)))?
                .and_then(|reply| check(&reply)),
        };
        if deleted.is_err() {
            left.push(name.clone());
        }
    }
    server.leave(link)?;
    Ok(left)
}
