//! Handlers that are HTTP endpoints: the payload is POSTed to them, and their status says what became of
//! the message. No redirect is followed, and of an answer only the beginning is read.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::backoff::Pauses;
use crate::delivery::Delivery;
use crate::letter::line;
use crate::limits::WHY_MAX;
use crate::metadata::about;
use crate::outcome::Outcome;
use crate::work::{Handling, Work};

/// Statuses by which an endpoint rejects a message for good.
const REJECTING: [StatusCode; 3] =
    [StatusCode::BAD_REQUEST, StatusCode::UNSUPPORTED_MEDIA_TYPE, StatusCode::UNPROCESSABLE_ENTITY];

/// Longest time that an endpoint may ask to be left alone for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// POSTs each message to an endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host and port to connect to.
    address: String,
    uri: Uri,
}

/// Not a URL that messages can be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a URL of a handler: write it as in `http://127.0.0.1:8080/jobs`")]
pub struct EndpointError(String);

impl Endpoint {
    /// The endpoint of an `http` URL.
    pub fn new(url: &str) -> Result<Self, EndpointError> {
        let bad = || EndpointError(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let authority =
            uri.authority().filter(|one| !one.as_str().contains('@')).ok_or_else(bad)?;
        if uri.scheme_str() != Some("http") {
            return Err(bad());
        }
        let address = match authority.port_u16() {
            Some(_) => authority.as_str().to_owned(),
            None => format!("{authority}:80"),
        };
        Ok(Self { address, uri })
    }
}

impl Work for Endpoint {
    fn handle(&self, delivery: Delivery) -> Handling {
        let own = self.clone();
        Box::pin(async move {
            own.post(&delivery)
                .await
                .unwrap_or_else(|error| Outcome::retry(format_args!("{}: {error}", own.uri)))
        })
    }
}

type Problem = Box<dyn std::error::Error + Send + Sync>;

impl Endpoint {
    /// Connects, however long that takes: that nobody is there is no fault of the message, and its
    /// deliveries are not to be used up by it. The worker bounds the time.
    async fn connect(&self) -> TcpStream {
        let mut pauses = Pauses::new();
        let mut told = false;
        loop {
            match TcpStream::connect(&self.address).await {
                Ok(stream) => return stream,
                Err(error) if !told => {
                    told = true;
                    tracing::warn!("{}: {error}; waiting for it", self.uri);
                }
                Err(_) => {}
            }
            tokio::time::sleep(pauses.next()).await;
        }
    }

    async fn post(&self, delivery: &Delivery) -> Result<Outcome, Problem> {
        let stream = self.connect().await;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::post(path).body(Full::new(delivery.payload.clone()))?;
        let headers = request.headers_mut();
        let host = self.uri.authority().map_or("", |authority| authority.as_str());
        headers.insert(HOST, HeaderValue::from_str(host)?);
        let kind = delivery.header("Content-Type").unwrap_or("application/octet-stream");
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind)?);
        for (name, value) in about(delivery) {
            let name = format!("watershed-{}", name.replace('_', "-"));
            // What HTTP cannot say is left out.
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::from_str(&value))
            {
                headers.insert(name, value);
            }
        }
        let mut answer = sender.send_request(request).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(Outcome::Done);
        }
        let after = retry_after(answer.headers().get(RETRY_AFTER));
        let mut said = Vec::new();
        while said.len() < WHY_MAX
            && let Some(frame) = answer.frame().await
        {
            let Ok(data) = frame?.into_data() else { continue };
            said.extend_from_slice(data.get(..WHY_MAX.min(data.len())).unwrap_or_default());
        }
        let said = line(&String::from_utf8_lossy(&said));
        let why = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
        Ok(match (REJECTING.contains(&status), after) {
            (true, _) => Outcome::reject(why),
            (false, after) => Outcome::Retry { after, why },
        })
    }
}

/// The seconds that an endpoint asks for; a date is not understood.
fn retry_after(value: Option<&HeaderValue>) -> Option<Duration> {
    let seconds = value?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::metadata::tests::delivery;

    /// What becomes of a message when an endpoint answers so, and the request.
    async fn answered(answer: &str) -> (Outcome, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jobs?x=1", listener.local_addr().unwrap());
        let answer = answer.to_owned();
        let endpoint = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"payload") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let outcome = Endpoint::new(&url).unwrap().handle(delivery("payload")).await;
        (outcome, endpoint.await.unwrap())
    }

    #[tokio::test]
    async fn the_status_says_what_became_of_a_message() {
        let check = async |answer: &str, expected: Outcome| {
            assert_eq!(answered(answer).await.0, expected, "{answer}");
        };
        let body = |status: &str, text: &str| {
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len())
        };
        check("HTTP/1.1 204 No Content\r\n\r\n", Outcome::Done).await;
        check(&body("200 OK", "fine"), Outcome::Done).await;
        check(&body("422 x", "no id"), Outcome::reject("422 Unprocessable Entity: no id")).await;
        check(&body("500 x", ""), Outcome::retry("500 Internal Server Error")).await;
        let busy = "HTTP/1.1 503 x\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
        let why = "503 Service Unavailable";
        check(busy, Outcome::retry_after(Duration::from_secs(7), why)).await;
        // No redirect is followed: there is nobody who would answer.
        let moved = "HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        check(moved, Outcome::retry("302 Found")).await;
        // Of a long answer only the beginning is read.
        let (outcome, _) = answered(&body("500 x", &"y".repeat(1 << 20))).await;
        assert!(matches!(outcome, Outcome::Retry { why, .. } if why.len() <= WHY_MAX + 40));
    }

    #[tokio::test]
    async fn an_endpoint_gets_the_payload_and_what_is_known_about_it() {
        let (_, request) = answered("HTTP/1.1 204 x\r\n\r\n").await;
        for line in [
            "POST /jobs?x=1 HTTP/1.1",
            "content-type: application/octet-stream",
            "watershed-subject: jobs.a",
            "watershed-max-deliver: 5",
        ] {
            assert!(request.lines().any(|one| one == line), "{line}\n{request}");
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_is_away_is_waited_for() {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let endpoint = Endpoint::new(&format!("http://{address}")).unwrap();
        let mut handling = tokio::spawn(endpoint.handle(delivery("")));
        let early = tokio::time::timeout(Duration::from_millis(50), &mut handling).await;
        assert!(early.is_err(), "{early:?}");
        let listener = TcpListener::bind(address).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").await.unwrap();
        assert_eq!(handling.await.unwrap(), Outcome::Done);
    }

    #[test]
    fn what_is_not_a_url_of_a_handler() {
        for url in ["https://h/", "h:80", "/path", "http://", "http://u:p@h/", "ftp://h/"] {
            assert!(Endpoint::new(url).is_err(), "{url}");
        }
    }
}
