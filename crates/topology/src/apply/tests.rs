use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use watershed_wire::jetstream::call::Call;

use super::*;
use crate::call::{CallError, Request};
use crate::model::Topology;
use crate::observe::Observed;
use crate::plan::{Action, Names, Plan, Policy, plan_by};
use crate::testing::{facts, observed, streams as topology};

/// A server with as much of the API as a run uses.
#[derive(Debug, Clone, Default)]
struct Fake {
    streams: BTreeMap<String, Stream>,
    /// Counts what is created: no two have the same time.
    created: i64,
    /// Subjects of the calls that change something, as they came.
    log: Vec<String>,
    /// Backups that were made.
    backups: BTreeMap<String, Stream>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Stream {
    config: Json,
    created: i64,
    messages: u64,
    consumers: BTreeMap<String, (Json, i64)>,
}

fn refusal(code: u16, text: &str) -> Json {
    json!({"error": {"code": 400, "err_code": code, "description": text}})
}

fn time(number: i64) -> String {
    format!("2026-01-01T00:00:{number:02}Z")
}

impl Fake {
    fn call(&mut self, request: &Request) -> Json {
        let body: Json = serde_json::from_slice(&request.body).unwrap_or_default();
        let call = Call::parse(&request.subject).unwrap();
        let absent = || refusal(10059, "stream not found");
        match call {
            Call::AccountInfo => json!({}),
            Call::StreamList => {
                let all: Vec<Json> = self.streams.values().map(Stream::info).collect();
                json!({"total": all.len(), "streams": all})
            }
            Call::StreamInfo(name) => self.streams.get(name).map_or_else(absent, Stream::info),
            Call::ConsumerList(name) => {
                let Some(stream) = self.streams.get(name) else { return absent() };
                let all: Vec<Json> = stream.consumers.values().map(Stream::consumer).collect();
                json!({"total": all.len(), "consumers": all})
            }
            Call::ConsumerInfo { stream, consumer } => {
                let Some(stream) = self.streams.get(stream) else { return absent() };
                let found = stream.consumers.get(consumer).map(Stream::consumer);
                found.unwrap_or_else(|| refusal(10014, "consumer not found"))
            }
            _ => {
                self.log.push(request.subject.replace("$JS.API.", ""));
                let creates =
                    matches!(call, Call::StreamCreate(_) | Call::ConsumerCreateNamed { .. });
                if creates && request.body.is_empty() {
                    return refusal(10025, "invalid JSON");
                }
                self.change(call, body)
            }
        }
    }

    fn change(&mut self, call: Call<'_>, body: Json) -> Json {
        self.created += 1;
        let absent = || refusal(10059, "stream not found");
        match call {
            Call::StreamCreate(name) => {
                if let Some(there) = self.streams.get(name) {
                    let same = there.config == body;
                    return if same { there.info() } else { refusal(10058, "name in use") };
                }
                let stream = Stream { config: body, created: self.created, ..Stream::default() };
                let info = stream.info();
                self.streams.insert(name.to_owned(), stream);
                info
            }
            Call::StreamUpdate(name) => {
                let Some(stream) = self.streams.get_mut(name) else { return absent() };
                stream.config = body;
                stream.info()
            }
            Call::StreamDelete(name) => match self.streams.remove(name) {
                Some(_) => json!({"success": true}),
                None => absent(),
            },
            Call::ConsumerCreateNamed { stream, consumer, .. } => {
                let Some(stream) = self.streams.get_mut(stream) else { return absent() };
                let there = stream.consumers.get(consumer);
                if body["action"] == "create"
                    && there.is_some_and(|(own, _)| *own != body["config"])
                {
                    return refusal(10148, "consumer already exists");
                }
                let created = there.map_or(self.created, |(_, created)| *created);
                stream.consumers.insert(consumer.to_owned(), (body["config"].clone(), created));
                json!({})
            }
            Call::ConsumerDelete { stream, consumer } => {
                let Some(stream) = self.streams.get_mut(stream) else { return absent() };
                match stream.consumers.remove(consumer) {
                    Some(_) => json!({"success": true}),
                    None => refusal(10014, "consumer not found"),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn observe(&mut self, topology: &Topology) -> Observed {
        observed(topology, facts(), |request| self.call(request))
    }

    fn plan(&mut self, topology: &Topology) -> Plan {
        let observed = self.observe(topology);
        plan_by(topology, &observed, &everything().ways())
    }

    /// Does what a run wants. `fault` is asked before each call, and may answer in the server's place.
    fn carry(
        &mut self,
        run: &mut Run,
        fault: &mut impl FnMut(&mut Self, &Request) -> Option<Result<Json, CallError>>,
    ) -> Result<bool, Box<Halt>> {
        let Some(task) = run.next() else { return Ok(false) };
        match task {
            Task::Call(request) => {
                let reply = fault(self, &request).unwrap_or_else(|| Ok(self.call(&request)));
                let reply = reply.map(|json| json.to_string().into_bytes());
                run.done(Event::Answer(reply.as_deref().map_err(Clone::clone)))?;
            }
            Task::Pause(_) => drop(run.done(Event::Passed)?),
            Task::BackUp(name) => {
                let stream = self.streams.get(&name).cloned();
                let done = stream.map(|stream| self.backups.insert(name, stream));
                run.done(Event::BackedUp(done.map(drop).ok_or_else(|| "not there".into())))?;
            }
            Task::Compare(_) => drop(run.done(Event::Compared(Ok(())))?),
            Task::Ids(_) => drop(run.done(Event::Ids(Ok(None)))?),
            Task::PutBack(name) => {
                self.log.push(format!("PUT BACK {name}"));
                let stream = self.backups.get(&name).unwrap().clone();
                self.streams.insert(name, stream);
                run.done(Event::PutBack(Ok(())))?;
            }
        }
        Ok(true)
    }

    fn run(
        &mut self,
        plan: &Plan,
        mut fault: impl FnMut(&mut Self, &Request) -> Option<Result<Json, CallError>>,
    ) -> Result<(), String> {
        let mut run = Run::new(plan, &everything());
        let recreated = plan.steps.iter().filter(|step| step.action == Action::Recreate);
        let recreated: Vec<&str> = recreated
            .filter(|step| step.target.consumer.is_none())
            .map(|step| step.target.stream.as_str())
            .filter(|name| self.streams.contains_key(*name))
            .collect();
        loop {
            // Where a run may be stopped, nothing is missing.
            let are_there = recreated.iter().all(|name| self.streams.contains_key(*name));
            assert!(run.is_between() || are_there, "{:?}", self.log);
            match self.carry(&mut run, &mut fault) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(halt) => return Err(format!("{halt}: {}", halt.source)),
            }
        }
    }
}

impl Stream {
    fn info(&self) -> Json {
        json!({
            "config": self.config,
            "created": time(self.created),
            "state": {
                "messages": self.messages,
                "last_seq": self.messages,
                "consumer_count": self.consumers.len(),
            },
        })
    }

    fn consumer((config, created): &(Json, i64)) -> Json {
        json!({"name": config["durable_name"], "config": config, "created": time(*created)})
    }
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

const OLD: &str = "  A: { subjects: [a.>], max_age: 7d, storage: memory, consumers: { c: {}, d: { deliver_policy: new }, e: {} } }\n  B: { subjects: [b.>], max_age: 1d }\n  C: { subjects: [c.>], max_age: 1d }\n";
const NEW: &str = "  A: { subjects: [a.>], max_age: 7d, storage: file, consumers: { c: {}, d: {} } }\n  B: { subjects: [b.>], max_age: 2d, consumers: { n: {} } }\n  D: { subjects: [d.>], max_age: 1d }\n";

/// A server with the old topology on it, and messages.
fn server() -> Fake {
    let mut fake = Fake::default();
    let plan = fake.plan(&topology(OLD));
    fake.run(&plan, |_, _| None).unwrap();
    fake.streams.get_mut("A").unwrap().messages = 5;
    fake.streams.get_mut("C").unwrap().messages = 3;
    fake.log.clear();
    fake
}

fn none(_: &mut Fake, _: &Request) -> Option<Result<Json, CallError>> {
    None
}

#[test]
fn a_recreation_is_proven_and_backed_up_before_anything_goes() {
    let mut fake = server();
    let plan = fake.plan(&topology(NEW));
    fake.run(&plan, none).unwrap();
    insta::assert_snapshot!(fake.log.join("\n"), @"
    STREAM.CREATE.A
    STREAM.CREATE.watershed_proof_A
    STREAM.DELETE.watershed_proof_A
    STREAM.DELETE.A
    STREAM.CREATE.A
    STREAM.CREATE.D
    STREAM.UPDATE.B
    CONSUMER.CREATE.A.c
    CONSUMER.CREATE.A.d
    CONSUMER.CREATE.B.n
    STREAM.DELETE.C
    ");
    assert_eq!(fake.backups["A"].messages, 5);
    assert!(fake.plan(&topology(NEW)).is_empty());
}

/// What the server says to the first call of `subject`, and what a run to the new topology comes to.
#[track_caller]
fn refused(subject: &str, answer: &Json) -> (Fake, String) {
    let mut fake = server();
    let plan = fake.plan(&topology(NEW));
    let end = fake.run(&plan, |fake, request| {
        let own = request.subject.strip_prefix("$JS.API.") == Some(subject);
        let gone = subject != "STREAM.CREATE.A" || !fake.streams.contains_key("A");
        (own && gone).then(|| Ok(answer.clone()))
    });
    (fake, end.unwrap_err())
}

#[test]
fn what_the_server_refuses_loses_nothing() {
    let full = refusal(10047, "insufficient storage resources available");
    let (fake, end) = refused("STREAM.CREATE.watershed_proof_A", &full);
    assert_eq!(
        end,
        "cannot recreate stream `A`: the server answers: insufficient storage resources available (10047)"
    );
    assert_eq!(fake.streams["A"].messages, 5);
    assert!(!fake.log.contains(&"STREAM.DELETE.A".to_owned()));
    // Even if only the last call is refused.
    let (fake, end) = refused("STREAM.CREATE.A", &full);
    assert!(end.starts_with("cannot recreate stream `A`; the old one is back: "), "{end}");
    assert_eq!(fake.streams["A"], server().streams["A"]);
    // What passes by itself is tried for a while.
    let (_, end) = refused("STREAM.CREATE.A", &refusal(10049, "stream name in use"));
    assert!(end.contains("; the old one is back: "), "{end}");
}

#[test]
fn a_consumer_that_cannot_be_made_again_comes_back_where_it_was() {
    let body = |policy: &str| {
        topology(&format!(
            "  A: {{ subjects: [a.>], max_age: 7d, consumers: {{ d: {{ deliver_policy: {policy} }} }} }}\n"
        ))
    };
    let refuse = |what: fn(&Json) -> bool| {
        let mut fake = Fake::default();
        let plan = fake.plan(&body("new"));
        fake.run(&plan, none).unwrap();
        let plan = fake.plan(&body("all"));
        let end = fake.run(&plan, |fake, request| {
            let config = serde_json::from_slice::<Json>(&request.body).ok()?["config"].take();
            let gone = fake.streams["A"].consumers.is_empty();
            (gone && what(&config)).then(|| Ok(refusal(10100, "filtered consumer not unique")))
        });
        let (config, _) = &fake.streams["A"].consumers["d"];
        (end.unwrap_err(), config["deliver_policy"].clone(), config["opt_start_seq"].clone())
    };
    let said = "cannot recreate consumer `A/d`; the old one is back: the server answers: filtered \
                consumer not unique (10100)";
    let (end, policy, start) = refuse(|config| config["deliver_policy"] == "all");
    assert_eq!((end.as_str(), policy, start), (said, json!("by_start_sequence"), json!(1)));
    // A work queue takes it only as it was.
    let (end, policy, _) = refuse(|config| config["deliver_policy"] != "new");
    assert_eq!((end.as_str(), policy), (said, json!("new")));
}

/// What happens to the server after the plan was made ends the run with these words.
#[track_caller]
fn stale(change: impl FnOnce(&mut Fake), expected: &str) {
    let mut fake = server();
    let plan = fake.plan(&topology(NEW));
    change(&mut fake);
    let before = fake.streams.clone();
    assert_eq!(fake.run(&plan, none).unwrap_err(), expected);
    for (name, stream) in before {
        assert_eq!(fake.streams.get(&name).map(|now| now.messages), Some(stream.messages));
    }
}

#[test]
fn a_plan_that_is_no_longer_true_is_not_carried_out() {
    stale(
        |fake| fake.streams.get_mut("A").unwrap().messages = 82,
        "cannot recreate stream `A`: 77 messages were stored in it since; plan again",
    );
    stale(
        |fake| fake.streams.get_mut("A").unwrap().created = 40,
        "cannot recreate stream `A`: it was deleted and created again since; plan again",
    );
    stale(
        |fake| {
            let config = &mut fake.streams.get_mut("A").unwrap().config;
            config["metadata"]["watershed.topology"] = json!("other");
        },
        "cannot recreate stream `A`: it belongs to the topology `other` since; plan again",
    );
    stale(
        |fake| {
            let config = json!({"durable_name": "theirs", "name": "theirs"});
            let stream = fake.streams.get_mut("A").unwrap();
            stream.consumers.insert("theirs".into(), (config, 30));
        },
        "cannot recreate stream `A`: it has the consumer `theirs` since; plan again",
    );
    let marked = |fake: &mut Fake, metadata: Json| {
        fake.streams.get_mut("A").unwrap().consumers.get_mut("c").unwrap().0["metadata"] = metadata;
    };
    stale(
        |fake| marked(fake, json!({"watershed.topology": "other"})),
        "cannot recreate stream `A`: its consumer `c` belongs to the topology `other` since; plan again",
    );
    stale(
        |fake| marked(fake, json!({"watershed.topology": "x", "watershed.protect": "true"})),
        "cannot recreate stream `A`: its consumer `c` was changed since; plan again",
    );
}

#[test]
fn others_changes_survive_an_update() {
    let mut fake = server();
    let plan = fake.plan(&topology(NEW));
    let config = &mut fake.streams.get_mut("B").unwrap().config;
    config["description"] = json!("theirs");
    config["metadata"]["team"] = json!("theirs");
    fake.run(&plan, none).unwrap();
    let config = &fake.streams["B"].config;
    assert_eq!(config["description"], "theirs");
    assert_eq!(config["metadata"]["team"], "theirs");
    assert_eq!(config["max_age"], json!(2 * 24 * 3600 * 1_000_000_000_i64));
    // But not where they are about the same.
    let mut fake = server();
    let plan = fake.plan(&topology(NEW));
    fake.streams.get_mut("B").unwrap().config["max_age"] = json!(5);
    let end = fake.run(&plan, none).unwrap_err();
    assert_eq!(end, "cannot update stream `B`: `max_age` was changed to 5 since; plan again");
}

/// A run in which the answer to a call is lost, whether the call was made or not, comes to the same end.
#[test]
fn a_lost_answer_is_not_a_refusal() {
    for made in [true, false] {
        for lost in 0.. {
            let mut fake = server();
            let plan = fake.plan(&topology(NEW));
            let mut count = 0;
            let end = fake.run(&plan, |fake, request| {
                count += 1;
                (count == lost + 1).then(|| {
                    if made {
                        fake.call(request);
                    }
                    Err(CallError::Timeout(request.subject.clone()))
                })
            });
            // A look is not made again: nothing was changed, and the next run goes on.
            if end.is_err() {
                let plan = fake.plan(&topology(NEW));
                fake.run(&plan, none).unwrap();
            }
            let left = fake.plan(&topology(NEW));
            assert!(left.is_empty(), "call {lost}, made {made}: {end:?} {left:?}");
            if count <= lost {
                assert!(lost > 15);
                break;
            }
        }
    }
}

/// While the connection is away for a while, from any call on, a stream that is made again is never gone
/// for good: the run ends with the old one, or the new one.
#[test]
fn a_connection_that_is_away_for_a_while_leaves_one_of_both() {
    for made in [true, false] {
        for (lost, away) in (0..14).flat_map(|lost| [4, 12].map(|away| (lost, away))) {
            let mut fake = server();
            let plan = fake.plan(&topology(NEW));
            let mut count = 0;
            let end = fake.run(&plan, |fake, request| {
                count += 1;
                let first = count == lost + 1;
                (first || count > lost && count <= lost + away).then(|| {
                    if made && first {
                        fake.call(request);
                    }
                    Err(CallError::Connection("gone".into()))
                })
            });
            let there = fake.streams.get("A").map(|stream| stream.config["storage"].clone());
            assert!(there.is_some(), "call {lost}, made {made}, away {away}: {end:?}");
            assert!(
                end.is_ok() || there != Some(json!("memory")) || fake.streams["A"].messages == 5
            );
            let plan = fake.plan(&topology(NEW));
            fake.run(&plan, none).unwrap();
            assert!(fake.plan(&topology(NEW)).is_empty(), "call {lost}, made {made}, away {away}");
        }
    }
}

/// Limits that only the proof is over are no obstacle: the old one goes before the new one comes.
#[test]
fn a_proof_needs_no_more_room_than_there_will_be() {
    let with = |body: &str, bytes: &str| {
        topology(&body.replace("storage: file", &format!("storage: file, {bytes}")))
    };
    let before = OLD.replace("storage: memory", "storage: file, max_bytes: 800B");
    let mut fake = Fake::default();
    let plan = fake.plan(&topology(&before));
    fake.run(&plan, none).unwrap();
    // What is made again by a change that no server makes in place.
    let new =
        with(&NEW.replace("subjects: [a.>]", "subjects: [a.>], first_seq: 7"), "max_bytes: 900B");
    let mut proven = Vec::new();
    let plan = fake.plan(&new);
    fake.run(&plan, |fake, request| {
        let body: Json = serde_json::from_slice(&request.body).unwrap_or_default();
        let creates = request.subject.contains("STREAM.CREATE.watershed_proof_A");
        if creates {
            proven.push(body["max_bytes"].clone());
        }
        let bytes = body["max_bytes"].as_i64()?;
        let full = creates && fake.streams.contains_key("A") && bytes > 200;
        full.then(|| Ok(refusal(10047, "insufficient storage resources available")))
    })
    .unwrap();
    assert_eq!(proven, [json!(900), json!(100)]);
    assert_eq!(fake.streams["A"].config["max_bytes"], 900);

    let mut fake = server();
    let plan = fake.plan(&topology(NEW));
    fake.run(&plan, |fake, request| {
        let full = request.subject.contains("STREAM.CREATE.watershed") && fake.streams.len() >= 3;
        full.then(|| Ok(refusal(10027, "maximum number of streams reached")))
    })
    .unwrap();
    assert!(fake.plan(&topology(NEW)).is_empty());
}

/// A stream that only has the name of a proof is nobody's to delete.
#[test]
fn a_stream_that_is_no_proof_stays() {
    let mut fake = server();
    let theirs =
        Stream { config: json!({"name": "watershed_proof_A"}), messages: 9, ..Stream::default() };
    fake.streams.insert("watershed_proof_A".into(), theirs.clone());
    let plan = fake.plan(&topology(NEW));
    let end = fake.run(&plan, none).unwrap_err();
    assert!(end.contains("the stream `watershed_proof_A`, under which"), "{end}");
    assert_eq!(fake.streams["watershed_proof_A"], theirs);
    assert_eq!(fake.streams["A"].messages, 5);
    // One that a run has left behind goes.
    let config = json!({"name": "watershed_proof_A", "metadata": {"watershed.proof": "A"}});
    fake.streams.insert("watershed_proof_A".into(), Stream { config, ..Stream::default() });
    fake.run(&plan, none).unwrap();
    assert!(!fake.streams.contains_key("watershed_proof_A"));
}

/// Killed at any call, the stream is there or a backup of it is, and the next run goes on.
#[test]
fn a_run_that_is_cut_off_is_gone_on_with() {
    for cut in 0.. {
        let mut fake = server();
        let plan = fake.plan(&topology(NEW));
        let mut run = Run::new(&plan, &everything());
        let mut tasks = 0;
        while tasks < cut && fake.carry(&mut run, &mut none).unwrap() {
            tasks += 1;
        }
        let there = fake.streams.get("A").is_some_and(|stream| stream.messages == 5);
        assert!(there || fake.backups.contains_key("A"), "cut at {cut}");
        let plan = fake.plan(&topology(NEW));
        fake.run(&plan, none).unwrap();
        assert!(fake.plan(&topology(NEW)).is_empty(), "cut at {cut}");
        let names: Vec<&str> = fake.streams.keys().map(String::as_str).collect();
        assert_eq!(names, ["A", "B", "D"], "cut at {cut}");
        if tasks < cut {
            break;
        }
    }
}

/// Two runs of equal plans, call by call in any order, both come to their end.
#[test]
fn equal_plans_at_the_same_time_do_not_hurt_each_other() {
    let updated = "  A: { subjects: [a.>], max_age: 7d, consumers: { c: {}, d: {} } }\n  B: { subjects: [b.>], max_age: 1d }\n";
    let before = "  A: { subjects: [a.>], max_age: 1d, consumers: { c: {}, e: {} } }\n  C: { subjects: [c.>], max_age: 1d }\n";
    let again = updated.replace("max_age: 7d", "max_age: 7d, storage: memory");
    for (body, order) in [updated, &again]
        .into_iter()
        .flat_map(|body| (0_u32..1024).step_by(7).map(move |order| (body, order)))
    {
        let mut fake = Fake::default();
        let first = fake.plan(&topology(before));
        fake.run(&first, none).unwrap();
        let plan = fake.plan(&topology(body));
        let mut runs = [Run::new(&plan, &everything()), Run::new(&plan, &everything())];
        let mut turn = 0;
        while runs.iter().any(|run| run.next().is_some()) {
            let which = usize::from(order >> (turn % 10) & 1 == 1);
            turn += 1;
            let which = if runs[which].next().is_some() { which } else { 1 - which };
            let done = fake.carry(&mut runs[which], &mut none);
            done.unwrap_or_else(|halt| panic!("order {order:b}: {halt}: {}", halt.source));
        }
        assert!(fake.plan(&topology(body)).is_empty());
    }
}

#[test]
fn adopting_marks_and_changes_what_differs() {
    let mut fake = server();
    for stream in fake.streams.values_mut() {
        stream.config["metadata"] = json!({"team": "a"});
        for (config, _) in stream.consumers.values_mut() {
            config["metadata"] = json!({});
        }
    }
    let body =
        OLD.replace("B: { subjects: [b.>], max_age: 1d }", "B: { subjects: [b.>], max_age: 3d }");
    let plan = fake.plan(&topology(&body));
    assert_eq!(plan.steps.len(), 7);
    // Without the flag, nothing is done to what is nobody's.
    assert!(Run::new(&plan, &Policy::default()).next().is_none());
    let adopt = Names::Only(vec!["A".into(), "B".into()]);
    let mut run = Run::new(&plan, &Policy { adopt, ..Policy::default() });
    while fake.carry(&mut run, &mut none).unwrap() {}
    let metadata = |fake: &Fake, name: &str| fake.streams[name].config["metadata"].clone();
    assert_eq!(metadata(&fake, "A"), json!({"team": "a", "watershed.topology": "x"}));
    assert_eq!(metadata(&fake, "B"), json!({"team": "a", "watershed.topology": "x"}));
    assert_eq!(metadata(&fake, "C"), json!({"team": "a"}));
    assert_eq!(fake.streams["A"].messages, 5);
    let left = fake.plan(&topology(&body));
    assert!(left.is_empty());
    assert_eq!(left.unmanaged.len(), 1);
}

/// Metadata that the file does not declare stays, and what it declared earlier goes.
#[test]
fn undeclared_metadata_stays() {
    let body = |metadata: &str| {
        topology(&format!("  A: {{ subjects: [a.>], max_age: 7d, metadata: {{ {metadata} }} }}\n"))
    };
    let mut fake = Fake::default();
    let plan = fake.plan(&body("own: a, gone: b"));
    fake.run(&plan, none).unwrap();
    fake.streams.get_mut("A").unwrap().config["metadata"]["team"] = json!("theirs");
    assert!(fake.plan(&body("own: a, gone: b")).is_empty());
    let plan = fake.plan(&body("own: c"));
    let changed: Vec<&str> = plan.steps[0].changes.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(changed, ["metadata.gone", "metadata.own"]);
    fake.run(&plan, none).unwrap();
    let metadata = &fake.streams["A"].config["metadata"];
    assert_eq!((&metadata["own"], &metadata["team"]), (&json!("c"), &json!("theirs")));
    assert_eq!(metadata.get("gone"), None);
    assert!(fake.plan(&body("own: c")).is_empty());
}
