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
