//! Connections to the server, one for each user who looks at the page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use watershed_client::{Client, Options};

use crate::declared::Source;
use crate::limits::{LOGINS_MAX, REFUSED_WAIT, SESSION_IDLE, SESSIONS_MAX};
use crate::login::Shown;
use crate::reply::Refused;
use crate::watching::Watching;

/// Longest wait for the server.
const PATIENCE: Duration = Duration::from_secs(5);

/// A user who is connected.
pub(crate) struct Session {
    shown: Shown,
    used: Mutex<Instant>,
    pub(crate) client: Client,
    pub(crate) watching: Watching,
}

/// Everybody who is connected.
pub(crate) struct Sessions {
    url: String,
    declared: Option<Source>,
    known: Arc<Mutex<Vec<Arc<Session>>>>,
    logins: Semaphore,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sessions {
    pub(crate) fn new(url: &str, declared: Option<Source>) -> Self {
        let known = Arc::default();
        Self { url: url.to_owned(), declared, known, logins: Semaphore::new(LOGINS_MAX) }
    }

    /// The session of who sends these headers. Whether they are who they say is the server's to judge.
    pub(crate) async fn of(&self, headers: &HeaderMap) -> Result<Arc<Session>, Refused> {
        let shown = Shown::of(headers);
        if let Some(session) = self.find(&shown) {
            return Ok(session);
        }
        let credential = shown.credential().ok_or(Refused::Unknown)?;
        let _turn = self.logins.acquire().await.map_err(|_| Refused::Busy)?;
        // Somebody with the same may have come first.
        if let Some(session) = self.find(&shown) {
            return Ok(session);
        }
        if held(&self.known).len() >= SESSIONS_MAX {
            return Err(Refused::Busy);
        }
        let options = Options {
            servers: self.url.clone(),
            credential,
            name: "watershed page".into(),
            timeout: PATIENCE,
            ..Options::default()
        };
        let client = match Client::connect(&options).await {
            Ok(client) => client,
            Err(error) if error.is_unavailable() => {
                return Err(Refused::Unreachable(error.to_string()));
            }
            Err(_) => {
                sleep(REFUSED_WAIT).await;
                return Err(Refused::Unknown);
            }
        };
        let watching = Watching::new(client.clone(), self.declared.clone());
        let used = Mutex::new(Instant::now());
        let session = Arc::new(Session { shown, used, client, watching });
        held(&self.known).push(Arc::clone(&session));
        tokio::spawn(close_when_idle(Arc::clone(&self.known), Arc::clone(&session)));
        Ok(session)
    }

    fn find(&self, shown: &Shown) -> Option<Arc<Session>> {
        let mut known = held(&self.known);
        // Who was thrown out, or whose server was started anew, has to show again who they are.
        known.retain(|session| session.client.is_connected());
        let session = known.iter().find(|session| session.shown == *shown)?;
        *held(&session.used) = Instant::now();
        Some(Arc::clone(session))
    }
}

/// Forgets a session that nobody has used for long, and with it its connection.
async fn close_when_idle(known: Arc<Mutex<Vec<Arc<Session>>>>, session: Arc<Session>) {
    loop {
        let idle = held(&session.used).elapsed();
        if idle >= SESSION_IDLE && !session.watching.is_watched() {
            break;
        }
        sleep(SESSION_IDLE.saturating_sub(idle).max(REFUSED_WAIT)).await;
    }
    held(&known).retain(|other| !Arc::ptr_eq(other, &session));
}
