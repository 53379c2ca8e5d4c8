//! What a service's users may do, derived from what the service does.

use std::collections::BTreeMap;

use watershed_wire::subject::overlaps;

use crate::dead_letter::letters;

use crate::model::{
    Access, Consumer, Granted, Responses, Service, Stream, StreamKind, Topology, User,
};
use crate::sharing::Passage;
use crate::source::{Span, Spanned};

/// What a user may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// What may be published to.
    pub publish: Rules,
    /// What may be subscribed to.
    pub subscribe: Rules,
    /// Answers to what is received, which may go anywhere.
    pub responses: Option<Responses>,
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
    /// Whether everything is allowed.
    fn is_everything(&self) -> bool {
        self.allow.is_none() && self.deny.is_empty()
    }
}

/// What a filter is for, and the line of the file that it follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// What it is for.
    pub reason: String,
    /// What says so.
    pub span: Span,
}

/// Filters, each with why it is there.
pub type Reasons = BTreeMap<String, Vec<Why>>;

/// Filters that are allowed and denied, with why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasoned {
    /// What is allowed; `None` for everything.
    pub allow: Option<Reasons>,
    /// What is denied, whatever is allowed, and where that is said.
    pub deny: Vec<Spanned<String>>,
}

impl Reasoned {
    /// What is derived, and what the file says of it.
    fn new(derived: Option<Reasons>, said: &Granted) -> Self {
        let mut allow = derived.or_else(|| said.allow.as_ref().map(|_| Reasons::new()));
        for one in said.allow.iter().flatten() {
            if let Some(allow) = &mut allow {
                add(allow, &one.value, one.span, "listed under `permissions`");
            }
        }
        Self { allow, deny: said.deny.clone() }
    }

    fn rules(&self) -> Rules {
        let allow = self.allow.as_ref().map(|allow| allow.keys().cloned().collect());
        Rules { allow, deny: self.deny.iter().map(|one| one.value.clone()).collect() }
    }
}

fn add(reasons: &mut Reasons, filter: impl Into<String>, span: Span, reason: impl Into<String>) {
    let why = Why { reason: reason.into(), span };
    let all = reasons.entry(filter.into()).or_default();
    if !all.contains(&why) {
        all.push(why);
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
    let [publish, subscribe] = reasoned(topology, user);
    let responses = user.permissions.responses.as_ref().map(|responses| responses.value);
    let all = Permissions { publish: publish.rules(), subscribe: subscribe.rules(), responses };
    let everything = all.publish.is_everything() && all.subscribe.is_everything();
    (!everything || responses.is_some()).then_some(all)
}

/// What `user` may publish to and what it may subscribe to, with why.
pub fn reasoned(topology: &Topology, user: &User) -> [Reasoned; 2] {
    let said = &user.permissions;
    let derived = match &user.access {
        Access::Service(name) => {
            let mut derived = Derived::default();
            let at = user.inbox_prefix.as_ref().map_or(name.span, |prefix| prefix.span);
            add(&mut derived.subscribe, inbox(user), at, "answers to what it asks");
            // Clients ask which stream a subject belongs to, and whether JetStream is there.
            for call in ["INFO", "STREAM.NAMES"] {
                derived.call(call, name.span, "client libraries ask this at their start");
            }
            if let Some(service) = topology.service(&name.value) {
                derived.service(topology, service);
            }
            Some((derived.publish, derived.subscribe))
        }
        Access::Admin | Access::Listed | Access::System => None,
    };
    let (publish, subscribe) = derived.unzip();
    // As nats-server has it: who may answer may publish nothing else that is not allowed.
    let publish = publish.or_else(|| said.responses.as_ref().map(|_| Reasons::new()));
    [Reasoned::new(publish, &said.publish), Reasoned::new(subscribe, &said.subscribe)]
}

/// What a service publishes and subscribes to, itself and through its client library.
#[derive(Default)]
struct Derived {
    publish: Reasons,
    subscribe: Reasons,
}

impl Derived {
    fn call(&mut self, call: impl std::fmt::Display, span: Span, reason: impl Into<String>) {
        add(&mut self.publish, format!("$JS.API.{call}"), span, reason);
    }

    fn service(&mut self, topology: &Topology, service: &Service) {
        let name = &service.name.value;
        for subject in &service.publishes {
            add(&mut self.publish, &subject.value, subject.span, format!("`{name}` publishes it"));
        }
        for subject in &service.requests {
            add(&mut self.publish, &subject.value, subject.span, format!("`{name}` asks on it"));
        }
        for subject in &service.replies {
            let reason = format!("`{name}` answers requests on it");
            add(&mut self.subscribe, &subject.value, subject.span, reason);
        }
        if let Some(first) = service.replies.first() {
            self.answers(topology, first.span);
        }
        for wanted in &service.reads {
            for bucket in topology.buckets(&wanted.value) {
                self.read(bucket, wanted);
            }
        }
        for wanted in &service.writes {
            for bucket in topology.buckets(&wanted.value) {
                self.write(bucket, wanted);
            }
        }
        for stream in &topology.streams {
            if let Some(subject) = stored(stream, service) {
                let name = &stream.name.value;
                let reason =
                    format!("whether `{name}`, which stores `{}`, is there", subject.value);
                self.call(format_args!("STREAM.INFO.{name}"), subject.span, reason);
            }
        }
        for name in &service.ensures {
            self.ensure(topology, name);
        }
        for wanted in &service.consumes {
            if let Some((stream, consumer)) = topology.consumer(&wanted.value) {
                self.consume(stream, consumer, wanted.span);
            }
        }
    }

    /// Who asks waits there.
    fn answers(&mut self, topology: &Topology, span: Span) {
        let reason = "answers go to who asks";
        add(&mut self.publish, format!("{INBOX}.>"), span, reason);
        for user in &topology.users {
            add(&mut self.publish, inbox(user), span, reason);
        }
        // Who asks from another account waits behind a subject that stands for it.
        if let Some(export) =
            topology.exports.iter().find(|export| export.passage == Passage::Service)
        {
            let reason = "answers go to who asks from another account";
            add(&mut self.publish, "_R_.>", export.subject.span, reason);
        }
    }

    fn consume(&mut self, stream: &Stream, consumer: &Consumer, span: Span) {
        let (name, config) = (&consumer.name.value, &consumer.config);
        let stream = &stream.name.value;
        let whole = format!("{stream}/{name}");
        self.call(format_args!("STREAM.INFO.{stream}"), span, format!("looks at `{whole}`"));
        let reason = format!("looks at `{whole}`");
        self.call(format_args!("CONSUMER.INFO.{stream}.{name}"), span, reason);
        let reason = format!("takes messages of `{whole}`");
        self.call(format_args!("CONSUMER.MSG.NEXT.{stream}.{name}"), span, reason);
        let reason = format!("acknowledges messages of `{whole}`");
        add(&mut self.publish, format!("$JS.ACK.{stream}.{name}.>"), span, reason);
        if let Some(dead_letter) = &consumer.dead_letter {
            let reason = format!("keeps dead letters of `{whole}`");
            add(&mut self.publish, letters(stream, name), dead_letter.span, reason);
        }
        if config.is_push() {
            let reason = format!("`{whole}` delivers there");
            let at = consumer.places.at("deliver_subject");
            add(&mut self.subscribe, &config.deliver_subject, at, reason);
            let reason = format!("says how far it is with `{whole}`");
            add(&mut self.publish, format!("$JS.FC.{stream}.{name}.>"), span, reason);
        }
    }

    /// What it takes to create a stream, a bucket or a consumer, and to see whether it is there. Older clients create
    /// durable consumers by a call of their own.
    fn ensure(&mut self, topology: &Topology, ensured: &Spanned<String>) {
        let (name, span) = (ensured.value.as_str(), ensured.span);
        let reason = format!("creates `{name}` if it is not there");
        let Some((stream, consumer)) = name.split_once('/') else {
            for stream in topology.named(name) {
                let stream = &stream.name.value;
                self.call(format_args!("STREAM.INFO.{stream}"), span, &*reason);
                self.call(format_args!("STREAM.CREATE.{stream}"), span, &*reason);
            }
            return;
        };
        self.call(format_args!("STREAM.INFO.{stream}"), span, &*reason);
        for call in ["INFO.*", "CREATE.*", "CREATE.*.>", "DURABLE.CREATE.*"] {
            let call = call.replacen('*', &format!("{stream}.{consumer}"), 1);
            self.call(format_args!("CONSUMER.{call}"), span, &*reason);
        }
    }

    /// What clients call to read a bucket: single values, and consumers of their own to list and watch.
    fn read(&mut self, bucket: &Stream, wanted: &Spanned<String>) {
        let stream = &bucket.name.value;
        let reason = format!("reads, lists and watches `{}`", wanted.value);
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
            self.call(call.replacen('*', stream, 1), wanted.span, &*reason);
        }
        for what in ["ACK", "FC"] {
            add(&mut self.publish, format!("$JS.{what}.{stream}.>"), wanted.span, &*reason);
        }
    }

    /// What clients call to write to a bucket. They look first at what is there: at the marker of a key that
    /// was deleted, to create it again, and at an object that is replaced or deleted, whose pieces they
    /// purge.
    fn write(&mut self, bucket: &Stream, wanted: &Spanned<String>) {
        let (name, span) = (&bucket.name.value, wanted.span);
        let writes = format!("writes to `{}`", wanted.value);
        let looks = format!("looks at what it replaces in `{}`", wanted.value);
        self.call(format_args!("STREAM.INFO.{name}"), span, &*looks);
        for own in &bucket.config.subjects {
            add(&mut self.publish, own, span, &*writes);
        }
        let is_store = bucket.kind == StreamKind::ObjectStore;
        let direct = bucket.config.allow_direct;
        if direct {
            // Of an object that is what is said about it; its pieces are read by a consumer.
            let subjects = bucket.config.subjects.iter();
            for own in subjects.filter(|own| !is_store || own.contains(".M.")) {
                self.call(format_args!("DIRECT.GET.{name}.{own}"), span, &*looks);
            }
        }
        // nats-py asks so of every object store.
        if is_store || !direct {
            self.call(format_args!("STREAM.MSG.GET.{name}"), span, &*looks);
        }
        if is_store {
            let reason = format!("removes the pieces of objects in `{}`", wanted.value);
            self.call(format_args!("STREAM.PURGE.{name}"), span, reason);
        }
    }
}

/// What a stream stores of what a service publishes, if it does: who ensures the stream or waits for it asks for it.
fn stored<'s>(stream: &Stream, service: &'s Service) -> Option<&'s Spanned<String>> {
    let subjects = || stream.config.subjects.iter();
    let mut published = service.publishes.iter();
    published.find(|one| subjects().any(|own| overlaps(own.as_bytes(), one.value.as_bytes())))
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
