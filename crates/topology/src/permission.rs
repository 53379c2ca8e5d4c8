//! What a service's users may do, derived from what the service does.

use std::collections::BTreeSet;

use crate::dead_letter::letters;
use crate::model::{Access, Stream, StreamKind, Topology, User};
use crate::sharing::Passage;

/// Filters that a user may publish and subscribe to. `None` is a user who may do everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// What may be published to.
    pub publish: Vec<String>,
    /// What may be subscribed to.
    pub subscribe: Vec<String>,
}

/// What `user` may do: enough for every client library to publish with acknowledgement and to read
/// the declared consumers, for a worker to keep what it gives up there, and nothing that creates, changes or deletes.
pub fn permissions(topology: &Topology, user: &User) -> Option<Permissions> {
    let Access::Service(name) = &user.access else { return None };
    let service = topology.service(&name.value);
    let mut publish = BTreeSet::new();
    let mut subscribe = BTreeSet::from(["_INBOX.>".to_owned()]);
    // Clients ask which stream a subject belongs to, and whether JetStream is there.
    for call in ["INFO", "STREAM.NAMES"] {
        publish.insert(format!("$JS.API.{call}"));
    }
    if let Some(service) = service {
        publish.extend(service.publishes.iter().map(|subject| subject.value.clone()));
        publish.extend(service.requests.iter().map(|subject| subject.value.clone()));
        subscribe.extend(service.replies.iter().map(|subject| subject.value.clone()));
        if !service.replies.is_empty() {
            // Who asks waits there.
            publish.insert("_INBOX.>".to_owned());
            // Who asks from another account waits behind a subject that stands for it.
            let mut exports = topology.exports.iter();
            if exports.any(|export| export.passage == Passage::Service) {
                publish.insert("_R_.>".to_owned());
            }
        }
        for bucket in service.reads.iter().flat_map(|name| topology.buckets(&name.value)) {
            read(&bucket.name.value, &mut publish);
        }
        for bucket in service.writes.iter().flat_map(|name| topology.buckets(&name.value)) {
            write(bucket, &mut publish);
        }
        for wanted in &service.consumes {
            let Some((stream, consumer)) = topology.consumer(&wanted.value) else { continue };
            let dead_letter = &consumer.dead_letter;
            let (stream, consumer, config) =
                (&stream.name.value, &consumer.name.value, &consumer.config);
            publish.insert(format!("$JS.API.STREAM.INFO.{stream}"));
            publish.insert(format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"));
            publish.insert(format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"));
            publish.insert(format!("$JS.ACK.{stream}.{consumer}.>"));
            if dead_letter.is_some() {
                publish.insert(letters(stream, consumer));
            }
            if config.is_push() {
                subscribe.insert(config.deliver_subject.clone());
                publish.insert(format!("$JS.FC.{stream}.{consumer}.>"));
            }
        }
    }
    Some(Permissions {
        publish: publish.into_iter().collect(),
        subscribe: subscribe.into_iter().collect(),
    })
}

/// What clients call to read a bucket: single values, and consumers of their own to list and watch.
fn read(stream: &str, publish: &mut BTreeSet<String>) {
    for call in [
        "STREAM.INFO.*",
        "STREAM.MSG.GET.*",
        "DIRECT.GET.*",
        "DIRECT.GET.*.>",
        "CONSUMER.CREATE.*",
        "CONSUMER.CREATE.*.>",
        "CONSUMER.INFO.*.>",
        "CONSUMER.DELETE.*.>",
        "CONSUMER.MSG.NEXT.*.>",
    ] {
        publish.insert(format!("$JS.API.{}", call.replacen('*', stream, 1)));
    }
    for what in ["ACK", "FC"] {
        publish.insert(format!("$JS.{what}.{stream}.>"));
    }
}

/// What clients call to write to a bucket. They look first at what is there: at the marker of a key that
/// was deleted, to create it again, and at an object that is replaced or deleted, whose pieces they
/// purge.
fn write(bucket: &Stream, publish: &mut BTreeSet<String>) {
    let name = &bucket.name.value;
    publish.insert(format!("$JS.API.STREAM.INFO.{name}"));
    publish.extend(bucket.config.subjects.iter().cloned());
    let is_store = bucket.kind == StreamKind::ObjectStore;
    let direct = bucket.config.allow_direct;
    if direct {
        // Of an object that is what is said about it; its pieces are read by a consumer.
        let looked_at =
            bucket.config.subjects.iter().filter(|own| !is_store || own.contains(".M."));
        publish.extend(looked_at.map(|own| format!("$JS.API.DIRECT.GET.{name}.{own}")));
    }
    // nats-py asks so of every object store.
    if is_store || !direct {
        publish.insert(format!("$JS.API.STREAM.MSG.GET.{name}"));
    }
    if is_store {
        publish.insert(format!("$JS.API.STREAM.PURGE.{name}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::topology;

    #[test]
    fn a_service_may_work_on_what_it_consumes_and_no_more() {
        let topology = topology(
            r"
watershed: 1
name: x
streams:
  JOBS:
    subjects: [jobs.>]
    consumers:
      resize: { max_deliver: 3, dead_letter: DEAD }
      print: {}
      other: { dead_letter: DEAD }
  DEAD: { max_age: 30d }
services:
  back: { consumes: [JOBS/resize, JOBS/print] }
users:
  back: { password: { env: BACK }, service: back }
",
        );
        let allowed = permissions(&topology, &topology.users[0]).unwrap();
        insta::assert_snapshot!(allowed.publish.join("\n"), @r"
        $JS.ACK.JOBS.print.>
        $JS.ACK.JOBS.resize.>
        $JS.API.CONSUMER.INFO.JOBS.print
        $JS.API.CONSUMER.INFO.JOBS.resize
        $JS.API.CONSUMER.MSG.NEXT.JOBS.print
        $JS.API.CONSUMER.MSG.NEXT.JOBS.resize
        $JS.API.INFO
        $JS.API.STREAM.INFO.JOBS
        $JS.API.STREAM.NAMES
        dead.JOBS.resize.*.*
        ");
        assert_eq!(allowed.subscribe, ["_INBOX.>"]);
    }
}
