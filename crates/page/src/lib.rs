//! A live page about a NATS server: who publishes what, what is stored, who gets it, how fast, and what waits.
//!
//! It is a client like any other, connected as whoever looks: it shows and does what that user may, and asks
//! in calls that the server answers in turn. The server knows nothing of it.
//!
//! What is costly is bounded: one look at an account serves everybody who watches it as the same user, takes at
//! most a fifth of the time, and ends when nobody watches. Whoever does not read is dropped.

mod assets;
mod declared;
mod drift;
mod events;
mod guard;
mod hex;
mod limits;
mod login;
mod look;
mod page;
mod publish;
mod reading;
mod reply;
mod sample;
mod session;
mod watching;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};

pub use self::declared::{Declared, Source};
pub use self::page::Settings;

use self::limits::PUBLISH_BYTES_MAX;
use self::page::Page;

/// The page about the server at `url`, at `/` and below `/page/`.
pub fn router(url: &str, settings: Settings) -> Router {
    let page = Page::new(url, settings);
    Router::new()
        .route("/", get(assets::index))
        .route("/page/{file}", get(assets::file))
        .route("/page/api/events", get(events::events))
        .route("/page/api/messages", get(reading::messages))
        .route("/page/api/outstanding", get(reading::outstanding))
        .route("/page/api/connections", get(reading::connections))
        .route("/page/api/dead", get(reading::dead))
        .route("/page/api/publish", post(publish::publish))
        .layer(DefaultBodyLimit::max(PUBLISH_BYTES_MAX))
        .layer(from_fn(guard::guard))
        .with_state(Arc::new(page))
}
