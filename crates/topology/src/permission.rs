//! What a service's users may do, derived from what the service does.

use std::collections::BTreeSet;

use watershed_wire::subject::overlaps;

use crate::dead_letter::letters;

use crate::model::{Access, Granted, Service, Stream, StreamKind, Topology, User};
use crate::sharing::Passage;
use crate::source::Spanned;

/// What a user may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// What may be published to.
    pub publish: Rules,
    /// What may be subscribed to.
    pub subscribe: Rules,
}

/// Filters that are allowed and denied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// What is allowed; `None` for everything.
    pub allow: Option<Vec<String>>,
    /// What is denied, whatever is allowed.
    pub deny: Vec<String>,
}

impl Rules {
    /// What is derived, and what the file says of it.
    fn new(derived: Option<BTreeSet<String>>, said: &Granted) -> Self {
        let texts = |all: &[Spanned<String>]| all.iter().map(|one| one.value.clone()).collect();
        let said_allow = said.allow.as_deref().map(texts);
        let allow = match (derived, said_allow) {
            (Some(mut derived), more) => {
                derived.extend(more.into_iter().flatten());
                Some(derived.into_iter().collect())
            }
            (None, said) => said.map(|said: BTreeSet<String>| said.into_iter().collect()),
        };
        Self { allow, deny: said.deny.iter().map(|one| one.value.clone()).collect() }
    }

    /// Whether everything is allowed.
    fn is_everything(&self) -> bool {
        self.allow.is_none() && self.deny.is_empty()
    }
}

/// What subjects for answers begin with where nothing else is said.
const INBOX: &str = "_INBOX";

/// Subjects on which a user waits for answers.
fn inbox(user: &User) -> String {
    let prefix = user.inbox_prefix.as_ref().map_or(INBOX, |prefix| prefix.value.as_str());
    format!("{prefix}.>")
}

/// What `user` may do; `None` for everything. For a service's user that is enough for every client library to
/// publish with acknowledgement and to read the declared consumers, and nothing that creates, changes or
/// deletes but what the service ensures; besides, what the file says.
pub fn permissions(topology: &Topology, user: &User) -> Option<Permissions> {
    let said = &user.permissions;
    let derived = match &user.access {
        Access::Service(name) => {
            Some(derived(topology, topology.service(&name.value), &inbox(user)))
        }
        Access::Admin | Access::Listed | Access::System => None,
    };
    let (publish, subscribe) = derived.unzip();
    let all = Permissions {
        publish: Rules::new(publish, &said.publish),
        subscribe: Rules::new(subscribe, &said.subscribe),
    };
    (!all.publish.is_everything() || !all.subscribe.is_everything()).then_some(all)
}

/// What a service publishes and subscribes to, itself and through its client library.
fn derived(
    topology: &Topology,
    service: Option<&Service>,
    inbox: &str,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut publish = BTreeSet::new();
    let mut subscribe = BTreeSet::from([inbox.to_owned()]);
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
            publish.insert(format!("{INBOX}.>"));
            publish.extend(topology.users.iter().map(self::inbox));
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
        for stream in topology.streams.iter().filter(|stream| stores(stream, service)) {
            publish.insert(format!("$JS.API.STREAM.INFO.{}", stream.name.value));
        }
        for name in &service.ensures {
            ensure(topology, &name.value, &mut publish);
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
    (publish, subscribe)
}

/// Whether a stream stores something that a service publishes: who ensures it or waits for it asks for it.
fn stores(stream: &Stream, service: &Service) -> bool {
    let subjects = || stream.config.subjects.iter();
    let mut published = service.publishes.iter();
    published.any(|one| subjects().any(|own| overlaps(own.as_bytes(), one.value.as_bytes())))
}

/// What it takes to create a stream, a bucket or a consumer, and to see whether it is there. Older clients create
/// durable consumers by a call of their own.
fn ensure(topology: &Topology, name: &str, publish: &mut BTreeSet<String>) {
    let Some((stream, consumer)) = name.split_once('/') else {
        for stream in topology.named(name) {
            let stream = &stream.name.value;
            publish.insert(format!("$JS.API.STREAM.INFO.{stream}"));
            publish.insert(format!("$JS.API.STREAM.CREATE.{stream}"));
        }
        return;
    };
    publish.insert(format!("$JS.API.STREAM.INFO.{stream}"));
    publish.insert(format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"));
    publish.insert(format!("$JS.API.CONSUMER.CREATE.{stream}.{consumer}"));
    publish.insert(format!("$JS.API.CONSUMER.CREATE.{stream}.{consumer}.>"));
    publish.insert(format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{consumer}"));
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
    use std::fmt::Write as _;

    use super::*;
    use crate::diagnostic::Severity;
    use crate::source::SourceMap;

    /// What each user of a topology may do.
    fn shown(text: &str) -> String {
        let mut sources = SourceMap::default();
        let file = sources.add("watershed.yaml", text);
        let document = crate::read::Document::new(&sources, file);
        let read = crate::read::read(&sources, vec![document], Vec::new(), None);
        let errors = read.diagnostics.iter().filter(|one| one.severity == Severity::Error);
        assert_eq!(errors.count(), 0, "{:?}", read.diagnostics);
        let mut out = String::new();
        for user in &read.topology.users {
            let _ = writeln!(out, "{}:", user.name.value);
            let Some(all) = permissions(&read.topology, user) else {
                out.push_str("  everything\n");
                continue;
            };
            for (verb, rules) in [("publish", all.publish), ("subscribe", all.subscribe)] {
                let allow = rules.allow.map_or("everything".into(), |allow| allow.join(" "));
                let _ = write!(out, "  {verb} {allow}");
                if !rules.deny.is_empty() {
                    let _ = write!(out, "; not {}", rules.deny.join(" "));
                }
                out.push('\n');
            }
        }
        out
    }

    const STREAMS: &str = "watershed: 1\nname: x\nstreams:\n  A: { subjects: [a.>], max_age: 1d, consumers: { c: { filter_subject: a.x } } }\n\
         key_values: { K: {} }\n";

    #[track_caller]
    fn check(people: &str, expected: &str) {
        let got = shown(&format!("{STREAMS}{people}\n"));
        let want: Vec<&str> =
            expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let got: Vec<&str> = got.lines().map(str::trim).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn a_service_may_make_what_it_ensures() {
        check(
            "services: { s: { ensures: [A, A/c, K] } }\nusers: { u: { service: s } }",
            "u:
             publish $JS.API.CONSUMER.CREATE.A.c $JS.API.CONSUMER.CREATE.A.c.> $JS.API.CONSUMER.DURABLE.CREATE.A.c $JS.API.CONSUMER.INFO.A.c $JS.API.INFO $JS.API.STREAM.CREATE.A $JS.API.STREAM.CREATE.KV_K $JS.API.STREAM.INFO.A $JS.API.STREAM.INFO.KV_K $JS.API.STREAM.NAMES
             subscribe _INBOX.>",
        );
    }

    #[test]
    fn a_service_sees_the_streams_that_store_what_it_publishes() {
        check(
            "services: { s: { publishes: [a.b] } }\nusers: { u: { service: s } }",
            "u:
             publish $JS.API.INFO $JS.API.STREAM.INFO.A $JS.API.STREAM.NAMES a.b
             subscribe _INBOX.>",
        );
    }

    #[test]
    fn what_a_file_lists_is_added_and_taken_away() {
        check(
            "services: { s: {} }
users:
  u: { service: s, permissions: { publish: [b.>], subscribe: { allow: [c], deny: [d] } } }
  v: { permissions: { publish: { deny: ['secret.>'] }, subscribe: [] } }
  w: { role: admin, permissions: { publish: { deny: ['$JS.API.STREAM.DELETE.>'] } } }
  x: { role: admin }",
            "u:
             publish $JS.API.INFO $JS.API.STREAM.NAMES b.>
             subscribe _INBOX.> c; not d
             v:
             publish everything; not secret.>
             subscribe
             w:
             publish everything; not $JS.API.STREAM.DELETE.>
             subscribe everything
             x:
             everything",
        );
    }

    /// Who answers may answer everybody who asks, wherever they wait.
    #[test]
    fn answers_go_to_private_inboxes() {
        check(
            "services: { s: { requests: [q] }, t: { replies: [q] } }
users: { u: { service: s, inbox_prefix: _INBOX_u }, v: { service: t } }",
            "u:
             publish $JS.API.INFO $JS.API.STREAM.NAMES q
             subscribe _INBOX_u.>
             v:
             publish $JS.API.INFO $JS.API.STREAM.NAMES _INBOX.> _INBOX_u.>
             subscribe _INBOX.> q",
        );
    }
}
