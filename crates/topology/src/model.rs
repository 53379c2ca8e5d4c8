//! A topology: what the file says, typed, each part with the place where it is said.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use watershed_wire::jetstream::check::Bounds;
use watershed_wire::jetstream::stream::{PersistMode, StreamSource};
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig, check};
use watershed_wire::limits::ACKED_AHEAD_MAX;
use watershed_wire::subject::{contains, is_valid, overlaps};

use crate::dead_letter::{GIVEN_UP, letters, record};
use crate::diagnostic::Severity;
use crate::passage::{Export, Import, Passage};
use crate::source::{Span, Spanned};
use crate::version::Version;

/// Where the fields of something stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Where its name stands.
    pub name: Span,
    /// By path: `max_age`, `subjects.0`, `sources.1.filter_subject`.
    pub fields: BTreeMap<String, Span>,
}

impl Places {
    /// Where `field` is written, here or among the defaults.
    pub fn get(&self, field: &str) -> Option<Span> {
        self.fields.get(field).copied()
    }

    /// Where `field` is written, or what it belongs to: `sources.1.filter_subject` stands in
    /// `sources.1`, that in `sources`, that in what has the name.
    pub fn at(&self, field: &str) -> Span {
        let mut path = field;
        loop {
            match (self.get(path), path.rsplit_once('.')) {
                (Some(span), _) => return span,
                (None, Some((outer, _))) => path = outer,
                (None, None) => return self.name,
            }
        }
    }

    /// Where the `index`th entry of the list `field` is written.
    pub fn item(&self, field: &str, index: usize) -> Span {
        self.get(&format!("{field}.{index}")).unwrap_or_else(|| self.at(field))
    }
}

/// Everything that one file says.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// Name; marks what the topology owns on a server.
    pub name: Spanned<String>,
    /// Account, if not named as the topology.
    pub account: Option<Spanned<String>>,
    /// Streams, in their order.
    pub streams: Vec<Stream>,
    /// Who publishes and who consumes.
    pub services: Vec<Service>,
    /// Who may connect.
    pub users: Vec<User>,
    /// What other accounts may import.
    pub exports: Vec<Export>,
    /// What is taken from other accounts.
    pub imports: Vec<Import>,
    /// Subjects that become others when something is published to them.
    pub mappings: Vec<Mapping>,
    /// What the server is to be.
    pub server: ServerSettings,
    /// How it is to be judged.
    pub lint: LintSettings,
    /// Where the file holds secrets that it should not, or hashes of them.
    pub secrets: Vec<Span>,
}

/// How a topology is to be judged.
#[derive(Debug, Clone, Default)]
pub struct LintSettings {
    /// Version of the server that it is for.
    pub target_version: Option<Version>,
    /// Severity of rules by code, where it is not their own; `None` for a rule that is off.
    pub levels: BTreeMap<String, Option<Severity>>,
    /// What names are to look like, by what they are names of: a key of [`NAMES`](crate::schema::NAMES).
    pub names: BTreeMap<String, Convention>,
}

/// What names are to look like.
#[derive(Debug, Clone)]
pub struct Convention {
    /// A regular expression, as it is written.
    pub pattern: Spanned<String>,
    /// The same; it takes whole names.
    pub whole: regex_lite::Regex,
}

/// What a stream was declared as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StreamKind {
    /// A stream.
    #[default]
    Stream,
    /// A key-value bucket.
    KeyValue,
    /// An object store.
    ObjectStore,
    /// A stream that is declared elsewhere: only consumers of it are here.
    Elsewhere,
}

/// A stream with its consumers.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// Name on the server: a bucket's has a prefix.
    pub name: Spanned<String>,
    /// What it was declared as.
    pub kind: StreamKind,
    /// Whether no flag may delete it.
    pub protect: bool,
    /// Name that it had before.
    pub was: Option<Spanned<String>>,
    /// Subject on which a message may be stored to see whether it works.
    pub probe: Option<Spanned<String>>,
    /// What it is to be, every field filled in as a server does.
    pub config: StreamConfig,
    /// Where that is said.
    pub places: Places,
    /// Consumers, in their order.
    pub consumers: Vec<Consumer>,
}

/// A durable consumer.
#[derive(Debug, Clone, Default)]
pub struct Consumer {
    /// Name.
    pub name: Spanned<String>,
    /// The ack wait as it was written, before a `backoff` replaced it; in nanoseconds.
    pub ack_wait: Option<i64>,
    /// Whether no flag may delete it.
    pub protect: bool,
    /// Stream that keeps what is given up.
    pub dead_letter: Option<Spanned<String>>,
    /// What it is to be, every field filled in as a server does.
    pub config: ConsumerConfig,
    /// Where that is said.
    pub places: Places,
}

/// A consumer as services name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerName {
    /// Stream.
    pub stream: String,
    /// Consumer.
    pub consumer: String,
}

impl ConsumerName {
    /// Reads `STREAM/CONSUMER`.
    pub fn parse(text: &str) -> Option<Self> {
        let (stream, consumer) = text.split_once('/')?;
        Some(Self { stream: stream.to_owned(), consumer: consumer.to_owned() })
    }
}

impl std::fmt::Display for ConsumerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.stream, self.consumer)
    }
}

/// A program that publishes and consumes.
#[derive(Debug, Clone, Default)]
pub struct Service {
    /// Name.
    pub name: Spanned<String>,
    /// Subjects that it publishes.
    pub publishes: Vec<Spanned<String>>,
    /// Subjects that it asks on.
    pub requests: Vec<Spanned<String>>,
    /// Subjects that it answers requests on.
    pub replies: Vec<Spanned<String>>,
    /// Consumers that it reads.
    pub consumes: Vec<Spanned<ConsumerName>>,
    /// Buckets and object stores that it reads.
    pub reads: Vec<Spanned<String>>,
    /// Buckets and object stores that it writes to.
    pub writes: Vec<Spanned<String>>,
    /// What it creates where that is not there: streams, buckets, object stores, consumers as STREAM/consumer.
    pub ensures: Vec<Spanned<String>>,
    /// How many of it run.
    pub replicas: Spanned<u64>,
    /// Longest time that it works on a message, in nanoseconds.
    pub handler_timeout: Option<Spanned<i64>>,
    /// Messages that each of it works on at once.
    pub concurrency: Option<Spanned<u64>>,
    /// Whether it may get a message twice.
    pub idempotent: Option<Spanned<bool>>,
    /// What handles the messages of consumers that it reads.
    pub handlers: Vec<Handler>,
    /// The program that it is, with arguments; empty if that is not said. It runs in the folder of the file.
    pub command: Vec<String>,
}

/// What handles the messages of a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler {
    /// The consumer.
    pub consumer: Spanned<ConsumerName>,
    /// What is run.
    pub runs: Runs,
}

/// What is run for each message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runs {
    /// A program with its arguments, the payload as its input.
    Command(Vec<String>),
    /// A POST of the payload to this URL.
    Http(String),
}

impl Service {
    /// What handles the messages of a consumer, if `watershed work` does.
    pub fn handler(&self, consumer: &ConsumerName) -> Option<&Handler> {
        self.handlers.iter().find(|handler| handler.consumer.value == *consumer)
    }

    /// Messages that all of it work on at once.
    pub fn workers(&self) -> u64 {
        let each = self.concurrency.as_ref().map_or(1, |each| each.value);
        each.saturating_mul(self.replicas.value)
    }
}

/// Somebody who may connect.
#[derive(Debug, Clone)]
pub struct User {
    /// Name.
    pub name: Spanned<String>,
    /// Where the password is, if that is said.
    pub password: Option<Secret>,
    /// Public key that they sign with, instead of a name and a password.
    pub nkey: Option<Spanned<String>>,
    /// Ways in which they may connect, in the words of nats.conf; empty for every one.
    pub allowed_connection_types: Vec<Spanned<String>>,
    /// What they may do.
    pub access: Access,
    /// What they may do besides, and what not whatever else is said.
    pub permissions: Grant,
    /// What the subjects begin with on which they wait for answers, if nobody else may listen there.
    pub inbox_prefix: Option<Spanned<String>>,
}

/// Permissions that a file lists itself, in the words of nats.conf.
#[derive(Debug, Clone, Default)]
pub struct Grant {
    /// For publishing.
    pub publish: Granted,
    /// For subscribing.
    pub subscribe: Granted,
    /// Whether they may answer what they receive, wherever the answer goes.
    pub responses: Option<Spanned<Responses>>,
}

/// Answers that a user may publish who may not publish there otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Responses {
    /// Most answers to one message, -1 for any number; one if it is not said.
    pub max: Option<i64>,
    /// Time in which they may come, in nanoseconds; two minutes if it is not said.
    pub expires: Option<i64>,
}

/// A subject that becomes another one when something is published to it. Several of one subject share its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// What is published to.
    pub subject: Spanned<String>,
    /// What that becomes.
    pub to: Spanned<String>,
    /// Percent of the messages; all if it is not said.
    pub weight: Option<u64>,
    /// Cluster in which it is so; in each if it is not said.
    pub cluster: Option<String>,
}

/// Filters that are allowed and denied.
#[derive(Debug, Clone, Default)]
pub struct Granted {
    /// What is allowed; `None` where nothing is said.
    pub allow: Option<Vec<Spanned<String>>>,
    /// What is denied, whatever is allowed.
    pub deny: Vec<Spanned<String>>,
}

impl Granted {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.allow.is_none() && self.deny.is_empty()
    }

    /// All filters.
    pub fn filters(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.allow.iter().flatten().chain(&self.deny)
    }
}

/// Where a secret is. Never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In this environment variable.
    Env(String),
    /// In this file, relative to the topology's.
    File(String),
    /// A bcrypt hash of it.
    Bcrypt(String),
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Bcrypt(_) => f.write_str("bcrypt hash"),
        }
    }
}

/// What a user may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everything in the account.
    Admin,
    /// What this service does.
    Service(Spanned<String>),
    /// What [`User::permissions`] say.
    Listed,
    /// Everything about the server, and nothing in the account: it is a user of the system account.
    System,
}

/// What the server is to be.
#[derive(Debug, Clone, Default)]
pub struct ServerSettings {
    /// Address for clients.
    pub listen: Option<Spanned<SocketAddr>>,
    /// Address for monitoring.
    pub http: Option<Spanned<SocketAddr>>,
    /// Longest message.
    pub max_payload: Option<Spanned<u64>>,
    /// The user that somebody is who shows no credentials.
    pub no_auth_user: Option<Spanned<String>>,
    /// Where the token is that everybody shows who may connect.
    pub token: Option<Spanned<Secret>>,
    /// Certificates for clients.
    pub tls: Option<Spanned<Tls>>,
    /// Domain of JetStream.
    pub domain: Option<Spanned<String>>,
    /// Folder of the streams, as written.
    pub store_dir: Option<Spanned<String>>,
    /// Most bytes on disk.
    pub max_file_store: Option<Spanned<u64>>,
    /// Most bytes in memory.
    pub max_memory_store: Option<Spanned<u64>>,
    /// Bounds of the account.
    pub account: Bounds,
    /// Bounds of the server, for every account.
    pub limits: Bounds,
    /// Streams and consumers with copies that a server may hold.
    pub max_ha_assets: Option<u64>,
    /// Where the bounds are written: `max_streams`, `limits.max_request_batch`.
    pub places: Places,
}

/// Certificates, by the files that they are in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificate of the server.
    pub cert_file: Option<String>,
    /// Its key.
    pub key_file: Option<String>,
    /// Certificates of who signs those of clients.
    pub ca_file: Option<String>,
    /// Whether clients must show a certificate.
    pub verify: bool,
}

impl ServerSettings {
    /// What streams and consumers are held to.
    pub fn bounds(&self) -> Bounds {
        self.account.and(self.limits)
    }

    /// Where the bound of `field` is written: the account's, or the server's.
    pub fn bound_at(&self, field: &str) -> Option<Span> {
        self.places.get(field).or_else(|| self.places.get(&format!("limits.{field}")))
    }
}

impl Topology {
    /// The account that this topology lives in, where there is a choice.
    pub fn account_name(&self) -> &str {
        self.account.as_ref().map_or(&self.name.value, |account| &account.value)
    }

    /// The stream with this name.
    pub fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.name.value == name)
    }

    /// The service with this name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name.value == name)
    }

    /// The buckets and object stores that a service means by a name.
    pub fn buckets<'t>(&'t self, name: &'t str) -> impl Iterator<Item = &'t Stream> {
        self.streams.iter().filter(move |stream| stream.bucket() == Some(name))
    }

    /// The stream of this name, or the buckets and object stores.
    pub fn named<'t>(&'t self, name: &'t str) -> impl Iterator<Item = &'t Stream> {
        let is = move |stream: &&Stream| stream.name.value == name || stream.bucket() == Some(name);
        self.streams.iter().filter(is)
    }

    /// The consumer that a service names.
    pub fn consumer(&self, name: &ConsumerName) -> Option<(&Stream, &Consumer)> {
        let stream = self.stream(&name.stream)?;
        Some((stream, stream.consumer(&name.consumer)?))
    }

    /// Valid subjects that services publish, with who does.
    pub fn published(&self) -> impl Iterator<Item = (&Service, &Spanned<String>)> {
        let all = self
            .services
            .iter()
            .flat_map(|service| service.publishes.iter().map(move |subject| (service, subject)));
        all.filter(|(_, subject)| is_valid(subject.value.as_bytes()))
    }

    /// Valid filters of what arrives in the account: what its services publish, what it imports, and
    /// what its workers give up.
    pub fn arrives(&self) -> Vec<String> {
        let dead = self.dead_letters().flat_map(|(stream, consumer, _)| {
            let (stream, consumer) = (&stream.name.value, &consumer.name.value);
            let records = GIVEN_UP.map(|what| record(what, stream, consumer));
            records.into_iter().chain([letters(stream, consumer)])
        });
        let dead = dead.filter(|filter| is_valid(filter.as_bytes()));
        let published = self.published().map(|(_, subject)| subject.value.clone());
        let imported = self.imports.iter().filter(|import| import.passage == Passage::Stream);
        published.chain(imported.filter_map(Import::local)).chain(dead).collect()
    }

    /// All consumers with their streams.
    pub fn consumers(&self) -> impl Iterator<Item = (&Stream, &Consumer)> {
        let of = |stream| move |consumer| (stream, consumer);
        self.streams.iter().flat_map(move |stream| stream.consumers.iter().map(of(stream)))
    }

    /// Streams by name, for whoever looks up many.
    pub(crate) fn by_name(&self) -> BTreeMap<&str, &Stream> {
        self.streams.iter().map(|stream| (stream.name.value.as_str(), stream)).collect()
    }

    /// Consumers that say where what they give up is kept, and where that is said.
    pub(crate) fn dead_letters(
        &self,
    ) -> impl Iterator<Item = (&Stream, &Consumer, &Spanned<String>)> {
        let said = |(stream, consumer)| {
            let consumer: &Consumer = consumer;
            Some((stream, consumer, consumer.dead_letter.as_ref()?))
        };
        self.consumers().filter_map(said)
    }

    /// The topology as the embedded server runs it: one copy, which clients do not notice. Also what a
    /// person should know about that.
    pub fn embedded(self) -> (Self, Vec<String>) {
        let number =
            |fits: fn(&Stream) -> bool| self.streams.iter().filter(|one| fits(one)).count();
        let streams = |number: usize| match number {
            1 => "1 stream".to_owned(),
            number => format!("{number} streams"),
        };
        let copied = number(|stream| stream.config.num_replicas > 1);
        let ahead = number(|stream| stream.config.persist_mode == PersistMode::Async);
        let mut notes = Vec::new();
        let mut embedded = self;
        if copied > 0 {
            notes.push(format!("running {} with 1 replica: not a cluster", streams(copied)));
            embedded = embedded.with_replicas(1);
        }
        if ahead > 0 {
            let millis = ACKED_AHEAD_MAX.as_millis();
            notes.push(format!(
                "acknowledging publishes to {} before they are on disk (`persist_mode: async`): a power cut \
                 or a kill takes up to the last {millis} ms of them",
                streams(ahead)
            ));
        }
        (embedded, notes)
    }

    /// The same topology with this many copies of everything.
    pub fn with_replicas(mut self, replicas: i64) -> Self {
        for stream in &mut self.streams {
            stream.config.num_replicas = replicas;
            for consumer in &mut stream.consumers {
                consumer.config.num_replicas = 0;
            }
        }
        self
    }
}

impl Consumer {
    /// The valid filters, and where they stand.
    pub fn filters(&self) -> impl Iterator<Item = (&str, Span)> {
        let all = self.config.filters().iter().enumerate();
        let valid = all.filter(|(_, filter)| is_valid(filter.as_bytes()));
        valid.map(|(index, filter)| (filter.as_str(), self.filter_place(index)))
    }

    /// Where the `index`th filter stands, however it was given.
    pub fn filter_place(&self, index: usize) -> Span {
        let single = self.places.get("filter_subject");
        single.unwrap_or_else(|| self.places.item("filter_subjects", index))
    }
}

impl Stream {
    /// A stream that is only known by its name.
    pub fn placeholder(name: &str, span: Span) -> Self {
        let config = StreamConfig { name: name.to_owned(), ..StreamConfig::default() };
        let places = Places { name: span, ..Places::default() };
        let name = Spanned::new(name.to_owned(), span);
        Self { name, kind: StreamKind::Elsewhere, config, places, ..Self::default() }
    }

    /// Its name as a bucket or an object store, if it is one.
    pub fn bucket(&self) -> Option<&str> {
        match self.kind {
            StreamKind::KeyValue => self.name.value.strip_prefix("KV_"),
            StreamKind::ObjectStore => self.name.value.strip_prefix("OBJ_"),
            StreamKind::Stream | StreamKind::Elsewhere => None,
        }
    }

    /// Whether it is only known by its name.
    pub fn is_placeholder(&self) -> bool {
        self.kind == StreamKind::Elsewhere
    }

    /// Whether its own subjects take some of what a valid filter does.
    pub fn stores(&self, filter: &str) -> bool {
        let mut own = self.config.subjects.iter().filter(|own| is_valid(own.as_bytes()));
        own.any(|own| overlaps(own.as_bytes(), filter.as_bytes()))
    }

    /// Lets it store these subjects too, each of which is said somewhere.
    pub(crate) fn also_store(&mut self, others: impl IntoIterator<Item = (String, Span)>) {
        let subjects = &mut self.config.subjects;
        // Its own name was taken for a subject because there was no other.
        if self.places.get("subjects").is_none() && *subjects == [self.name.value.as_str()] {
            subjects.clear();
        }
        let own = subjects.clone();
        let own: Vec<_> = own.iter().filter(|own| is_valid(own.as_bytes())).collect();
        for (other, span) in others {
            if !own.iter().any(|own| contains(own.as_bytes(), other.as_bytes())) {
                self.places.fields.insert(format!("subjects.{}", subjects.len()), span);
                subjects.push(other);
            }
        }
    }

    /// What it mirrors and sources, and where the name of each stands.
    pub fn origins(&self) -> impl Iterator<Item = (&StreamSource, Span)> {
        let mirror = self.config.mirror.iter().map(|one| (one, self.places.at("mirror.name")));
        let sources = self.config.sources.iter().enumerate();
        let sources =
            sources.map(|(index, one)| (one, self.places.at(&format!("sources.{index}.name"))));
        mirror.chain(sources)
    }

    /// The consumer with this name.
    pub fn consumer(&self, name: &str) -> Option<&Consumer> {
        self.consumers.iter().find(|consumer| consumer.name.value == name)
    }

    /// Fills in what absent fields mean, here and in the consumers.
    pub fn fill(&mut self, bounds: &Bounds) {
        if !self.is_placeholder() {
            check::fill_stream(&mut self.config, bounds);
        }
        for consumer in &mut self.consumers {
            check::fill_consumer(&mut consumer.config, &self.config, bounds);
        }
    }
}
