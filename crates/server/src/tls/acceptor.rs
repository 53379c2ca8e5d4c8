//! What a server shows its peers, and what it asks of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, RootCertStore};
use thiserror::Error;

use super::session::Session;
use crate::config::{Digest, HandshakeFirst, TlsConfig};

/// Why TLS cannot be offered.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {why}", path = path.display())]
    Read {
        /// File.
        path: PathBuf,
        /// What is wrong with it; nothing of what it holds.
        why: String,
    },
    /// A file does not hold what it is for.
    #[error("no {what} in {path}", path = path.display())]
    Missing {
        /// What it should hold.
        what: &'static str,
        /// File.
        path: PathBuf,
    },
    /// A cipher suite or a curve that this server does not have.
    #[error("`{0}` is not supported by this server")]
    Unsupported(String),
    /// Clients are to show certificates, and nobody vouches for them.
    #[error("`verify` needs a `ca_file`")]
    NoAuthority,
    /// Certificate, key and authorities do not go together.
    #[error("cannot use {path}: {why}", path = path.display())]
    Unusable {
        /// File.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// Takes connections in.
#[derive(Debug)]
pub(crate) struct Acceptor {
    config: Arc<ServerConfig>,
    /// Digests of the public keys that clients may have; empty for any.
    pinned: Arc<BTreeSet<Digest>>,
    first: HandshakeFirst,
    allow_non_tls: bool,
    timeout: Duration,
}

impl Acceptor {
    /// Reads what the configuration names.
    pub(crate) fn load(tls: &TlsConfig) -> Result<Self, TlsError> {
        let provider = Arc::new(provider(tls)?);
        let unusable = |path: &Path, error: &dyn std::fmt::Display| TlsError::Unusable {
            path: path.to_owned(),
            why: error.to_string(),
        };
        let chain = certificates(&tls.cert_file)?;
        let key = PrivateKeyDer::from_pem_file(&tls.key_file)
            .map_err(|error| read_error(&tls.key_file, "private key", &error))?;
        let versions: &[_] = if tls.only_tls13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| unusable(&tls.cert_file, &error))?;
        let builder = if tls.verify {
            let path = tls.ca_file.as_deref().ok_or(TlsError::NoAuthority)?;
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| unusable(path, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .map_err(|error| unusable(path, &error))?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| unusable(&tls.cert_file, &error))?;
        // Connections last: to resume one that has ended would save little, and who it was would
        // have to be remembered.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            config: Arc::new(config),
            pinned: Arc::new(tls.pinned_certs.clone()),
            first: tls.handshake_first,
            allow_non_tls: tls.allow_non_tls,
            timeout: tls.timeout,
        })
    }

    /// What a new connection begins with.
    pub(crate) fn session(&self) -> Session {
        Session::new(
            Arc::clone(&self.config),
            Arc::clone(&self.pinned),
            self.first,
            self.allow_non_tls,
        )
    }

    /// Time for the whole handshake.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How long to wait for a client to start TLS before it is sent `INFO` in clear; `None` unless
    /// `handshake_first` is a duration.
    pub(crate) fn patience(&self) -> Option<Duration> {
        match self.first {
            HandshakeFirst::Within(patience) => Some(patience),
            HandshakeFirst::Never | HandshakeFirst::Always => None,
        }
    }
}

/// What is offered: everything, or what the configuration names, by the names that nats-server has.
fn provider(tls: &TlsConfig) -> Result<CryptoProvider, TlsError> {
    let mut provider = default_provider();
    if !tls.cipher_suites.is_empty() {
        provider.cipher_suites = chosen(&tls.cipher_suites, &provider.cipher_suites, |suite| {
            // Those of TLS 1.3 begin otherwise.
            format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
        })?;
    }
    if !tls.curve_preferences.is_empty() {
        provider.kx_groups =
            chosen(&tls.curve_preferences, &provider.kx_groups, |group| match group.name() {
                NamedGroup::secp256r1 => "CurveP256".to_owned(),
                NamedGroup::secp384r1 => "CurveP384".to_owned(),
                other => format!("{other:?}"),
            })?;
    }
    Ok(provider)
}

/// Those of `all` that are wanted, in the order in which they are.
fn chosen<T: Copy>(
    wanted: &[String],
    all: &[T],
    name: impl Fn(&T) -> String,
) -> Result<Vec<T>, TlsError> {
    let find = |wanted: &String| {
        let found = all.iter().find(|one| name(one) == *wanted).copied();
        found.ok_or_else(|| TlsError::Unsupported(wanted.clone()))
    };
    wanted.iter().map(find).collect()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = "certificate";
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| read_error(path, what, &error))?
        .collect();
    let all = all.map_err(|error| read_error(path, what, &error))?;
    if all.is_empty() {
        return Err(TlsError::Missing { what, path: path.to_owned() });
    }
    Ok(all)
}

/// Says what is wrong with a file, and nothing of what stands in it.
fn read_error(path: &Path, what: &'static str, error: &pem::Error) -> TlsError {
    let why = match error {
        pem::Error::NoItemsFound => return TlsError::Missing { what, path: path.to_owned() },
        pem::Error::Io(error) => error.to_string(),
        _ => "invalid PEM".to_owned(),
    };
    TlsError::Read { path: path.to_owned(), why }
}
