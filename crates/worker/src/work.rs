//! What is done with messages.

use std::future::Future;
use std::pin::Pin;

use serde::de::DeserializeOwned;

use crate::delivery::Delivery;
use crate::outcome::Outcome;

/// What a handler is on its way to.
pub type Handling = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Handles messages, several at once.
pub trait Work: Send + Sync + 'static {
    /// Handles a message. When the worker gives it no more time, this is dropped.
    fn handle(&self, delivery: Delivery) -> Handling;
}

struct Function<F>(F);

impl<F: Fn(Delivery) -> Handling + Send + Sync + 'static> Work for Function<F> {
    fn handle(&self, delivery: Delivery) -> Handling {
        (self.0)(delivery)
    }
}

/// Handles messages as they are by an async function.
pub fn raw<F, Fut, O>(function: F) -> impl Work
where
    F: Fn(Delivery) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = O> + Send + 'static,
    O: Into<Outcome>,
{
    Function(move |delivery: Delivery| -> Handling {
        let handling = function(delivery);
        Box::pin(async { handling.await.into() })
    })
}

/// Handles what the JSON in the payload says by an async function. Other payloads are rejected:
/// they are the same next time.
pub fn json<T, F, Fut, O>(function: F) -> impl Work
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(T, Delivery) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = O> + Send + 'static,
    O: Into<Outcome>,
{
    Function(move |delivery: Delivery| -> Handling {
        match serde_json::from_slice(&delivery.payload) {
            Ok(value) => {
                let handling = function(value, delivery);
                Box::pin(async { handling.await.into() })
            }
            Err(error) => {
                let why = format!("invalid JSON: {error}");
                Box::pin(std::future::ready(Outcome::Undecodable { why }))
            }
        }
    })
}
