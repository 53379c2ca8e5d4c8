//! Workers: a handler per durable consumer, and the loop around it that everybody writes and few get
//! right.
//!
//! ```no_run
//! # async fn example(topology: &watershed_topology::Topology) -> Result<(), Box<dyn std::error::Error>> {
//! use watershed_worker::{Assignment, ConsumerName, Delivery, Failure, Worker, json, stop_on_signals};
//!
//! #[derive(serde::Deserialize)]
//! struct Job { id: u64 }
//!
//! let resize = ConsumerName { stream: "JOBS".into(), consumer: "resize".into() };
//! let worker = Worker::new()
//!     .on(
//!         Assignment::of(topology, "resizer", &resize)?,
//!         json(|job: Job, delivery: Delivery| async move {
//!             println!("job {} for the {}. time", job.id, delivery.deliveries);
//!             Ok::<(), Failure>(())
//!         }),
//!     )
//!     .stop_on(stop_on_signals()?);
//! let options = watershed_worker::Options::default();
//! worker.start(&options, |cause| eprintln!("waiting: {cause}")).await?.run().await?;
//! # Ok(())
//! # }
//! ```
//!
//! While a handler runs, progress is acknowledged: `ack_wait` is about workers that have died, not about
//! slow ones. What a handler hands back comes again after the consumer's `backoff`, never at once. What
//! fails at its last delivery, what is rejected and what cannot be decoded is kept in the consumer's
//! `dead_letter` stream, acknowledged there, and only then taken from the consumer.
//!
//! Handlers that block a thread belong into `tokio::task::spawn_blocking`: progress is acknowledged on the
//! same threads.
//!
//! A message is handled at least once. That its effect happens once is up to the effect: the feature
//! `sqlite` has one way, `Once`.

mod assignment;
mod backoff;
mod command;
pub mod dead;
mod delivery;
mod held;
mod http;
mod keep;
mod letter;
pub mod limits;
mod metadata;
mod meter;
mod monitor;
#[cfg(feature = "sqlite")]
mod once;
mod outcome;
mod requests;
mod station;
mod take;
mod work;
mod worker;

pub use assignment::{Assignment, AssignmentError, Unfit};
pub use command::{EXIT_REJECT, EXIT_RETRY, Program};
pub use delivery::Delivery;
pub use http::{Endpoint, EndpointError};
pub use keep::{KeepError, keep};
pub use letter::{Letter, ORIGIN, RETRY_OF, Reason};
pub use meter::Counts;
pub use monitor::monitor;
#[cfg(feature = "sqlite")]
pub use once::{Effect, Once, OnceError};
pub use outcome::{Failure, Outcome};
pub use tokio_util::sync::CancellationToken;
pub use watershed_client::{Client, HeaderMap, Options};
pub use watershed_topology::model::ConsumerName;
pub use work::{Handling, Work, json, raw};
pub use worker::{Report, Running, Signals, Status, WorkError, Worker, stop_on_signals};
