//! What is migrated, and what is left of it.

use super::*;

#[test]
fn what_cannot_go_on_where_it_is_is_not_migrated() {
    let show_plan = |before: &str, after: &str, edit: fn(&mut Observed)| {
        let mut observed = server(before);
        observed.server.version = "2.14.6".into();
        let info = &mut observed.streams.get_mut("A").unwrap().info;
        (info.state.messages, info.state.last_seq, info.state.bytes) = (7, 9, 3_000_000);
        edit(&mut observed);
        let shown = show(&plan(&topology(after), &observed));
        let is_why =
            |line: &&str| line.contains("cannot be migrated") || line.contains("its copies");
        shown.lines().filter(is_why).map(str::trim).collect::<Vec<_>>().join("\n") + "\n"
    };
    let check = |fields: &str, edit: fn(&mut Observed)| {
        let body = |storage: &str| format!("  A: {{ {fields}, storage: {storage} }}\n");
        show_plan(&body("memory"), &body("file"), edit)
    };
    let mut out = check("sources: [{name: B}], retention: workqueue", |_| {});
    out += &check("sources: [{name: B}]", |observed| {
        observed.streams.get_mut("A").unwrap().info.state.messages = 0;
    });
    out += &check("subjects: [a], max_msgs: 9, discard: new, retention: workqueue", |_| {});
    out += &check("subjects: [a]", |observed| {
        observed.account.limits.max_storage = 5_000_000;
    });
    // These can be.
    out += &check("sources: [{name: B}]", |_| {});
    out += &check("subjects: [a], max_msgs: 9, discard: new", |_| {});
    out += &check("subjects: [a]", |observed| {
        observed.account.limits.max_storage = 6_000_000;
    });
    insta::assert_snapshot!(out, @"
    it cannot be migrated: `A` has sources and does not keep what is done: its sources would be taken again
    it cannot be migrated: `A` has sources and is empty: its sources would be taken again
    it cannot be migrated: `A` refuses what is above its limits (`discard: new`) and removes what its consumers have done: its copy does not do both
    x stream A: its copies need 6MB of the account's storage, and 5MB of 5MB is left
    ");
}

#[test]
fn only_what_a_topology_kept_itself_is_dropped() {
    let check = |name: &str, owner: &str| {
        let body = format!("  {name}: {{ subjects: [a.>] }}\n");
        let mut observed = server(&body);
        let parked = ("watershed.parked".to_owned(), r#"{"subjects":["a.>"]}"#.to_owned());
        let copied = format!(r#"{{"of":"{name}","compared":0,"last":null}}"#);
        let mut kept = ObservedStream::default();
        kept.info.config.metadata = [parked, ("watershed.copied".to_owned(), copied)].into();
        observed.streams.insert(format!("watershed_migrates_{name}"), kept);
        let metadata = &mut observed.streams.get_mut(name).unwrap().info.config.metadata;
        metadata.insert("watershed.topology".into(), owner.into());
        let steps = plan(&topology("  A: { subjects: [a.>] }\n"), &observed).steps;
        steps.iter().filter(|step| step.action == Action::Drop).count()
    };
    let own = topology("  A: { subjects: [a.>] }\n").name.value;
    assert_eq!((check("A", &own), check("A", "other"), check("B", "other")), (1, 0, 0));
}

#[test]
fn what_old_servers_do_not_keep_is_said() {
    let body = |storage: &str, more: &str| {
        format!(
            "  A: {{ subjects: [a.>], max_age: 1d, storage: {storage}{more}, consumers: {{ c: {{}}, d: {{}} }} }}\n"
        )
    };
    let planned = |version: &str, more: &str, others: &str| {
        let mut observed = server(&(body("memory", more) + others));
        observed.server.version = version.into();
        let there = observed.streams.get_mut("A").unwrap();
        let state = &mut there.info.state;
        (state.messages, state.last_seq, state.bytes, state.num_deleted) = (7, 9, 3_000_000, 2);
        let consumer = &mut there.consumers.get_mut("c").unwrap().info;
        (consumer.delivered.stream_seq, consumer.ack_floor.stream_seq) = (6, 4);
        consumer.num_ack_pending = 2;
        show(&plan(&topology(&(body("file", more) + others)), &observed))
    };
    insta::assert_snapshot!(planned("2.10.26", ", max_bytes: 3000001B", ""), @r#"
    ± stream A
        storage: "memory" -> "file"
        loses the oldest messages, about 587B: each of them gets a header, and `max_bytes` is less then
        the server does not change it in place: stream configuration update can not change storage type (10052)
        keeps its 7 messages, and the positions of 2 consumers
        nats-server 2.10.26 copies by sources: 7 messages get new times and a header `Nats-Stream-Source`, about 588B in all; sequences change by the gaps (2 messages gone in between)
        their age counts from then on: what would have gone by `max_age` stays up to 1d longer
        consumers go on at the same messages (`c` at 5, `d` at 1 now)
        message ids: those of 7 messages are looked at first, and where one is there twice, nothing is done; what was stored before is known for the `duplicate_window` once more
        publishers get "no responders" for a moment, twice: they must try again; what is published without an acknowledgement in that moment is lost
        its consumers end, as this server pauses none, and are made again once everything is there; what is outstanding then (2 now), or is acknowledged just then, is delivered again
        needs room for two copies meanwhile (2930KiB each); `watershed_migrates_A` stays until `--drop-old A`
    "#);
    let why = |said: String| {
        said.lines().filter(|line| line.contains("cannot be")).map(str::trim).collect::<String>()
    };
    let copied = planned("2.11.11", "", "  B: { sources: [{ name: A }] }\n");
    insta::assert_snapshot!(why(copied), @"it cannot be migrated: `B` copies `A`, whose sequences change on nats-server 2.11.11: it would miss messages; 2.12 and later keep them");
    let copies = planned("2.11.11", ", sources: [{ name: B }]", "  B: { subjects: [b] }\n");
    insta::assert_snapshot!(why(copies), @"it cannot be migrated: `A` has sources, and nats-server 2.11.11 copies by sources, too: how far it has taken from its own would be lost; 2.12 and later keep it");
}
