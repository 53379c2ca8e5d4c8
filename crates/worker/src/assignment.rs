//! A consumer to work on: what is declared about it, and what the server has.

use std::time::Duration;

use thiserror::Error;
use watershed_client::Client;
use watershed_topology::call::{CallError, Request, answer};
use watershed_topology::dead_letter;
use watershed_topology::model::{ConsumerName, Service, Topology};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::change::consumer_changes;
use watershed_wire::jetstream::consumer::{AckPolicy, ConsumerInfo};
use watershed_wire::jetstream::stream::StreamInfo;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};

use crate::limits::{HANDLER_TIMEOUT, HELD_MAX};

/// Fields of a consumer that a worker relies on.
const RELIED_ON: [&str; 10] = [
    "ack_policy",
    "ack_wait",
    "backoff",
    "deliver_group",
    "deliver_subject",
    "filter_subject",
    "filter_subjects",
    "headers_only",
    "max_deliver",
    "priority_groups",
];

/// A consumer to work on.
#[derive(Debug, Clone)]
pub struct Assignment {
    pub(crate) name: ConsumerName,
    /// What it is to be; `None` for whatever it is.
    declared: Option<Declared>,
    /// Messages that are handled at once.
    pub(crate) concurrency: u64,
    /// Longest time that a message is handled.
    pub(crate) timeout: Duration,
    /// Messages that are fetched ahead; `None` for as many as handlers are quick for.
    pub(crate) ahead: Option<u64>,
}

#[derive(Debug, Clone)]
struct Declared {
    config: ConsumerConfig,
    dead_letter: Option<String>,
}

/// What is declared cannot be worked on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AssignmentError {
    /// The topology is without such a service.
    #[error("unknown service `{0}`: declare it under `services`")]
    Service(String),
    /// The topology is without such a consumer.
    #[error("unknown consumer `{0}`: declare it under its stream's `consumers`")]
    Consumer(ConsumerName),
    /// The service does not read it.
    #[error("`{service}` does not consume `{consumer}`: add it to `consumes`")]
    NotConsumed {
        /// Service.
        service: String,
        /// Consumer.
        consumer: ConsumerName,
    },
}

/// Why a consumer cannot be worked on as it is on the server.
#[derive(Debug, Error)]
pub enum Unfit {
    /// The server was asked in vain.
    #[error(transparent)]
    Call(#[from] CallError),
    /// There is nothing to work on.
    #[error("the server is without {what} `{name}`: run `watershed apply`")]
    Missing {
        /// `the stream`, `the consumer`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// It is not what is declared.
    #[error("{consumer} is not what the file says ({}): run `watershed apply`", .fields.join(", "))]
    Differs {
        /// Consumer.
        consumer: ConsumerName,
        /// Fields that differ.
        fields: Vec<&'static str>,
    },
    /// Workers do not work on such consumers.
    #[error("{consumer} cannot be worked on: {why}")]
    Unsupported {
        /// Consumer.
        consumer: ConsumerName,
        /// What it has that workers cannot deal with.
        why: &'static str,
    },
    /// What is given up would go nowhere.
    #[error("dead letters of {consumer} are to be kept in `{wanted}`, which {}: run `watershed apply`",
        .found.as_ref().map_or("does not store them".to_owned(), |found| format!("leaves them to `{found}`")))]
    DeadLetters {
        /// Consumer.
        consumer: ConsumerName,
        /// Stream that is declared.
        wanted: String,
        /// Stream that would store them.
        found: Option<String>,
    },
}

impl Unfit {
    /// Whether it may be otherwise soon: the server or its JetStream is away, or it is being changed.
    pub fn passes(&self) -> bool {
        match self {
            Self::Call(error) => error.is_unavailable() || error.passes(),
            Self::Missing { .. } => true,
            _ => false,
        }
    }
}

/// A consumer as it is on the server.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) config: ConsumerConfig,
    /// When the stream was created, nanoseconds since 1970.
    pub(crate) created: i64,
    /// Stream that keeps dead letters.
    pub(crate) dead_letter: Option<String>,
}

impl Place {
    pub(crate) fn max_deliver(&self) -> Option<u64> {
        u64::try_from(self.config.max_deliver).ok().filter(|most| *most > 0)
    }
}

impl Assignment {
    /// A consumer as the topology declares it for one of its services.
    pub fn of(
        topology: &Topology,
        service: &str,
        consumer: &ConsumerName,
    ) -> Result<Self, AssignmentError> {
        let found = topology.service(service);
        let service = found.ok_or_else(|| AssignmentError::Service(service.to_owned()))?;
        if !service.consumes.iter().any(|read| read.value == *consumer) {
            let service = service.name.value.clone();
            return Err(AssignmentError::NotConsumed { service, consumer: consumer.clone() });
        }
        Ok(Self::declared(topology, consumer)?.with_service(service))
    }

    /// A consumer as the topology declares it.
    pub fn declared(topology: &Topology, consumer: &ConsumerName) -> Result<Self, AssignmentError> {
        let found = topology.consumer(consumer);
        let (_, wanted) = found.ok_or_else(|| AssignmentError::Consumer(consumer.clone()))?;
        let dead_letter = wanted.dead_letter.as_ref().map(|target| target.value.clone());
        let declared = Declared { config: wanted.config.clone(), dead_letter };
        Ok(Self { declared: Some(declared), ..Self::live(consumer) })
    }

    /// A consumer as the server has it.
    pub fn live(consumer: &ConsumerName) -> Self {
        Self {
            name: consumer.clone(),
            declared: None,
            concurrency: 1,
            timeout: HANDLER_TIMEOUT,
            ahead: None,
        }
    }

    fn with_service(mut self, service: &Service) -> Self {
        if let Some(number) = &service.concurrency {
            self = self.concurrency(number.value);
        }
        if let Some(nanos) = service.handler_timeout.as_ref().map(|limit| limit.value)
            && let Ok(nanos) = u64::try_from(nanos)
        {
            self.timeout = Duration::from_nanos(nanos);
        }
        self
    }

    /// Handles this many messages at once: 1 to [`HELD_MAX`].
    pub fn concurrency(mut self, messages: u64) -> Self {
        self.concurrency = messages.clamp(1, HELD_MAX);
        self
    }

    /// Lets a handler work on a message for this long.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// The consumer.
    pub fn name(&self) -> &ConsumerName {
        &self.name
    }

    /// How long a handler may work on a message.
    pub fn handler_timeout(&self) -> Duration {
        self.timeout
    }

    /// Fetches this many messages beyond those that are handled. By default as many as are handled within
    /// [`AHEAD`](crate::limits::AHEAD), and none where handlers take longer.
    pub fn ahead(mut self, messages: u64) -> Self {
        self.ahead = Some(messages.min(HELD_MAX));
        self
    }

    /// Looks at what the server has, and refuses what cannot be worked on.
    pub(crate) async fn look(&self, client: &Client) -> Result<Place, Unfit> {
        let ConsumerName { stream, consumer } = &self.name;
        let missing = |what, name: &dyn std::fmt::Display| {
            let name = name.to_string();
            move |error: CallError| {
                if error.is_absence() { Unfit::Missing { what, name } } else { Unfit::Call(error) }
            }
        };
        let reply = client.call(&Request::bare(Call::StreamInfo(stream))).await?;
        let there: StreamInfo = answer(&reply).map_err(missing("the stream", stream))?;
        let call = Call::ConsumerInfo { stream, consumer };
        let reply = client.call(&Request::bare(call)).await?;
        let info: ConsumerInfo = answer(&reply).map_err(missing("the consumer", &self.name))?;
        self.fits(&info.config, &there.config)?;
        let found = client.stream_of(&dead_letter::letter(stream, consumer, 0, 0)).await?;
        let wanted = self.declared.as_ref().and_then(|declared| declared.dead_letter.as_ref());
        if let Some(wanted) = wanted
            && found.as_ref() != Some(wanted)
        {
            let (consumer, wanted) = (self.name.clone(), wanted.clone());
            return Err(Unfit::DeadLetters { consumer, wanted, found });
        }
        if info.config.headers_only && found.is_some() {
            return Err(self.unsupported("`headers_only` leaves nothing for a dead letter to keep"));
        }
        Ok(Place { config: info.config, created: there.created.0, dead_letter: found })
    }

    fn unsupported(&self, why: &'static str) -> Unfit {
        Unfit::Unsupported { consumer: self.name.clone(), why }
    }

    fn fits(&self, live: &ConsumerConfig, stream: &StreamConfig) -> Result<(), Unfit> {
        if live.ack_policy != AckPolicy::Explicit {
            return Err(
                self.unsupported("workers acknowledge each message: `ack_policy: explicit`")
            );
        }
        if !live.priority_groups.is_empty() {
            return Err(self.unsupported("`priority_groups` are not supported"));
        }
        let Some(declared) = &self.declared else { return Ok(()) };
        let filled = |config: &ConsumerConfig| {
            let mut config = config.clone();
            watershed_wire::jetstream::check::fill_consumer(
                &mut config,
                stream,
                &watershed_wire::jetstream::check::Bounds::default(),
            );
            if let [only] = config.filter_subjects.as_slice()
                && config.filter_subject.is_empty()
            {
                config.filter_subject = only.clone();
                config.filter_subjects.clear();
            }
            config
        };
        let changes = consumer_changes(&filled(live), &filled(&declared.config)).into_iter();
        let fields: Vec<_> =
            changes.map(|(field, _)| field).filter(|field| RELIED_ON.contains(field)).collect();
        if fields.is_empty() {
            return Ok(());
        }
        Err(Unfit::Differs { consumer: self.name.clone(), fields })
    }
}
