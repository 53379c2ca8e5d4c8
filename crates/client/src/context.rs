//! The `nats` command line tool's contexts: connections that people have saved there.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::options::{Credential, Options};

/// Why a context cannot be used.
#[derive(Debug, Error)]
pub enum ContextError {
    /// There is none of that name.
    #[error("unknown context `{name}`: cannot read {path}")]
    Missing {
        /// Name.
        name: String,
        /// Where it would be.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is no context.
    #[error("{path} is not a valid context")]
    Malformed {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Saved {
    url: String,
    user: String,
    password: String,
    token: String,
    creds: String,
    nkey: String,
    cert: String,
    key: String,
    ca: String,
    inbox_prefix: String,
}

/// Reads the context `name` below the `nats` tool's folder of configurations.
pub fn load_context(config_home: &Path, name: &str) -> Result<Options, ContextError> {
    let path = config_home.join("nats/context").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).map_err(|source| ContextError::Missing {
        name: name.to_owned(),
        path: path.clone(),
        source,
    })?;
    let saved: Saved = serde_json::from_str(&text)
        .map_err(|source| ContextError::Malformed { path: path.clone(), source })?;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut options = Options::default();
    if let Some(url) = some(&saved.url) {
        options.servers = url;
    }
    options.credential = if let Some(path) = some(&saved.creds) {
        Credential::CredentialsFile(path.into())
    } else if let Some(path) = some(&saved.nkey) {
        Credential::NkeyFile(path.into())
    } else if let Some(token) = some(&saved.token) {
        Credential::Token(token)
    } else if let Some(user) = some(&saved.user) {
        Credential::Password { user, password: saved.password }
    } else {
        Credential::None
    };
    options.tls_ca = some(&saved.ca).map(PathBuf::from);
    options.tls_identity =
        some(&saved.cert).map(PathBuf::from).zip(some(&saved.key).map(PathBuf::from));
    options.inbox_prefix = some(&saved.inbox_prefix);
    Ok(options)
}
