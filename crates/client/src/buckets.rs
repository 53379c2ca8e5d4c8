//! Buckets and object stores. The client library knows how they lie in streams.

use std::pin::pin;

use async_nats::jetstream::{Context, kv, object_store};
use futures_util::TryStreamExt as _;
use futures_util::future::{Either, select};
use thiserror::Error;
use watershed_topology::call::{CallError, Request, check};
use watershed_topology::lock;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::error::table;

use crate::client::Client;

/// Names of the streams behind buckets begin with this, and those behind object stores.
const KEY_VALUES: &str = "KV_";
const OBJECTS: &str = "OBJ_";

/// Why a bucket or an object store cannot be used.
#[derive(Debug, Error)]
pub enum BucketError {
    /// No bucket can be called that.
    #[error("invalid name `{0}` of a bucket: it has letters, digits, `-` and `_`")]
    Name(String),
    /// There is none. Holds those that there are.
    #[error("{}", unknown(.name, .known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is, as far as the server tells.
        known: Vec<String>,
    },
    /// The server did not answer as it should.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Most names that are listed in an error.
const LISTED_MAX: usize = 10;

fn unknown(name: &str, known: &[String]) -> String {
    let more = if known.len() > LISTED_MAX { ", …" } else { "" };
    let known: Vec<&str> = known.iter().take(LISTED_MAX).map(String::as_str).collect();
    if known.is_empty() {
        format!("unknown bucket `{name}`: the account has none of this kind")
    } else {
        format!("unknown bucket `{name}`: there are {}{more}", known.join(", "))
    }
}

/// A bucket or an object store, by what its stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Name.
    pub name: String,
    /// Messages of its stream.
    pub messages: u64,
    /// Bytes of its stream.
    pub bytes: u64,
}

impl Client {
    /// A key-value bucket.
    pub async fn key_values(&self, bucket: &str) -> Result<kv::Store, BucketError> {
        self.look(KEY_VALUES, bucket).await?;
        let found = self.unless_denied(self.context().get_key_value(bucket)).await?;
        found.map_err(|error| CallError::Connection(error.to_string()).into())
    }

    /// An object store.
    pub async fn objects(&self, bucket: &str) -> Result<object_store::ObjectStore, BucketError> {
        self.look(OBJECTS, bucket).await?;
        let found = self.unless_denied(self.context().get_object_store(bucket)).await?;
        found.map_err(|error| CallError::Connection(error.to_string()).into())
    }

    /// The key-value buckets of the account.
    pub async fn all_key_values(&self) -> Result<Vec<Held>, CallError> {
        self.held(KEY_VALUES).await
    }

    /// The object stores of the account.
    pub async fn all_objects(&self) -> Result<Vec<Held>, CallError> {
        self.held(OBJECTS).await
    }

    /// What `task` comes to, or what the server did not allow while it went on: a request that is not allowed is
    /// never answered.
    pub async fn unless_denied<T>(&self, task: impl Future<Output = T>) -> Result<T, CallError> {
        let mark = self.denials().mark();
        match select(pin!(task), pin!(self.denials().wait(mark, |_| true))).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right((denied, _)) => Err(denied.into()),
        }
    }

    fn context(&self) -> Context {
        let mut context = async_nats::jetstream::new(self.nats().clone());
        context.set_timeout(self.timeout());
        context
    }

    /// Whether a bucket is there. Clients ask the same before they use one.
    async fn look(&self, prefix: &str, bucket: &str) -> Result<(), BucketError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if bucket.is_empty() || !bucket.chars().all(fits) {
            return Err(BucketError::Name(bucket.to_owned()));
        }
        let reply =
            self.call(&Request::bare(Call::StreamInfo(&format!("{prefix}{bucket}")))).await?;
        match check(&reply) {
            Err(CallError::Refused(error)) if error.err_code == table::STREAM_NOT_FOUND.code => {
                let known = self.held(prefix).await.unwrap_or_default();
                let known = known.into_iter().map(|held| held.name).collect();
                Err(BucketError::Unknown { name: bucket.to_owned(), known })
            }
            other => Ok(other?),
        }
    }

    async fn held(&self, prefix: &str) -> Result<Vec<Held>, CallError> {
        let all = self.context().streams().try_filter_map(async |stream| {
            let name = &stream.config.name;
            // What runs keep there is nobody's bucket.
            let own = name.strip_prefix(prefix).filter(|_| name != lock::STREAM);
            Ok(own.map(|own| Held {
                name: own.to_owned(),
                messages: stream.state.messages,
                bytes: stream.state.bytes,
            }))
        });
        let all = self.unless_denied(all.try_collect::<Vec<_>>()).await?;
        let mut all = all.map_err(|error| CallError::Connection(error.to_string()))?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }
}
