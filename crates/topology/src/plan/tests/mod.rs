mod migrations;

use std::fmt::Write as _;

use serde_json::json;
use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::jetstream::stream::{StreamInfo, StreamSource, StreamState};
use watershed_wire::time::UnixNanos;

use super::*;
use crate::observe::{ObservedConsumer, ObservedStream};
use crate::testing::{facts, streams as topology};

/// A server on which every step of a plan was done.
fn after(observed: &mut Observed, plan: &Plan) {
    for step in &plan.steps {
        let (stream, consumer) = (&step.target.stream, step.target.consumer.as_ref());
        match (&step.work, consumer) {
            (Work::Back { .. } | Work::Pause(_), _) => panic!("nothing to undo or to pause"),
            (Work::Delete | Work::Drop(_), None) => {
                observed.streams.remove(stream);
            }
            (Work::Delete | Work::Drop(_), Some(consumer)) => {
                observed.streams.get_mut(stream).unwrap().consumers.remove(consumer);
            }
            (
                Work::Create(after)
                | Work::Update { after, .. }
                | Work::Recreate(after)
                | Work::Migrate { after, .. }
                | Work::Replace { after, .. },
                None,
            ) => {
                let json = json!({"config": after});
                let info: StreamInfo = serde_json::from_value(json).unwrap();
                let stream = observed.streams.entry(stream.clone()).or_default();
                stream.info.config = info.config;
                stream.config = after.clone();
            }
            (
                Work::Create(after)
                | Work::Update { after, .. }
                | Work::Recreate(after)
                | Work::Migrate { after, .. }
                | Work::Replace { after, .. },
                Some(consumer),
            ) => {
                let json = json!({"config": after, "name": consumer});
                let info: ConsumerInfo = serde_json::from_value(json).unwrap();
                let config = after.clone();
                let live = ObservedConsumer { info, config, ..ObservedConsumer::default() };
                let stream = observed.streams.get_mut(stream).unwrap();
                stream.consumers.insert(consumer.clone(), live);
            }
        }
    }
}

/// A server that is as the topology with this body.
fn server(body: &str) -> Observed {
    let mut observed = Observed { server: facts(), ..Observed::default() };
    let first = plan(&topology(body), &observed);
    after(&mut observed, &first);
    observed
}

fn show(plan: &Plan) -> String {
    let mut out = String::new();
    for step in &plan.steps {
        let _ = writeln!(out, "{} {} {}", step.action.sign(), step.target.kind(), step.target);
        for change in &step.changes {
            let _ = writeln!(out, "    {}: {} -> {}", change.field, change.before, change.after);
        }
        for loss in &step.losses {
            let _ = writeln!(out, "    loses {loss}");
        }
        for note in &step.notes {
            let _ = writeln!(out, "    {note}");
        }
        for (taken, owner) in &step.takes {
            let _ = writeln!(out, "    takes {taken} of {owner:?}");
        }
    }
    for refusal in &plan.refused {
        let _ = writeln!(out, "x {} {}: {}", refusal.target.kind(), refusal.target, refusal.reason);
    }
    for target in &plan.unmanaged {
        let _ = writeln!(out, "unmanaged {target}");
    }
    out
}

const BASE: &str = "  A: { subjects: [a.>], max_age: 7d, consumers: { c: { filter_subject: a.x }, d: {} } }\n  B: { max_age: 1d, sources: [{ name: A }] }\n";

#[test]
fn what_is_missing_is_made_in_order() {
    let body = "  COPY: { max_age: 1d, sources: [{ name: A }] }\n  A: { subjects: [a.>], max_age: 7d, consumers: { c: {} } }\n";
    let observed = Observed { server: facts(), ..Observed::default() };
    insta::assert_snapshot!(show(&plan(&topology(body), &observed)), @"
    + stream A
    + stream COPY
    + consumer A/c
    ");
}

#[test]
fn a_second_plan_is_empty() {
    let observed = server(BASE);
    let again = plan(&topology(BASE), &observed);
    assert!(again.is_empty(), "{}", show(&again));
    assert_eq!(again.unchanged.len(), 4);
}

#[test]
#[allow(clippy::too_many_lines, reason = "one line a thing that is said")]
fn changes_are_classed_by_what_they_lose() {
    let mut observed = server(BASE);
    let state = &mut observed.streams.get_mut("A").unwrap().info.state;
    (state.messages, state.bytes, state.num_subjects, state.consumer_count) =
        (41_203, 5 << 20, 9, 2);
    let mut out = String::new();
    for body in [
        "  A: { subjects: [a.>], max_age: 7d, max_msgs: 1000, consumers: { c: { filter_subject: a.y }, d: { deliver_policy: new } } }\n",
        "  A: { subjects: [a.b], max_age: 1h, max_bytes: 1MiB, max_msgs_per_subject: 1, description: x }\n",
        "  A: { subjects: [a.>], max_age: 7d, storage: memory, consumers: { c: { filter_subject: a.x } } }\n",
        "  A: { subjects: [a.>], max_age: unlimited, max_msgs: 100000, num_replicas: 3 }\n",
        "  A: { subjects: [a.b], max_age: 7d }\n  N: { subjects: [a.c], max_age: 7d }\n",
    ] {
        let _ = writeln!(out, "{}", show(&plan(&topology(body), &observed)));
    }
    insta::assert_snapshot!(out, @r#"
    ~! stream A
        max_msgs: -1 -> 1000
        loses the oldest 40203 messages
    ~ consumer A/c
        filter_subject: "a.x" -> "a.y"
        messages that it has passed by already are not looked at again
    ± consumer A/d
        deliver_policy: "all" -> "new"
        the server does not change it in place: deliver policy can not be updated (10012)
        goes on where it is, at 1 by now
        it pauses; what is outstanding (0 now) and not acknowledged within the time of --drain is delivered again
    - stream B
        loses no message: it is empty

    ~! stream A
        max_bytes: -1 -> 1048576
        max_age: 604800000000000 -> 3600000000000
        max_msgs_per_subject: -1 -> 1
        description: null -> "x"
        subjects: ["a.>"] -> ["a.b"]
        loses the oldest 4MiB of messages
        loses messages older than 1h, of 41203 (the oldest is from 0001-01-01T00:00:00Z)
        loses all but the newest 1 of each subject, of 41203 messages on 9 subjects
        a.> is no longer stored; what is stored stays
    - consumer A/c
        loses its position: acknowledged up to 0, 0 outstanding, 0 to come
    - consumer A/d
        loses its position: acknowledged up to 0, 0 outstanding, 0 to come
    - stream B
        loses no message: it is empty

    -/+ stream A
        storage: "file" -> "memory"
        loses 41203 messages (5MiB)
        loses the positions of 2 consumers
        the server does not change it in place: stream configuration update can not change storage type (10052)
    + consumer A/c
    - stream B
        loses no message: it is empty

    - consumer A/c
        loses its position: acknowledged up to 0, 0 outstanding, 0 to come
    - consumer A/d
        loses its position: acknowledged up to 0, 0 outstanding, 0 to come
    - stream B
        loses no message: it is empty
    x stream A: `num_replicas: 3` needs a cluster, and this server is alone (10074): apply with `--replicas 1`

    ± stream N
        loses what is published from then on to other subjects of `a.>`, as `a.x`: no stream has them then
        loses for `B`, which copies `A`, what is stored under `a.>` from then on
        gets `a.c` from `A`
        keeps sequences and times of all messages of `a.c` (of 41203 messages in `A`), and the positions of 1 consumer
        publishers get "no responders" for a moment, once: they must try again; what is published without an acknowledgement in that moment is lost
        a message id that was stored before is stored once more if it comes again
        its consumers pause until everything is there; what is outstanding (0 now) and not acknowledged within the time of --drain is delivered again
        these are removed from `A` once all of them are in `N`
        `A` goes on with `a.b`
        workers have to read `d` from `N` then
    - consumer A/c
        loses its position: acknowledged up to 0, 0 outstanding, 0 to come
    - consumer A/d
        loses its position: acknowledged up to 0, 0 outstanding, 0 to come
    - stream B
        loses no message: it is empty
    "#);
}

#[test]
fn what_belongs_to_somebody_else_is_left_alone() {
    let mut observed = server(BASE);
    let strangers = [("A", None), ("B", Some("other"))];
    for (name, owner) in strangers {
        let metadata = &mut observed.streams.get_mut(name).unwrap().info.config.metadata;
        metadata.remove(crate::observe::OWNER);
        if let Some(owner) = owner {
            metadata.insert(crate::observe::OWNER.into(), owner.into());
        }
    }
    let mut stray = ObservedStream::default();
    stray.info.config.subjects = vec!["n.>".into()];
    observed.streams.insert("STRAY".into(), stray);
    let body = format!("{BASE}  N: {{ subjects: [n.1], max_age: 1d }}\n");
    insta::assert_snapshot!(show(&plan(&topology(&body), &observed)), @r#"
    = stream A
    ± stream N
        loses what is published from then on to other subjects of `n.>`, as `n.x`: no stream has them then
        gets `n.1` from `STRAY`
        keeps sequences and times of all messages of `n.1` (of 0 messages in `STRAY`), and the positions of 0 consumers
        publishers get "no responders" for a moment, once: they must try again; what is published without an acknowledgement in that moment is lost
        a message id that was stored before is stored once more if it comes again
        these are removed from `STRAY` once all of them are in `N`
    x stream B: it belongs to the topology `other`
    unmanaged A
    "#);
}

#[test]
fn everything_owned_is_destroyed_in_reverse() {
    let mut observed = server(BASE);
    let plan = destroy("x", &observed);
    insta::assert_snapshot!(show(&plan), @"
    - stream B
        loses no message: it is empty
    - stream A
        loses no message: it is empty
    ");
    after(&mut observed, &plan);
    assert!(observed.streams.is_empty());
}

#[test]
fn less_interest_is_a_loss() {
    let body = |filter: &str| {
        format!(
            "  I: {{ subjects: [i.>], retention: interest, consumers: {{ c: {{ filter_subject: {filter} }} }} }}\n"
        )
    };
    let mut observed = server(&body("i.>"));
    let consumer = observed.streams.get_mut("I").unwrap().consumers.get_mut("c").unwrap();
    (consumer.info.num_pending, consumer.info.num_ack_pending) = (6, 1);
    let plan = plan(&topology(&body("i.x")), &observed);
    insta::assert_snapshot!(show(&plan), @r#"
    ~! consumer I/c
        filter_subject: "i.>" -> "i.x"
        loses what only it waits for, of 7 messages
        messages that it has passed by already are not looked at again
    "#);
    let allowed = |names: &[&str]| {
        let words: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let policy = Policy { allow_loss: Names::from_words(&words), ..Policy::default() };
        policy.allows(&plan.steps[0])
    };
    assert!(!allowed(&[]) && !allowed(&["X"]));
    assert!(allowed(&["I"]) && allowed(&["I/c"]) && allowed(&["all"]));
}

/// A server whose account has these limits.
fn limited(observed: &mut Observed, limits: &serde_json::Value, reserved: u64) {
    observed.account.limits = serde_json::from_value(limits.clone()).unwrap();
    observed.account.reserved_storage = reserved;
}

#[test]
fn what_the_account_does_not_allow_is_said_before_anything_is_done() {
    let limits = json!({"max_streams": 3, "max_consumers": 2, "max_storage": 10 << 20,
        "storage_max_stream_bytes": 8 << 20, "max_ack_pending": 100, "max_bytes_required": true});
    let mut observed = server(BASE);
    observed.streams.get_mut("A").unwrap().info.state.consumer_count = 2;
    limited(&mut observed, &limits, 4 << 20);
    let consumers = "consumers: { c: { filter_subject: a.x }, d: {}, e: { max_ack_pending: 50 } }";
    let body = format!(
        "  A: {{ subjects: [a.>], max_age: 7d, {consumers} }}\n  B: {{ max_age: 1d, sources: [{{ name: A }}] }}\n  N1: {{ subjects: [n1.>], max_bytes: 5MiB, consumers: {{ big: {{ max_ack_pending: 500 }} }} }}\n  N2: {{ subjects: [n2.>], max_bytes: 1MiB }}\n  N3: {{ subjects: [n3.>], max_bytes: 9MiB }}\n  N4: {{ subjects: [n4.>], max_age: 1d }}\n"
    );
    insta::assert_snapshot!(show(&plan(&topology(&body), &observed)), @"
    + stream N1
    ~ consumer A/c
        max_ack_pending: 1000 -> 100
    ~ consumer A/d
        max_ack_pending: 1000 -> 100
    x stream N2: the account may have 3 streams, and has 3 by then (10027)
    x stream N3: `max_bytes`: the account does not allow it: stream max bytes exceeds account limit max stream bytes (10122)
    x stream N3: the account may have 3 streams, and has 3 by then (10027)
    x stream N3: `max_bytes` sets aside 9MiB of the account's storage, and 1MiB of 10MiB is left (10047)
    x stream N4: `max_bytes`: the account does not allow it: account requires a stream config to have max bytes set (10113)
    x stream N4: the account may have 3 streams, and has 3 by then (10027)
    x consumer A/e: the account allows a stream 2 consumers, and this one has 2 by then (10026)
    x consumer N1/big: `max_ack_pending`: the account does not allow it: consumer max ack pending exceeds system limit of 100 (10121)
    ");
}

#[test]
fn a_stream_that_allows_no_more_consumers_cannot_replace_one() {
    let body = |waiting: i64, rest: &str| {
        format!(
            "  A: {{ subjects: [a.>], max_age: 7d, max_consumers: 1, consumers: {{ c: {{ max_waiting: {waiting} }}{rest} }} }}\n"
        )
    };
    let mut observed = server(&body(7, ""));
    observed.streams.get_mut("A").unwrap().info.state.consumer_count = 1;
    insta::assert_snapshot!(show(&plan(&topology(&body(8, "")), &observed)), @"x consumer A/c: `max_consumers` allows a stream 1 consumer, and this one has 1 by then (10026), and replacing one takes one more meanwhile");
    insta::assert_snapshot!(show(&plan(&topology(&body(7, ", d: {}")), &observed)), @"x consumer A/d: `max_consumers` allows a stream 1 consumer, and this one has 1 by then (10026)");
}

#[test]
fn consumers_above_a_new_limit_of_their_stream_are_named() {
    let body = |limits: &str| {
        format!(
            "  A: {{ subjects: [a.>], max_age: 7d, {limits}consumers: {{ c: {{ max_ack_pending: 200 }} }} }}\n"
        )
    };
    let observed = server(&body(""));
    let limits = "consumer_limits: { max_ack_pending: 100 }, ";
    insta::assert_snapshot!(show(&plan(&topology(&body(limits)), &observed)), @"x stream A: its consumer `c` has `max_ack_pending` above the new limit (10069): apply the consumer's change first, and then the limit");
}

#[test]
fn filters_of_a_work_queue_are_changed_in_an_order_that_works() {
    let body = |filters: [&str; 3]| {
        let [a, b, c] = filters;
        format!(
            "  Q: {{ subjects: [q.>], retention: workqueue, consumers: {{ a: {{ filter_subject: {a} }}, b: {{ filter_subject: {b} }}, c: {{ filter_subject: {c} }} }} }}\n"
        )
    };
    let observed = server(&body(["q.1", "q.2", "q.3"]));
    // One after the other moves on.
    insta::assert_snapshot!(show(&plan(&topology(&body(["q.2", "q.3", "q.4"])), &observed)), @r#"
    ~ consumer Q/c
        filter_subject: "q.3" -> "q.4"
        messages that it has passed by already are not looked at again
    ~ consumer Q/b
        filter_subject: "q.2" -> "q.3"
        messages that it has passed by already are not looked at again
    ~ consumer Q/a
        filter_subject: "q.1" -> "q.2"
        messages that it has passed by already are not looked at again
    "#);
    // Nobody can begin.
    insta::assert_snapshot!(show(&plan(&topology(&body(["q.2", "q.1", "q.3"])), &observed)), @"
    x consumer Q/a: its new filter takes what another consumer of this work queue takes now, and would not be let go of before (10100): apply the filters in two steps, the first of which lets go
    x consumer Q/b: its new filter takes what another consumer of this work queue takes now, and would not be let go of before (10100): apply the filters in two steps, the first of which lets go
    ");
}

#[test]
fn what_a_change_loses_elsewhere_is_said() {
    let mut observed = server(
        "  Q: { subjects: [q.>], retention: workqueue }\n  A: { subjects: [a.>], max_age: 1d, consumers: { c: { max_deliver: 5 } } }\n  COPY: { max_age: 1d, sources: [{ name: A }] }\n",
    );
    for name in ["Q", "A", "COPY"] {
        let state = &mut observed.streams.get_mut(name).unwrap().info.state;
        (state.messages, state.last_seq) = (7, 9);
    }
    let live = observed.streams.get_mut("A").unwrap();
    let consumer = live.consumers.get_mut("c").unwrap();
    consumer.info.num_ack_pending = 3;
    let mut theirs = consumer.clone();
    theirs.info.config.metadata.insert(crate::observe::OWNER.into(), "other".into());
    live.consumers.insert("theirs".into(), theirs);
    let body = "  Q: { subjects: [q.>], retention: workqueue }\n  A: { subjects: [a.>], max_age: 1d, storage: memory }\n  COPY: { max_age: 1d, sources: [{ name: A, filter_subject: a.x }] }\n  TAKES: { max_age: 1d, sources: [{ name: Q }] }\n";
    let recreating = Ways { recreate: Names::All, ..Ways::default() };
    insta::assert_snapshot!(show(&plan_by(&topology(body), &observed, &recreating)), @r#"
    -/+ stream A
        storage: "file" -> "memory"
        loses 7 messages (0B)
        loses the first 9 messages for `COPY`, which copies on from there
        the server does not change it in place: stream configuration update can not change storage type (10052)
        takes A/theirs of Some("other")
    + stream TAKES
        loses 7 messages of `Q`: a work queue without consumers is emptied by whoever copies it
    ~! stream COPY
        sources: [{"name":"A"}] -> [{"filter_subject":"a.x","name":"A"}]
        loses nothing, but stores again what it has copied from `A`: a changed source starts from its beginning
    "#);
    let body = "  Q: { subjects: [q.>], retention: workqueue }\n  A: { subjects: [a.>], max_age: 1d, consumers: { c: { max_deliver: 2 } } }\n  COPY: { max_age: 1d, sources: [{ name: A }] }\n";
    insta::assert_snapshot!(show(&plan(&topology(body), &observed)), @"
    ~! consumer A/c
        max_deliver: 5 -> 2
        loses further deliveries of what was delivered 2 times already, of 3 messages outstanding
    ");
}

#[test]
#[allow(clippy::too_many_lines, reason = "one line a thing that is said")]
fn what_is_not_changed_in_place_is_migrated_where_that_is_possible() {
    let observed = |version: &str, edit: fn(&mut StreamInfo)| {
        let mut observed = server(
            "  A: { subjects: [a.>], max_age: 1d, storage: memory, consumers: { c: {}, d: {} } }\n",
        );
        observed.server.version = version.into();
        let info = &mut observed.streams.get_mut("A").unwrap().info;
        (info.state.messages, info.state.last_seq, info.state.bytes) = (7, 9, 3_000_000);
        info.state.consumer_count = 3;
        edit(info);
        observed
    };
    let body = "  A: { subjects: [a.>], max_age: 1d, consumers: { c: {}, d: {} } }\n";
    let show_plan = |observed: &Observed, body: &str| show(&plan(&topology(body), observed));
    insta::assert_snapshot!(show_plan(&observed("2.12.0", |_| {}), body), @r#"
    ± stream A
        storage: "memory" -> "file"
        the server does not change it in place: stream configuration update can not change storage type (10052)
        keeps its 7 messages, sequences and times, and the positions of 2 consumers
        publishers get "no responders" for a moment, twice: they must try again; what is published without an acknowledgement in that moment is lost
        a message id that was stored before is stored once more if it comes again
        its consumers pause until everything is there; what is outstanding (0 now) and not acknowledged within the time of --drain is delivered again
        1 consumer without a durable name end
        needs room for two copies meanwhile (2930KiB each); `watershed_migrates_A` stays until `--drop-old A`
    "#);
    let queue = body.replace("max_age", "retention: workqueue, max_age");
    let mut out = show_plan(&observed("2.9.25", |_| {}), body);
    out += &show_plan(&observed("2.14.6", |info| info.config.allow_msg_counter = true), body);
    out += &show_plan(&observed("2.14.6", |info| info.state = StreamState::default()), body);
    out += &show_plan(&observed("2.14.6", |info| info.config.sealed = true), body);
    out += &show_plan(&observed("2.14.6", |_| {}), &queue);
    let all = body.replace("a.>", ">");
    out += &show_plan(&observed("2.14.6", |_| {}), &all);
    insta::assert_snapshot!(out, @r#"
    -/+ stream A
        storage: "memory" -> "file"
        metadata.watershed.topology: "x" -> null
        loses 7 messages (3MB)
        loses the positions of 3 consumers
        the server does not change it in place: stream configuration update can not change storage type (10052)
        it cannot be migrated: nats-server 2.9.25 keeps no notes beside a stream (`metadata`); 2.10 and later do
    + consumer A/c
    + consumer A/d
    -/+ stream A
        storage: "memory" -> "file"
        allow_msg_counter: true -> null
        loses 7 messages (3MB)
        loses the positions of 3 consumers
        the server does not change it in place: stream configuration update can not change storage type (10052)
        it cannot be migrated: `A` has counters, which are not copied
    + consumer A/c
    + consumer A/d
    -/+ stream A
        storage: "memory" -> "file"
        loses no message: it is empty
        the server does not change it in place: stream configuration update can not change storage type (10052)
    + consumer A/c
    + consumer A/d
    -/+ stream A
        storage: "memory" -> "file"
        sealed: true -> false
        deny_delete: true -> false
        deny_purge: true -> false
        max_age: 0 -> 86400000000000
        discard: "new" -> "old"
        loses 7 messages (3MB)
        loses the positions of 3 consumers
        the server does not change it in place: stream configuration update can not change storage type (10052)
        it cannot be migrated: `A` is sealed
    + consumer A/c
    + consumer A/d
    -/+ stream A
        storage: "memory" -> "file"
        retention: "limits" -> "workqueue"
        loses 7 messages (3MB)
        loses the positions of 3 consumers
        the server does not change it in place: stream configuration update can not change storage type (10052)
        it cannot be migrated: a work queue takes no two consumers of the same messages, as `c` and `d`
    + consumer A/c
    + consumer A/d
    -/+ stream A
        storage: "memory" -> "file"
        subjects: ["a.>"] -> [">"]
        loses 7 messages (3MB)
        loses the positions of 3 consumers
        the server does not change it in place: stream configuration update can not change storage type (10052)
        it cannot be migrated: `>` also takes `_watershed.park.A`, where it would be put meanwhile
    + consumer A/c
    + consumer A/d
    "#);
}

#[test]
fn a_stream_that_has_another_name_gets_what_it_had() {
    let old = "  OLD: { subjects: [a.>], max_age: 1d, consumers: { c: {} } }\n";
    let new = "  NEW: { was: OLD, subjects: [a.>], max_age: 1d, consumers: { c: {} } }\n";
    let mut observed = server(old);
    let live = observed.streams.get_mut("OLD").unwrap();
    (live.info.state.messages, live.info.state.last_seq) = (7, 9);
    let shown = |observed: &Observed| show(&plan(&topology(new), observed));
    insta::assert_snapshot!(shown(&observed), @r#"
    ± stream NEW
        is `OLD` until now
        keeps its 7 messages, sequences and times, and the positions of 1 consumer
        publishers get "no responders" for a moment, once: they must try again; what is published without an acknowledgement in that moment is lost
        a message id that was stored before is stored once more if it comes again
        its consumers pause until everything is there; what is outstanding (0 now) and not acknowledged within the time of --drain is delivered again
        `OLD` stays until `--drop-old NEW`
    "#);
    // Who copies it by its old name is left behind, unless the file tells it the new one.
    let mut copied =
        server(&format!("{old}  COPY: {{ max_age: 1d, sources: [{{ name: OLD }}] }}\n"));
    let live = copied.streams.get_mut("OLD").unwrap();
    (live.info.state.messages, live.info.state.last_seq) = (7, 9);
    let losses = |body: &str| {
        let plan = plan(&topology(body), &copied);
        let step = plan.steps.into_iter().find(|step| step.target == Target::stream("NEW"));
        step.unwrap().losses.join("\n")
    };
    insta::assert_snapshot!(losses(new), @"for `COPY`, which copies `OLD`, everything that is stored from then on");
    let told = format!("{new}  COPY: {{ max_age: 1d, sources: [{{ name: NEW }}] }}\n");
    insta::assert_snapshot!(losses(&told), @"");
    let mut others = observed.clone();
    let config = &mut others.streams.get_mut("OLD").unwrap().info.config;
    config.metadata.insert(crate::observe::OWNER.into(), "other".into());
    insta::assert_snapshot!(shown(&others), @"x stream NEW: `OLD` belongs to the topology `other`");
    observed.server.version = "2.9.0".into();
    insta::assert_snapshot!(shown(&observed), @"x stream NEW: it cannot get what `OLD` has: nats-server 2.9.0 keeps no notes beside a stream (`metadata`); 2.10 and later do");
}

#[test]
fn a_consumer_that_no_update_changes_is_replaced_where_it_is() {
    let body = |more: &str| {
        format!("  A: {{ subjects: [a.>], max_age: 1d, consumers: {{ c: {{ {more} }} }} }}\n")
    };
    let mut observed = server(&body(""));
    let live = observed.streams.get_mut("A").unwrap().consumers.get_mut("c").unwrap();
    (live.info.ack_floor.stream_seq, live.info.delivered.stream_seq) = (4, 9);
    live.info.num_ack_pending = 2;
    let shown = |observed: &Observed| {
        show(&plan(&topology(&body("deliver_policy: new, max_waiting: 3")), observed))
    };
    insta::assert_snapshot!(shown(&observed), @r#"
    ± consumer A/c
        deliver_policy: "all" -> "new"
        max_waiting: 512 -> 3
        the server does not change it in place: deliver policy can not be updated (10012)
        goes on where it is, at 5 by now
        it pauses; what is outstanding (2 now) and not acknowledged within the time of --drain is delivered again
    "#);
    // Cut off, and gone on with: whatever it is now, its position is kept.
    let mut keeper = observed.streams["A"].consumers["c"].clone();
    keeper.info.config.metadata = [("watershed.keeps".to_owned(), "c".to_owned())].into();
    let consumers = &mut observed.streams.get_mut("A").unwrap().consumers;
    consumers.insert("watershed_keeps_c".into(), keeper);
    consumers.remove("c");
    insta::assert_snapshot!(shown(&observed), @"
    ± consumer A/c
        goes on with a migration: its position is kept by `watershed_keeps_c`
    ");
}

#[test]
fn a_pause_is_a_call_of_its_own() {
    let body = |pause: &str| {
        format!(
            "  A: {{ subjects: [a.>], max_age: 1d, consumers: {{ c: {{ max_deliver: 5{pause} }} }} }}\n"
        )
    };
    let mut observed = server(&body(""));
    let live = observed.streams.get_mut("A").unwrap().consumers.get_mut("c").unwrap();
    live.info.ts = UnixNanos::parse("2026-01-01T00:00:00Z").unwrap();
    let shown = |pause: &str| show(&plan(&topology(&body(pause)), &observed));
    insta::assert_snapshot!(shown(", pause_until: 2026-02-01T00:00:00Z"), @r#"
    ~ consumer A/c
        pause_until: null -> "2026-02-01T00:00:00Z"
    "#);
    // It is over: there is nothing to pause.
    assert_eq!(shown(", pause_until: 2025-02-01T00:00:00Z"), "");
}

#[test]
fn a_migration_that_was_cut_off_says_where_it_stands() {
    let body = "  A: { subjects: [a.>], max_age: 1d }\n";
    let mark = |key: &str, value: &str| (format!("watershed.{key}"), value.to_owned());
    let parked = mark("parked", r#"{"subjects":["a.>"]}"#);
    let stream = |marks: &[&(String, String)], mirror: Option<&str>| {
        let mut there = ObservedStream::default();
        there.info.config.metadata = marks.iter().map(|mark| (*mark).clone()).collect();
        there.info.config.mirror =
            mirror.map(|name| StreamSource { name: name.into(), ..StreamSource::default() });
        there.info.config.subjects = vec!["a.>".into()];
        there.info.state.messages = 7;
        there
    };
    let copy = mark("copied", r#"{"of":"A","compared":0,"last":null}"#);
    let back = mark("copied", r#"{"of":"watershed_migrates_A","compared":0,"last":null}"#);
    let at = |own: Option<ObservedStream>, transit: ObservedStream| {
        let mut observed = server(body);
        observed.streams.remove("A");
        observed.streams.extend(own.map(|own| ("A".to_owned(), own)));
        observed.streams.insert("watershed_migrates_A".into(), transit);
        show(&plan(&topology(body), &observed))
    };
    let mirror = || stream(&[&copy], Some("A"));
    let away = || stream(&[&copy], None);
    let mut out = at(Some(stream(&[], None)), mirror());
    out += &at(Some(stream(&[&parked], None)), mirror());
    out += &at(Some(stream(&[&parked], None)), away());
    out += &at(Some(stream(&[&parked], None)), stream(&[&copy, &parked], None));
    out += &at(None, away());
    out += &at(Some(stream(&[&back], Some("watershed_migrates_A"))), away());
    insta::assert_snapshot!(out, @r#"
    ± stream A
        goes on with a migration: `watershed_migrates_A` has 7 messages, publishers are where they were
        --back A undoes it instead
    ± stream A
        goes on with a migration: publishers get "no responders" now, `watershed_migrates_A` has 7 messages
        --back A undoes it instead
    ± stream A
        goes on with a migration: publishers are with `watershed_migrates_A`, which has 7 messages
        --back A undoes it instead
    ± stream A
        undoes a migration: publishers get "no responders" now, what `watershed_migrates_A` has got is moved back
    ± stream A
        goes on with a migration: publishers are with `watershed_migrates_A`, which has 7 messages
    ± stream A
        goes on with a migration: `watershed_migrates_A`, which has 7 messages, is copied back to its name
    "#);
}
