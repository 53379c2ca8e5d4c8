//! The files that a browser loads. They are part of the program and hold nothing secret.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::page::Shared;
use crate::reply::Refused;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// Name, type and text of each.
const FILES: &[(&str, &str, &str)] = &[
    ("style.css", STYLE, include_str!("../web/style.css")),
    ("icon.svg", PICTURE, include_str!("../web/icon.svg")),
    ("main.js", SCRIPT, include_str!("../web/main.js")),
    ("dom.js", SCRIPT, include_str!("../web/dom.js")),
    ("format.js", SCRIPT, include_str!("../web/format.js")),
    ("store.js", SCRIPT, include_str!("../web/store.js")),
    ("graph.js", SCRIPT, include_str!("../web/graph.js")),
    ("flow.js", SCRIPT, include_str!("../web/flow.js")),
    ("charts.js", SCRIPT, include_str!("../web/charts.js")),
    ("table.js", SCRIPT, include_str!("../web/table.js")),
    ("views.js", SCRIPT, include_str!("../web/views.js")),
    ("detail.js", SCRIPT, include_str!("../web/detail.js")),
    ("message.js", SCRIPT, include_str!("../web/message.js")),
    ("publish.js", SCRIPT, include_str!("../web/publish.js")),
];

/// The page. A browser asks for user and password here, if the server wants them.
pub(crate) async fn index(State(page): Shared, headers: HeaderMap) -> Result<Response, Refused> {
    match page.sessions.of(&headers).await {
        // The page says what is wrong with the server.
        Ok(_) | Err(Refused::Unreachable(_) | Refused::Busy) => {}
        Err(refused) => return Err(refused),
    }
    Ok(([(header::CONTENT_TYPE, HTML)], include_str!("../web/index.html")).into_response())
}

pub(crate) async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(own, ..)| *own == name) {
        Some((_, kind, text)) => ([(header::CONTENT_TYPE, *kind)], *text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
