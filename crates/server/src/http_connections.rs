//! Connections of the monitoring, where there is always room for one more.
//!
//! Their number is bounded, so that they cannot use up the file descriptors that others need. When all
//! places are taken, the oldest connection without a whole request goes: who connects and says half
//! of something, or nothing, keeps nobody else out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::descriptors::monitoring_max;

/// Longest time of a connection, whatever it does.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(1);

/// Time without a new connection after one could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers whoever connects, by the pages of `router`. A request must be whole within `patience`.
pub(crate) async fn serve(listener: &TcpListener, router: &Router, patience: Duration) {
    let mut open = Open { connections: VecDeque::new(), most: monitoring_max().max(1) };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The peer left, or the system is out of descriptors.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if open.make_room() {
            open.connections.push_back(Connection::new(stream, router, patience));
        }
        // Whoever has sent a whole request by now is seen to have, and who was closed is gone.
        tokio::task::yield_now().await;
    }
}

/// The connections that there are, the oldest first.
struct Open {
    connections: VecDeque<Connection>,
    most: usize,
}

impl Open {
    /// Makes room for one more. Says whether there is any: those who are being answered stay.
    fn make_room(&mut self) -> bool {
        self.connections.retain(|connection| !connection.task.is_finished());
        if self.connections.len() < self.most {
            return true;
        }
        let idle = |own: &Connection| !own.is_answered.load(Ordering::Relaxed);
        let Some(oldest) = self.connections.iter().position(idle) else { return false };
        if let Some(gone) = self.connections.remove(oldest) {
            gone.task.abort();
        }
        true
    }
}

/// One connection.
struct Connection {
    /// Whether a whole request is there and the reply is not.
    is_answered: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Connection {
    fn new(stream: TcpStream, router: &Router, patience: Duration) -> Self {
        let is_answered = Arc::new(AtomicBool::new(false));
        let pages = TowerToHyperService::new(router.clone());
        let flag = Arc::clone(&is_answered);
        let service = service_fn(move |request: Request<Incoming>| {
            let (page, flag) = (pages.call(request), Arc::clone(&flag));
            flag.store(true, Ordering::Relaxed);
            async move {
                let page: Result<Response<_>, Infallible> = page.await;
                flag.store(false, Ordering::Relaxed);
                page
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // From the moment that a request may begin: what is half sent and what is idle goes.
            .header_read_timeout(patience)
            .serve_connection(TokioIo::new(stream), service);
        let task = tokio::spawn(async move {
            // How it ended is nobody's business here.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
        });
        Self { is_answered, task }
    }
}
