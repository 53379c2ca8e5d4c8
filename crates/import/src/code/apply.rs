//! What programs declare, taken in after scripts and manifests: what both define is compared.

use serde_json::Value as Json;
use watershed_topology::diagnostic::{Diagnostic, Severity};
use watershed_topology::lower::Fields;
use watershed_topology::model::{Stream, StreamKind};
use watershed_topology::source::{SourceMap, Span, Spanned};
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::consumer::AckPolicy;

use super::declared::{ConsumerCall, Declared, Naming, Of, StreamCall, Verb, What};
use super::fields::{Taken, shown};
use super::machine::Module;
use super::services::Services;
use super::value::Value;
use crate::api::{made, made_bucket};
use crate::drift;
use crate::importer::Importer;
use crate::ledger;
use crate::word::{Arms, When, exclusive};

/// How long clients remember message ids of a bucket, in nanoseconds, unless its values go sooner.
const WINDOW: i64 = 120_000_000_000;

pub(super) struct Applier<'a> {
    pub(super) importer: &'a mut Importer,
    pub(super) sources: &'a SourceMap,
    pub(super) modules: &'a [Module],
    pub(super) services: Services,
}

impl Applier<'_> {
    /// Takes in everything that programs declare: streams first, so that consumers find theirs.
    pub(super) fn all(mut self, all: Vec<Declared>) {
        let rank = |one: &Declared| match &one.what {
            What::Said(_) => 0,
            What::Stream(call) if matches!(call.verb, Verb::Update | Verb::Change) => 2,
            What::Stream(_) => 1,
            What::Consumer(call) if call.binds => 4,
            What::Consumer(_) => 3,
            What::Reads(..) | What::Publishes(..) | What::Deletes(..) | What::Silent(..) => 5,
        };
        let mut all: Vec<(usize, Declared)> =
            all.into_iter().map(|one| (rank(&one), one)).collect();
        all.sort_by_key(|(rank, _)| *rank);
        for (_, one) in all {
            let (span, arms, library) = (one.span, one.arms, one.library);
            let Some(module) = self.modules.get(one.module) else { continue };
            match one.what {
                What::Said(found) => {
                    self.importer.recognized = true;
                    self.importer.findings.take_all([found]);
                }
                What::Stream(call) => self.stream(call, span, arms),
                What::Consumer(call) => {
                    let reads = call.push.is_some();
                    let made = self.consumer(call, span, arms, library);
                    if let (Some((stream, name)), true) = (made, reads) {
                        self.services.consumes(module, span, &stream, &name);
                    }
                }
                What::Deletes(name, whole) => self.deletes(&name, whole, span),
                What::Silent(stream, name) => self.silent(stream, name, span),
                What::Reads(stream, name) => {
                    self.services.consumes(module, span, &stream.value, &name.value);
                }
                What::Publishes(subject, waits) => {
                    self.services.publishes(self.importer, module, &subject, waits);
                }
            }
        }
        self.services.finish(self.importer);
    }

    /// Something that was not read, because its name or its stream is not known.
    fn nameless(&mut self, what: &str, value: Option<&Value>, span: Span) {
        let message = match value {
            Some(value) => {
                let shown = shown(self.sources, value.span);
                format!("{what} is `{shown}`, which is not known here: it was not read")
            }
            None => format!("{what} is missing: it was not read"),
        };
        self.importer.recognized = true;
        self.importer.incomplete = true;
        self.importer.findings.skipped(value.map_or(span, |value| value.span), message);
    }

    fn stream(&mut self, call: StreamCall, span: Span, arms: Arms) {
        let what = match call.kind {
            StreamKind::KeyValue => "the name of a bucket",
            StreamKind::ObjectStore => "the name of an object store",
            StreamKind::Stream | StreamKind::Elsewhere => "the name of a stream",
        };
        let Taken { fields, unread, lacks, findings } = call.taken;
        let name = match call.name {
            Naming::Known(name) => name,
            Naming::Computed(value) => {
                self.importer
                    .findings
                    .take_all(findings.into_iter().filter(|one| one.code != "I002"));
                return self.nameless(what, Some(&value), span);
            }
            Naming::Missing => return self.nameless(what, None, span),
        };
        self.importer.findings.take_all(findings);
        if call.verb == Verb::Change {
            let when = When { never: false, arms };
            ledger::edit_stream(self.importer, &when, name, fields, span, &unread);
            return;
        }
        let said: Vec<String> = fields.json.keys().cloned().collect();
        let stream = match call.kind {
            StreamKind::Stream | StreamKind::Elsewhere => made(self.importer, name, fields),
            kind => {
                let values = kind == StreamKind::KeyValue;
                let mut fields = fields;
                if values {
                    let age = fields.json.get("ttl").and_then(Json::as_i64).unwrap_or(0);
                    let window = if age > 0 { age.min(WINDOW) } else { WINDOW };
                    fields.json.entry("duplicate_window").or_insert(window.into());
                }
                made_bucket(self.importer, values, &name, fields)
            }
        };
        if call.verb == Verb::Update {
            self.update(&stream, &said, span);
        }
        if self.twice(&stream, &lacks, &said, call.verb, &arms) {
            return;
        }
        let when = When { never: false, arms };
        ledger::add_stream(self.importer, &when, stream, &unread, false);
    }

    /// Whether a stream is defined somewhere else too. Says by what the two differ.
    fn twice(
        &mut self,
        stream: &Stream,
        lacks: &[String],
        said: &[String],
        verb: Verb,
        arms: &Arms,
    ) -> bool {
        let name = &stream.name.value;
        let here = self.importer.tool.arms.get(name).is_some_and(|other| exclusive(other, arms));
        let Some(known) =
            self.importer.known(name).filter(|known| !known.is_placeholder() && !here)
        else {
            return false;
        };
        let mut differs = drift::streams(known, stream);
        differs.retain(|one| !lacks.contains(&one.field));
        // What an update takes back is said already.
        differs.retain(|one| verb != Verb::Update || said.contains(&one.field));
        if !differs.is_empty() {
            let how = drift::sentence(&differs);
            let message = format!("stream `{name}` is defined twice, and not alike: {how}");
            let found = Diagnostic::new("I005", Severity::Error, stream.name.span, message);
            let found = found.other(known.name.span, "first defined here");
            self.importer.findings.take_all([found]);
        }
        self.importer.recognized = true;
        true
    }

    /// Says what an update takes back that does not say all of a stream.
    fn update(&mut self, stream: &Stream, said: &[String], span: Span) {
        let Some(known) = self.importer.known(&stream.name.value) else { return };
        if known.is_placeholder() {
            return;
        }
        let lost: Vec<String> = drift::streams(known, stream)
            .into_iter()
            .filter(|one| !said.contains(&one.field))
            .map(|one| format!("`{}`", one.field))
            .collect();
        if lost.is_empty() {
            return;
        }
        let message = format!(
            "an update says all of a stream: {} of `{}`, not given here, go back to their defaults",
            lost.join(", "),
            stream.name.value
        );
        let found = Diagnostic::new("I021", Severity::Error, span, message);
        let found = found.other(known.name.span, "defined here");
        let fix = "read the configuration with `stream_info`, and change the fields that are meant";
        self.importer.findings.take_all([found.fix(fix)]);
    }

    /// Takes in a consumer. Returns its stream and its name, if they are known.
    fn consumer(
        &mut self,
        call: ConsumerCall,
        span: Span,
        arms: Arms,
        library: &'static str,
    ) -> Option<(String, String)> {
        let ConsumerCall { stream, name, taken, push, binds } = call;
        // A consumer that ends with its client is not an asset: nothing is missing.
        let stream = match (stream, &name) {
            (Of::Named(Naming::Computed(_)), Naming::Missing) => {
                self.importer.incomplete = true;
                return None;
            }
            (stream, _) => self.stream_of(stream, span)?,
        };
        let Taken { mut fields, unread, lacks, findings } = taken;
        let name = match name {
            Naming::Known(name) => name,
            Naming::Computed(value) => {
                self.leaks(&stream, &fields, &value);
                self.nameless("the name of a consumer", Some(&value), span);
                return None;
            }
            Naming::Missing => {
                self.ephemeral(&stream, &fields, span);
                return None;
            }
        };
        self.importer.findings.take_all(findings);
        let made_up = push == Some(true) && !fields.json.contains_key("deliver_subject");
        if made_up {
            fields.json.insert("deliver_subject".into(), format!("_INBOX.{}", name.value).into());
        }
        let both = (stream.clone(), name.value.clone());
        let known = self.importer.known(&stream).and_then(|known| known.consumer(&name.value));
        if known.is_some() {
            self.again(&stream, &name, &fields, &lacks, push, binds, span, library);
            return Some(both);
        }
        if made_up {
            self.services.delivered(span);
        }
        let when = When { never: false, arms };
        ledger::add_consumer(self.importer, &when, &stream, name, fields, &unread);
        Some(both)
    }

    /// The name of a consumer's stream.
    fn stream_of(&mut self, stream: Of, span: Span) -> Option<String> {
        let what = "the stream of a consumer";
        let subjects = match stream {
            Of::Named(Naming::Known(name)) => return Some(name.value),
            Of::Named(Naming::Computed(value)) => {
                self.nameless(what, Some(&value), span);
                return None;
            }
            Of::Named(Naming::Missing) => {
                self.nameless(what, None, span);
                return None;
            }
            Of::Storing(subjects) => subjects,
        };
        let found = self.storing(&subjects);
        if found.is_none() {
            let message = format!(
                "which stream stores `{}` is not known here: the consumer was not read",
                subjects.join("`, `")
            );
            self.importer.recognized = true;
            self.importer.incomplete = true;
            self.importer.findings.skipped(span, message);
        }
        found
    }

    /// Says that a program takes messages away. What it makes again after that is read as it is.
    fn deletes(&mut self, name: &Naming, whole: bool, span: Span) {
        let Naming::Known(name) = name else { return };
        let message = if whole {
            format!("this deletes `{}` with messages and consumers, whenever it runs", name.value)
        } else {
            format!("this empties `{}`, whenever it runs", name.value)
        };
        self.importer.recognized = true;
        self.importer.findings.deleted(span, message);
    }

    /// A handler that acknowledges nothing, on a consumer that wants every message acknowledged.
    fn silent(&mut self, stream: Of, name: Naming, span: Span) {
        let stream = match stream {
            Of::Named(Naming::Known(name)) => Some(name.value),
            Of::Named(_) => None,
            Of::Storing(subjects) => self.storing(&subjects),
        };
        let (Some(stream), Naming::Known(name)) = (stream, name) else { return };
        let consumer = self.importer.known(&stream).and_then(|known| known.consumer(&name.value));
        let Some(consumer) = consumer.filter(|one| one.config.ack_policy == AckPolicy::Explicit)
        else {
            return;
        };
        let message = format!(
            "the handler of `{stream}/{}` acknowledges nothing: every message comes again, until its attempts are over",
            name.value
        );
        let found = Diagnostic::new("I025", Severity::Error, span, message);
        let found = found.other(consumer.name.span, "wants acknowledgements");
        let fix = "acknowledge a message when it is done, or give the consumer `ack_policy: none`";
        self.importer.findings.take_all([found.fix(fix)]);
    }

    /// The one stream that stores all of these.
    fn storing(&self, subjects: &[String]) -> Option<String> {
        let mut fit = self
            .importer
            .streams
            .iter()
            .filter(|stream| subjects.iter().all(|subject| stream.stores(subject)));
        let first = fit.next()?;
        fit.next().is_none().then(|| first.name.value.clone())
    }

    /// A consumer whose name is made for something each time, and that nobody takes away.
    fn leaks(&mut self, stream: &str, fields: &Fields, name: &Value) {
        let part = matches!(name.what, super::value::What::Text(_, Some(_)));
        let stays = fields.json.get("inactive_threshold").and_then(Json::as_i64).unwrap_or(0) == 0;
        if !part || !stays {
            return;
        }
        let message = format!(
            "a durable consumer of `{stream}` for each name, and none of them ever goes: the server keeps them all"
        );
        let found = Diagnostic::new("I022", Severity::Warning, name.span, message);
        let found = found.fix("set `inactive_threshold`, or delete the consumer when it is done");
        self.importer.findings.take_all([found]);
    }

    /// A consumer that goes with its client.
    fn ephemeral(&mut self, stream: &str, fields: &Fields, span: Span) {
        self.importer.recognized = true;
        let policy = fields.json.get("deliver_policy").and_then(Json::as_str).unwrap_or("all");
        let acks = fields.json.get("ack_policy").and_then(Json::as_str) != Some("none");
        if !acks || matches!(policy, "last" | "last_per_subject" | "new") {
            return;
        }
        let message = format!(
            "a consumer of `{stream}` without a durable name: its position is lost with its client, which gets every message again"
        );
        let found = Diagnostic::new("I019", Severity::Warning, span, message);
        self.importer.findings.take_all([found.fix("give it a durable name")]);
    }

    /// A consumer that something else has declared too.
    fn again(
        &mut self,
        stream: &str,
        name: &Spanned<String>,
        fields: &Fields,
        lacks: &[String],
        push: Option<bool>,
        binds: bool,
        span: Span,
        library: &'static str,
    ) {
        let Some(known) = self.importer.known(stream).and_then(|known| known.consumer(&name.value))
        else {
            return;
        };
        let place = known.name.span;
        let pushed = !known.config.deliver_subject.is_empty();
        let filters: Vec<String> = known.filters().map(|(filter, _)| filter.to_owned()).collect();
        let mut json = fields.json.clone();
        json.insert("durable_name".into(), name.value.clone().into());
        let new = serde_json::from_value::<ConsumerConfig>(Json::Object(json));
        let mut new = new.unwrap_or_default();
        let own: Vec<String> = new.filters().iter().map(ToOwned::to_owned).collect();
        let found = if push.is_some_and(|push| push != pushed) {
            let (is, wants) =
                if pushed { ("push", "pulls from") } else { ("pull", "wants to be pushed to by") };
            let message = format!(
                "`{}` is a {is} consumer, and {library} {wants} it here: the call fails",
                name.value
            );
            let fix =
                if pushed { "subscribe to it" } else { "pull from it, as with `pull_subscribe`" };
            Diagnostic::new("I018", Severity::Error, span, message).fix(fix)
        } else if binds && own != filters {
            let message = format!(
                "`{stream}/{}` takes `{}`, and is used as it is: `{}` is not delivered here",
                name.value,
                filters.join("`, `"),
                own.join("`, `")
            );
            let fix = "a consumer of its own for each subject";
            Diagnostic::new("I020", Severity::Error, span, message).fix(fix)
        } else {
            new.deliver_subject.clone_from(&known.config.deliver_subject);
            let mut differs = drift::consumers(known, &new);
            differs.retain(|one| !lacks.contains(&one.field));
            // What is used as it is need not be said again.
            differs.retain(|one| !binds || fields.places.contains_key(&one.field));
            if differs.is_empty() {
                return;
            }
            let message = format!(
                "consumer `{stream}/{}` is defined twice, and not alike: {}",
                name.value,
                drift::sentence(&differs)
            );
            Diagnostic::new("I005", Severity::Warning, span, message)
        };
        self.importer.findings.take_all([found.other(place, "defined here")]);
    }
}
