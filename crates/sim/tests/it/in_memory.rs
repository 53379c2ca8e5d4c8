//! Consumers whose position is in memory by their own word, on streams that are on disk: no disk is asked for them.

use serde_json::Value;
use watershed_engine::JetStreamSettings;
use watershed_sim::disk::SimDisk;
use watershed_sim::node::Node;

use crate::talk::{ask, send, tell};

fn start(disk: &SimDisk) -> Node {
    Node::start(disk, JetStreamSettings::new(1 << 40, 1 << 40), 1).unwrap()
}

/// A node whose stream `S` has five messages.
fn with_stream(disk: &SimDisk, retention: &str) -> Node {
    let mut node = start(disk);
    let config = format!("{{\"name\":\"S\",\"subjects\":[\"s.*\"],\"retention\":\"{retention}\"}}");
    ask(&mut node, "STREAM.CREATE.S", &config);
    for subject in ["s.a", "s.a", "s.b", "s.b", "s.c"] {
        tell(&mut node, subject, "x");
    }
    node
}

fn create(node: &mut Node, more: &str) {
    let config = format!("\"name\":\"c\",\"mem_storage\":true,\"ack_policy\":\"explicit\"{more}");
    let body = format!("{{\"stream_name\":\"S\",\"config\":{{{config}}}}}");
    send(node, "$JS.API.CONSUMER.CREATE.S.c", "r.1", &body);
}

/// What comes before the disk has done anything.
fn pull(node: &mut Node, batch: u64) -> Vec<String> {
    let body = format!("{{\"batch\":{batch},\"no_wait\":true}}");
    send(node, "$JS.API.CONSUMER.MSG.NEXT.S.c", "r.1", &body);
    let replies = node.received().into_iter().filter_map(|own| own.reply);
    replies.filter(|reply| reply.starts_with("$JS.ACK")).collect()
}

fn names(node: &mut Node) -> Value {
    ask(node, "CONSUMER.NAMES.S", "")["consumers"].take()
}

#[test]
fn no_record_is_made_of_it() {
    let disk = SimDisk::default();
    let mut node = with_stream(&disk, "limits");
    let before = node.state();
    create(&mut node, "");
    assert!(node.received()[0].payload.contains("\"config\""));
    let deliveries = pull(&mut node, 2);
    assert_eq!(deliveries.len(), 2);
    send(&mut node, &deliveries[0], "r.1", "+ACK");
    assert_eq!(node.received().len(), 1, "an acknowledgement is confirmed at once");
    assert!(!node.has_work());
    assert_eq!(names(&mut node), serde_json::json!(["c"]));
    let info = ask(&mut node, "CONSUMER.INFO.S.c", "");
    assert_eq!((&info["num_ack_pending"], &info["num_pending"]), (&1.into(), &3.into()));
    assert!(node.state() == before, "the state that a checkpoint has is what it was");
    // A message that is on its way is delivered when it is on disk.
    send(&mut node, "s.c", "r.1", "x");
    assert_eq!(pull(&mut node, 9).len(), 3);
    node.settle().unwrap();
    let deliveries = node.received();
    assert_eq!(deliveries.iter().filter(|own| own.reply.is_some()).count(), 1);
}

#[test]
fn it_goes_with_the_process() {
    let disk = SimDisk::default();
    let mut node = with_stream(&disk, "limits");
    create(&mut node, "");
    pull(&mut node, 2);
    tell(&mut node, "s.c", "y");
    let state = node.state();
    let mut again = start(&disk.after_kill());
    assert!(again.state() == state, "the state differs after a restart");
    assert_eq!(names(&mut again), serde_json::json!([]));
    // One that outlives its clients, or says what goes, is on disk.
    for (retention, more) in [("limits", ",\"durable_name\":\"c\""), ("interest", "")] {
        let disk = SimDisk::default();
        let mut node = with_stream(&disk, retention);
        create(&mut node, more);
        node.settle().unwrap();
        node.received();
        assert_eq!(names(&mut start(&disk.after_kill())), serde_json::json!(["c"]), "{retention}");
    }
}

#[test]
fn it_works_while_the_disk_refuses_everything() {
    let disk = SimDisk::default();
    let mut node = with_stream(&disk, "limits");
    create(&mut node, "");
    node.received();
    let first = pull(&mut node, 2);
    disk.refuse(true);
    send(&mut node, "s.c", "r.1", "lost");
    assert!(!node.try_commit());
    node.received();
    // It goes on from where it was, and what was delivered can be acknowledged.
    let next = pull(&mut node, 9);
    let places = next.iter().map(|reply| reply.split('.').nth(5).unwrap());
    assert_eq!(places.collect::<Vec<_>>(), ["3", "4", "5"]);
    send(&mut node, &first[0], "r.1", "+ACK");
    assert_eq!(node.received().len(), 1);
    send(&mut node, "$JS.API.CONSUMER.DELETE.S.c", "r.1", "");
    assert!(node.received()[0].payload.contains("\"success\":true"));
    // Another one is made.
    create(&mut node, ",\"filter_subject\":\"s.b\"");
    assert!(node.received()[0].payload.contains("\"config\""));
    assert_eq!(pull(&mut node, 9).len(), 2);
    disk.refuse(false);
    node.heal().unwrap();
    tell(&mut node, "s.b", "x");
    assert_eq!(pull(&mut node, 9).len(), 1);
}

#[test]
fn it_ends_when_messages_are_to_go_by_consumers() {
    let disk = SimDisk::default();
    let mut node = with_stream(&disk, "limits");
    create(&mut node, "");
    node.received();
    let wait = "{\"batch\":9,\"expires\":5000000000}";
    send(&mut node, "$JS.API.CONSUMER.MSG.NEXT.S.c", "r.1", wait);
    assert_eq!(node.received().len(), 5);
    let config = "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"retention\":\"interest\"}";
    let got = tell(&mut node, "$JS.API.STREAM.UPDATE.S", config);
    assert!(got.iter().any(|own| own.header.contains("409 Consumer Deleted")), "{got:?}");
    assert!(got.iter().any(|own| own.payload.contains("\"config\"")), "{got:?}");
    assert_eq!(names(&mut node), serde_json::json!([]));
    let state = node.state();
    assert!(start(&disk.after_kill()).state() == state, "the state differs after a restart");
}
