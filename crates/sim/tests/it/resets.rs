//! Consumers that are reset: they go on from another place, also after a restart.

use watershed_engine::JetStreamSettings;
use watershed_sim::disk::SimDisk;
use watershed_sim::node::Node;

use crate::talk::{ask, tell};

fn start(disk: &SimDisk) -> Node {
    Node::start(disk, JetStreamSettings::new(1 << 40, 1 << 40), 1).unwrap()
}

/// What a pull brings: `<sequence>x<deliveries>` of each message, in order.
fn pull(node: &mut Node) -> String {
    let got = tell(node, "$JS.API.CONSUMER.MSG.NEXT.S.c", "{\"batch\":9,\"no_wait\":true}");
    let acks = got.iter().filter_map(|own| own.reply.as_deref());
    let places = acks.map(|reply| {
        let tokens: Vec<&str> = reply.split('.').collect();
        format!("{}x{}", tokens[5], tokens[4])
    });
    places.collect::<Vec<_>>().join(" ")
}

/// What comes after a reset: now, and after a restart of a node that has not delivered since.
#[track_caller]
fn check(stream: &str, consumer: &str, acked: &[u64], reset: &str, expected: &str, left: &str) {
    for restarts in [false, true] {
        let mut disk = SimDisk::default();
        let mut node = start(&disk);
        let create = format!("{{\"name\":\"S\",\"subjects\":[\"s.*\"]{stream}}}");
        ask(&mut node, "STREAM.CREATE.S", &create);
        let config = format!("{{\"durable_name\":\"c\",\"ack_policy\":\"explicit\"{consumer}}}");
        let body = format!("{{\"stream_name\":\"S\",\"config\":{config}}}");
        ask(&mut node, "CONSUMER.DURABLE.CREATE.S.c", &body);
        for subject in ["s.a", "s.a", "s.b", "s.b", "s.c"] {
            tell(&mut node, subject, "x");
        }
        pull(&mut node);
        for sequence in acked {
            tell(&mut node, &format!("$JS.ACK.S.c.1.{sequence}.{sequence}.0.0"), "+ACK");
        }
        let answer = ask(&mut node, "CONSUMER.RESET.S.c", reset);
        assert_eq!(answer["num_ack_pending"], 0, "{answer}");
        if restarts {
            let state = node.state();
            disk = disk.after_kill();
            node = start(&disk);
            assert!(node.state() == state, "the state differs after a restart");
        }
        assert_eq!(pull(&mut node), expected, "restarted: {restarts}");
        let info = ask(&mut node, "STREAM.INFO.S", "");
        assert_eq!(info["state"]["messages"].to_string(), left, "restarted: {restarts}");
    }
}

#[test]
fn a_consumer_that_is_reset_goes_on_from_there() {
    let (queue, interest) = (",\"retention\":\"workqueue\"", ",\"retention\":\"interest\"");
    check("", "", &[1, 3], "", "2x1 3x1 4x1 5x1", "5");
    check("", "", &[1, 3], "{\"seq\":1}", "1x1 2x1 3x1 4x1 5x1", "5");
    check("", "", &[], "{\"seq\":5}", "5x1", "5");
    check("", "", &[], "{\"seq\":9}", "", "5");
    let filter = ",\"filter_subject\":\"s.b\"";
    check("", filter, &[3], "", "4x1", "5");
    check("", filter, &[3], "{\"seq\":2}", "3x1 4x1", "5");
    // What is gone does not come back; what is passed over goes where nobody else waits for it.
    check(queue, "", &[1, 3], "{\"seq\":1}", "2x1 4x1 5x1", "3");
    check(queue, "", &[1, 3], "{\"seq\":4}", "4x1 5x1", "3");
    check(interest, "", &[1, 3], "{\"seq\":4}", "4x1 5x1", "2");
    check(interest, "", &[1, 3], "", "2x1 4x1 5x1", "3");
    // Given up before, it comes again.
    check("", ",\"max_deliver\":1", &[], "{\"seq\":1}", "1x1 2x1 3x1 4x1 5x1", "5");
    let lasts = ",\"deliver_policy\":\"last_per_subject\",\"filter_subject\":\"s.*\"";
    check("", lasts, &[1, 2], "", "3x1 4x1 5x1", "5");
}
