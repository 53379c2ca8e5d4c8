//! Who somebody is: what a browser sends when it was asked for user and password.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use watershed_client::Credential;

/// What a request shows, by which its session is found again.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown(Option<String>);

impl Shown {
    /// What these headers show.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, rest) = text.and_then(|text| text.split_once(' ')).unwrap_or_default();
        Self(scheme.eq_ignore_ascii_case("basic").then(|| rest.trim().to_owned()))
    }

    /// The same for the server: user and password, or a token in the place of one of them. `None` for
    /// what cannot be read.
    pub(crate) fn credential(&self) -> Option<Credential> {
        let Some(text) = &self.0 else { return Some(Credential::None) };
        let text = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some(match (user, password) {
            ("", "") => return None,
            ("", token) | (token, "") => Credential::Token(token.to_owned()),
            (user, password) => {
                Credential::Password { user: user.to_owned(), password: password.to_owned() }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, header.parse().unwrap());
        let said = match Shown::of(&headers).credential() {
            Some(Credential::Password { user, password }) => format!("{user} {password}"),
            Some(Credential::Token(token)) => format!("token {token}"),
            Some(Credential::None) => "nothing".to_owned(),
            Some(_) | None => "unreadable".to_owned(),
        };
        assert_eq!(said, expected, "{header}");
    }

    #[test]
    fn what_a_browser_sends() {
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text));
        check(&basic("admin:a:b"), "admin a:b");
        check(&basic("admin:").replace("Basic", "basic"), "token admin");
        check(&basic(":secret"), "token secret");
        check(&basic(":"), "unreadable");
        check(&basic("admin"), "unreadable");
        check("Basic %%%", "unreadable");
        check("Bearer abc", "nothing");
    }
}
