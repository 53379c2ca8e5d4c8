//! Looks at an account again and again, while somebody watches.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use watershed_client::Client;

use crate::declared::Source;
use crate::hex::random;
use crate::limits::{PAUSE_FACTOR, PAUSE_MIN, UNSEEN_MAX};
use crate::look::Look;
use crate::sample::Sample;

/// The account of one user, watched by any number of pages.
pub(crate) struct Watching(Arc<Inner>);

struct Inner {
    client: Client,
    declared: Option<Source>,
    /// Names this series of samples.
    epoch: String,
    begun: Instant,
    newest: watch::Sender<Arc<Sample>>,
    is_running: Mutex<bool>,
}

impl Watching {
    pub(crate) fn new(client: Client, declared: Option<Source>) -> Self {
        let newest = watch::Sender::new(Arc::default());
        let (epoch, begun) = (random(), Instant::now());
        let is_running = Mutex::new(false);
        Self(Arc::new(Inner { client, declared, epoch, begun, newest, is_running }))
    }

    /// Names this series of samples.
    pub(crate) fn epoch(&self) -> &str {
        &self.0.epoch
    }

    /// Whether anybody sees them.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.newest.receiver_count() > 0
    }

    /// The newest sample, and those that follow, of which one that nobody has taken yet makes way for the next.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Sample>> {
        let receiver = self.0.newest.subscribe();
        let mut is_running = self.0.is_running.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_running {
            *is_running = true;
            tokio::spawn(run(Arc::clone(&self.0)));
        }
        receiver
    }
}

async fn run(inner: Arc<Inner>) {
    let first = inner.newest.borrow().number + 1;
    let mut look = Look::new(inner.client.clone(), inner.declared.clone(), first);
    let mut unseen = 0;
    loop {
        let begun = Instant::now();
        let sample = look.sample(begun - inner.begun).await;
        inner.newest.send_replace(Arc::new(sample));
        sleep(PAUSE_MIN.max(begun.elapsed() * PAUSE_FACTOR)).await;
        unseen = if inner.newest.receiver_count() == 0 { unseen + 1 } else { 0 };
        if unseen >= UNSEEN_MAX {
            let mut is_running = inner.is_running.lock().unwrap_or_else(PoisonError::into_inner);
            // Who comes in this moment waits for the lock.
            if inner.newest.receiver_count() == 0 {
                *is_running = false;
                return;
            }
        }
    }
}
