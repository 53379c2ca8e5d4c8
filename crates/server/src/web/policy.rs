//! Which requests become connections, and what they carry of who somebody is.

use tungstenite::handshake::machine::TryParse as _;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::{HeaderMap, StatusCode, Uri};
use watershed_wire::handshake::Connect;

use crate::config::{WebSocketConfig, WebSocketCookies};

/// Longest request in bytes.
pub(super) const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// What is asked of requests.
#[derive(Debug)]
pub(crate) struct Policy {
    /// Whether they come inside TLS.
    secure: bool,
    same_origin: bool,
    /// Whether pages may come only from where it is allowed.
    is_restricted: bool,
    allowed: Vec<Origin>,
    cookies: WebSocketCookies,
}

/// Where a page comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

/// What becomes of a request.
pub(super) enum Answer {
    /// There is more to come.
    Later,
    /// It becomes a connection: what it is told, what it carried, and how long it was.
    Open { response: Vec<u8>, carried: Option<Box<Connect>>, length: usize },
    /// It does not, and is told so.
    Refused(Vec<u8>),
}

impl Policy {
    /// What a configuration asks for. An invalid origin in it matches no page.
    pub(crate) fn new(config: &WebSocketConfig) -> Self {
        let allowed = config.allowed_origins.iter();
        Self {
            secure: config.tls.is_some(),
            same_origin: config.same_origin,
            is_restricted: !config.allowed_origins.is_empty(),
            allowed: allowed.filter_map(|text| Origin::read(text)).collect(),
            cookies: config.cookies.clone(),
        }
    }

    /// Answers what there is of a request.
    pub(super) fn answer(&self, bytes: &[u8]) -> Answer {
        match Request::try_parse(bytes) {
            Ok(None) if bytes.len() < REQUEST_BYTES_MAX => Answer::Later,
            Ok(None) => refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Ok(Some((length, request))) => self.take(&request, length).unwrap_or_else(refused),
            Err(_) => refused(StatusCode::BAD_REQUEST),
        }
    }

    fn take(&self, request: &Request, length: usize) -> Result<Answer, StatusCode> {
        // Those of other protocols, which are not spoken here.
        if ["/leafnode", "/mqtt"].iter().any(|end| request.uri().path().ends_with(end)) {
            return Err(StatusCode::NOT_FOUND);
        }
        let response = create_response(request).map_err(|_| StatusCode::BAD_REQUEST)?;
        let host = text(request.headers(), "host").ok_or(StatusCode::BAD_REQUEST)?;
        if !self.allows(request.headers(), host) {
            return Err(StatusCode::FORBIDDEN);
        }
        let mut bytes = Vec::new();
        write_response(&mut bytes, &response).map_err(|_| StatusCode::BAD_REQUEST)?;
        let carried = self.carried(request.headers());
        Ok(Answer::Open { response: bytes, carried, length })
    }

    /// Whether a client with these headers may connect. One that is not a browser sends no origin.
    fn allows(&self, headers: &HeaderMap, host: &str) -> bool {
        if !self.same_origin && !self.is_restricted {
            return true;
        }
        let origin = headers.get("origin").or_else(|| headers.get("sec-websocket-origin"));
        let Some(origin) = origin else { return true };
        let Some(origin) = origin.to_str().ok().and_then(Origin::read) else { return false };
        if self.same_origin {
            let scheme = if self.secure { "https" } else { "http" };
            let own = Origin::read(&format!("{scheme}://{host}"));
            if own.is_none_or(|own| (own.host, own.port) != (origin.host.clone(), origin.port)) {
                return false;
            }
        }
        !self.is_restricted || self.allowed.contains(&origin)
    }

    /// Credentials that stand in cookies.
    fn carried(&self, headers: &HeaderMap) -> Option<Box<Connect>> {
        let cookie = |name: &Option<String>| {
            let name = name.as_deref()?;
            let all = headers.get_all("cookie").iter().filter_map(|value| value.to_str().ok());
            let pair = all.flat_map(|line| line.split(';')).find_map(|pair| {
                let (own, value) = pair.trim().split_once('=')?;
                (own == name).then(|| value.trim_matches('"').to_owned())
            });
            pair.filter(|value| !value.is_empty())
        };
        let WebSocketCookies { jwt, user, password, token } = &self.cookies;
        let connect = Connect {
            jwt: cookie(jwt),
            user: cookie(user),
            pass: cookie(password),
            auth_token: cookie(token),
            ..Connect::default()
        };
        (connect != Connect::default()).then(|| Box::new(connect))
    }
}

impl Origin {
    fn read(text: &str) -> Option<Self> {
        let uri: Uri = text.trim().parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "http" | "ws" => 80,
            "https" | "wss" => 443,
            _ => return None,
        };
        let host = uri.host()?.to_ascii_lowercase();
        Some(Self { host, port: uri.port_u16().unwrap_or(usual), scheme })
    }
}

/// Whether a text says where a page may come from.
pub(crate) fn is_origin(text: &str) -> bool {
    Origin::read(text).is_some()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn refused(status: StatusCode) -> Answer {
    let reason = status.canonical_reason().unwrap_or_default();
    let length = reason.len() + 1;
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nSec-Websocket-Version: 13\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{reason}\n"
    );
    Answer::Refused(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

    fn request(more: &str) -> String {
        let own =
            "Host: example.org:9222\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n";
        format!("GET / HTTP/1.1\r\n{own}{KEY}{more}\r\n")
    }

    /// The status of an answer, 0 for none yet, and the user that was carried.
    fn status(policy: &Policy, request: &str) -> (u16, Option<String>) {
        let (text, carried) = match policy.answer(request.as_bytes()) {
            Answer::Later => return (0, None),
            Answer::Open { response, carried, length } => {
                assert_eq!(length, request.len());
                (response, carried)
            }
            Answer::Refused(response) => (response, None),
        };
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\r\n\r\n"), "{text}");
        let code = text.split(' ').nth(1).unwrap().parse().unwrap();
        (code, carried.and_then(|connect| connect.user))
    }

    #[test]
    fn a_request_is_whole_and_right_or_refused() {
        let policy = Policy::new(&WebSocketConfig::new(([127, 0, 0, 1], 0).into()));
        let whole = request("");
        assert_eq!(status(&policy, &whole), (101, None));
        for end in 0..whole.len() {
            assert_eq!(status(&policy, &whole[..end]).0, 0, "{end}");
        }
        for (wrong, expected) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
            (whole.replace("GET", "POST"), 400),
            (whole.replace("GET / ", "GET /leafnode "), 404),
            (whole.replace("Host", "Hots"), 400),
            (whole.replace(": 13", ": 12"), 400),
            (whole.replace("dGhl", "dG"), 400),
            ("\0\u{1}\u{2} nonsense\r\n\r\n".into(), 400),
            (format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(200)), 400),
            (format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(REQUEST_BYTES_MAX)), 431),
        ] {
            assert_eq!(status(&policy, &wrong), (expected, None), "{wrong}");
        }
    }

    #[test]
    fn pages_come_from_where_they_may() {
        let check = |same: bool, allowed: &[&str], origin: &str, expected: u16| {
            let mut config = WebSocketConfig::new(([127, 0, 0, 1], 0).into());
            config.same_origin = same;
            config.allowed_origins = allowed.iter().map(|one| (*one).to_owned()).collect();
            let policy = Policy::new(&config);
            let line =
                if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
            assert_eq!(status(&policy, &request(&line)).0, expected, "{same} {allowed:?} {origin}");
        };
        check(false, &[], "http://other.org", 101);
        check(true, &[], "", 101);
        check(true, &[], "http://example.org:9222", 101);
        check(true, &[], "http://EXAMPLE.org:9222", 101);
        check(true, &[], "http://example.org", 403);
        check(true, &[], "http://other.org:9222", 403);
        check(true, &[], "null", 403);
        let allowed = &["https://shop.org", "http://localhost:3000"];
        check(false, allowed, "https://shop.org:443", 101);
        check(false, allowed, "http://shop.org", 403);
        check(false, allowed, "http://localhost:3000", 101);
        check(false, allowed, "http://localhost", 403);
        check(false, allowed, "", 101);
    }

    #[test]
    fn cookies_carry_credentials() {
        let mut config = WebSocketConfig::new(([127, 0, 0, 1], 0).into());
        config.cookies.user = Some("who".into());
        let policy = Policy::new(&config);
        let carried = status(&policy, &request("Cookie: a=b; who=me; c=d\r\n"));
        assert_eq!(carried, (101, Some("me".into())));
        assert_eq!(status(&policy, &request("Cookie: whom=me\r\n")), (101, None));
    }
}
