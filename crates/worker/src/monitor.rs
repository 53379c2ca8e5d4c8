//! `/healthz` and `/metrics`: what a worker says of itself over HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::worker::Status;

/// Most connections at once.
const CONNECTIONS_MAX: usize = 64;

/// How long a request may take to come.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// Answers until it is dropped.
pub async fn monitor(listener: TcpListener, status: Status) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: some will be free again.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let status = status.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let answer = answer(request.method(), request.uri().path(), &status);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST_MAX)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer);
            // Somebody who goes away in the middle of it is no concern of ours.
            let _ = tokio::time::timeout(REQUEST_MAX, connection).await;
            drop(place);
        });
    }
}

fn answer(method: &Method, path: &str, status: &Status) -> Response<Full<Bytes>> {
    let (code, kind, text) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/healthz") if status.is_healthy() => {
            (StatusCode::OK, "text/plain", "ok\n".to_owned())
        }
        (&Method::GET | &Method::HEAD, "/healthz") => {
            (StatusCode::SERVICE_UNAVAILABLE, "text/plain", "not working\n".to_owned())
        }
        (&Method::GET | &Method::HEAD, "/metrics") => {
            (StatusCode::OK, "text/plain; version=0.0.4", status.metrics())
        }
        (_, "/healthz" | "/metrics") => {
            (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET only\n".to_owned())
        }
        _ => (StatusCode::NOT_FOUND, "text/plain", "/healthz, /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
