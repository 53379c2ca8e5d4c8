//! What is answered.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use watershed_topology::call::CallError;

/// Why a request is not answered as it was meant.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The server wants to know who it is.
    Unknown,
    /// The server cannot be asked.
    Unreachable(String),
    /// Too much is asked at once.
    Busy,
    /// The request makes no sense, or is not allowed.
    Wrong(StatusCode, String),
    /// The server says no.
    Call(CallError),
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Unknown => (
                StatusCode::UNAUTHORIZED,
                "log in as a user of the server, with a password".to_owned(),
            ),
            Self::Unreachable(text) => (StatusCode::BAD_GATEWAY, text),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy: try again".to_owned()),
            Self::Wrong(status, text) => (status, text),
            Self::Call(error) => {
                let status = match error {
                    CallError::Denied(_) => StatusCode::FORBIDDEN,
                    CallError::Refused(_) => StatusCode::BAD_REQUEST,
                    _ => StatusCode::BAD_GATEWAY,
                };
                (status, error.to_string())
            }
        };
        let mut response = page(status, &json!({"error": text}));
        if status == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static(r#"Basic realm="NATS server", charset="UTF-8""#);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        }
        response
    }
}

/// JSON.
pub(crate) fn page(status: StatusCode, json: &Json) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], json.to_string()).into_response()
}
