//! Who may ask: a page of this server, a person who typed an address, or a program on the command line. Not
//! the page of somebody else that happens to be open in the same browser.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::reply::Refused;

/// What a browser may do with what comes from here: run the scripts that came with it, and ask this server.
/// Texts never become markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Passes on what may be asked, and says with every answer what may be done with it.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match check(&request) {
        Ok(()) => next.run(request).await,
        Err(why) => Refused::Wrong(StatusCode::FORBIDDEN, why.to_owned()).into_response(),
    };
    let headers = response.headers_mut();
    let mut say = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    say(header::CONTENT_SECURITY_POLICY, POLICY);
    say(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    say(header::REFERRER_POLICY, "no-referrer");
    say(header::X_FRAME_OPTIONS, "DENY");
    say(header::CACHE_CONTROL, "no-store");
    say(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    say(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    response
}

fn check(request: &Request) -> Result<(), &'static str> {
    let headers = request.headers();
    let host = one(headers, &header::HOST)?.ok_or("a request without `Host`")?;
    if !is_known(host) {
        return Err(
            "this page is only for those who name the server by its address, or as localhost: \
             another name may lead here without your knowledge",
        );
    }
    if let Some(origin) = one(headers, &header::ORIGIN)? {
        let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if !rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host)) {
            return Err("the page of another server may not ask here");
        }
    }
    // A link to the page is nothing but an address that was typed.
    let is_link = request.method() == Method::GET && request.uri().path() == "/";
    match one(headers, &HeaderName::from_static("sec-fetch-site"))? {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) if is_link => Ok(()),
        Some(_) => Err("the page of another server may not ask here"),
    }
}

/// The value of a header that stands at most once.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, &'static str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err("a header that stands twice");
    }
    match first.map(HeaderValue::to_str) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(_)) => Err("a header that is not text"),
    }
}

/// Whether a name leads to this machine whatever a name server says: an address does, and localhost.
fn is_known(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => address,
        Some((address, port)) if is_port(port.strip_prefix(':')) => address,
        Some(_) => return false,
        None => match host.split_once(':') {
            Some((name, port)) if is_port(Some(port)) => name,
            Some(_) => return false,
            None => host,
        },
    };
    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

fn is_port(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn addresses_are_known_and_names_are_not() {
        let known =
            ["127.0.0.1", "127.0.0.1:8222", "localhost:1", "LOCALHOST", "[::1]:8222", "[::1]"];
        for host in known {
            assert!(is_known(host), "{host}");
        }
        let unknown = [
            "",
            "evil.example",
            "evil.example:8222",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "127.0.0.1:8222:1",
            "127.0.0.1:x",
            "[::1]x",
            "[::1",
            "127.0.0.1@evil.example",
            "localhost:",
            "evil.example#127.0.0.1",
        ];
        for host in unknown {
            assert!(!is_known(host), "{host}");
        }
    }

    #[track_caller]
    fn asks(path: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = axum::http::Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(Body::empty()).unwrap()).is_ok()
    }

    #[test]
    fn other_pages_may_not_ask() {
        let host = ("host", "127.0.0.1:8222");
        let api = "/page/api/events";
        assert!(asks(api, &[host]));
        assert!(asks(
            api,
            &[host, ("origin", "http://127.0.0.1:8222"), ("sec-fetch-site", "same-origin")]
        ));
        for other in ["http://127.0.0.1:8223", "http://evil.example", "null", "127.0.0.1:8222", ""]
        {
            assert!(!asks(api, &[host, ("origin", other)]), "{other}");
        }
        for site in ["cross-site", "same-site"] {
            assert!(!asks(api, &[host, ("sec-fetch-site", site)]), "{site}");
            assert!(asks("/", &[host, ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!asks(api, &[]));
        assert!(!asks(api, &[host, host]));
        assert!(!asks("/", &[("host", "evil.example:8222")]));
    }
}
