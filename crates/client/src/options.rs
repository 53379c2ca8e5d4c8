//! Which server, and as whom.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Event, ServerAddr};
use percent_encoding::percent_decode_str;
use thiserror::Error;
use tokio::sync::watch;

use crate::denials::Denials;

/// Where to connect, and as whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// URLs, separated by commas.
    pub servers: String,
    /// As whom.
    pub credential: Credential,
    /// Certificates of authorities to trust besides the system's.
    pub tls_ca: Option<PathBuf>,
    /// Certificate and key to show.
    pub tls_identity: Option<(PathBuf, PathBuf)>,
    /// Name of the connection, which the server shows.
    pub name: String,
    /// Prefix of subjects for answers, in place of `_INBOX`.
    pub inbox_prefix: Option<String>,
    /// Longest wait for a connection or an answer.
    pub timeout: Duration,
}

/// What a connection shows.
#[derive(Clone, Default)]
pub enum Credential {
    /// Nothing; or what the URL holds.
    #[default]
    None,
    /// A user with a password.
    Password {
        /// Name.
        user: String,
        /// Password.
        password: String,
    },
    /// A token.
    Token(String),
    /// A file with a JWT and a seed.
    CredentialsFile(PathBuf),
    /// A file with a seed.
    NkeyFile(PathBuf),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the secret.
        f.write_str(match self {
            Self::None => "None",
            Self::Password { .. } => "Password",
            Self::Token(_) => "Token",
            Self::CredentialsFile(_) => "CredentialsFile",
            Self::NkeyFile(_) => "NkeyFile",
        })
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            servers: "nats://127.0.0.1:4222".into(),
            credential: Credential::None,
            tls_ca: None,
            tls_identity: None,
            name: "watershed".into(),
            inbox_prefix: None,
            timeout: Duration::from_secs(5),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// A file with a secret or a certificate cannot be used.
    #[error("cannot use {path}: {cause}")]
    File {
        /// File.
        path: String,
        /// Why not.
        cause: String,
    },
    /// The server, or the way to it, says no.
    #[error("cannot connect to {servers}: {cause}")]
    Refused {
        /// Where, without secrets.
        servers: String,
        /// Why not.
        cause: String,
        /// Whether it makes no sense to try again: the server was reached and said no.
        settled: bool,
    },
}

impl ConnectError {
    /// Whether the server could not be reached, so that a later try may succeed.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Refused { settled: false, .. })
    }
}

impl Options {
    /// The URLs without user and password, to be shown.
    pub fn shown(&self) -> String {
        let bare = |url: &str| match (url.find("://"), url.rfind('@')) {
            (Some(scheme), Some(at)) if at > scheme => {
                let start = url.get(..scheme + 3).unwrap_or_default();
                let rest = url.get(at + 1..).unwrap_or_default();
                format!("{start}{rest}")
            }
            (None, Some(at)) => url.get(at + 1..).unwrap_or_default().to_owned(),
            _ => url.to_owned(),
        };
        self.servers.split(',').map(|url| bare(url.trim())).collect::<Vec<_>>().join(",")
    }

    /// The credential that the first URL with one holds: user and password, or a token alone.
    fn held_by_url(&self) -> Credential {
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let mut urls = self.servers.split(',').filter_map(|url| url.trim().parse().ok());
        let held = urls.find_map(|url: ServerAddr| {
            let user = plain(url.username()?);
            Some(match url.password() {
                Some(password) => Credential::Password { user, password: plain(password) },
                None => Credential::Token(user),
            })
        });
        held.unwrap_or_default()
    }

    /// The credential that a connection shows.
    fn held(&self) -> Credential {
        match &self.credential {
            Credential::None => self.held_by_url(),
            other => other.clone(),
        }
    }

    /// The name of the user, if the credential has one.
    pub(crate) fn user(&self) -> Option<String> {
        match self.held() {
            Credential::Password { user, .. } => Some(user),
            _ => None,
        }
    }

    /// Connects. Tells `denials` of what the server does not allow, and `connected` of each connection.
    pub(crate) async fn connect(
        &self,
        denials: &Denials,
        connected: watch::Sender<u64>,
    ) -> Result<async_nats::Client, ConnectError> {
        let heard = denials.clone();
        let mut options = async_nats::ConnectOptions::new()
            .name(&self.name)
            .connection_timeout(self.timeout)
            .request_timeout(Some(self.timeout))
            .subscription_capacity(1 << 16)
            .event_callback(move |event| {
                match event {
                    Event::ServerError(error) => heard.hear(&error.to_string()),
                    Event::Connected => connected.send_modify(|times| *times += 1),
                    _ => {}
                }
                std::future::ready(())
            })
            .reconnect_delay_callback(reconnect_delay);
        let file = |path: &PathBuf, cause: &dyn std::fmt::Display| ConnectError::File {
            path: path.display().to_string(),
            cause: cause.to_string(),
        };
        options = match &self.held() {
            Credential::None => options,
            Credential::Password { user, password } => {
                options.user_and_password(user.clone(), password.clone())
            }
            Credential::Token(token) => options.token(token.clone()),
            Credential::CredentialsFile(path) => {
                options.credentials_file(path).await.map_err(|error| file(path, &error))?
            }
            Credential::NkeyFile(path) => {
                let seed = std::fs::read_to_string(path).map_err(|error| file(path, &error))?;
                options.nkey(seed.trim().to_owned())
            }
        };
        if let Some(path) = &self.tls_ca {
            options = options.add_root_certificates(path.clone());
        }
        if let Some((certificate, key)) = &self.tls_identity {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        if let Some(prefix) = &self.inbox_prefix {
            options = options.custom_inbox_prefix(prefix);
        }
        let servers: Vec<String> =
            self.servers.split(',').map(|url| url.trim().to_owned()).collect();
        options.connect(servers).await.map_err(|error| {
            use async_nats::ConnectErrorKind as Kind;
            let settled = matches!(
                error.kind(),
                Kind::Authentication | Kind::AuthorizationViolation | Kind::ServerParse | Kind::Tls
            );
            ConnectError::Refused { servers: self.shown(), cause: error.to_string(), settled }
        })
    }
}

/// Longest pause before another attempt to connect.
const RECONNECT_MAX: Duration = Duration::from_secs(8);

/// The pause before an attempt to connect again: twice as long each time, and a random part of that, so
/// that the clients of a server which comes back do not come all at once.
fn reconnect_delay(attempts: usize) -> Duration {
    let doubled = u32::try_from(attempts.min(12)).map_or(0, |attempts| 1 << attempts);
    let longest = RECONNECT_MAX.min(Duration::from_millis(50) * doubled);
    longest.mul_f64(0.5 + 0.5 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_urls_are_not_shown() {
        let options = |servers: &str| Options { servers: servers.into(), ..Options::default() };
        assert_eq!(options("nats://a:b@h:1, h2:2").shown(), "nats://h:1,h2:2");
        assert_eq!(options("a:b@h:1").shown(), "h:1");
        let held = |servers: &str| match options(servers).held_by_url() {
            Credential::Password { user, password } => format!("{user} {password}"),
            Credential::Token(token) => token,
            _ => String::new(),
        };
        assert_eq!(held("nats://h1:1, nats://a:b%2Fc@h:1, nats://x:y@h:2"), "a b/c");
        assert_eq!(held("a:b@h:1"), "a b");
        assert_eq!((held("nats://token@h:1").as_str(), held("h:1").as_str()), ("token", ""));
        let secret = Credential::Password { user: "u".into(), password: "p".into() };
        assert_eq!(format!("{secret:?}"), "Password");
    }
}
