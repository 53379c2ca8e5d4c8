//! Clients over TLS, on this server and on nats-server with the same configuration.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use async_nats::ConnectOptions;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::Value;
use tempfile::TempDir;
use watershed_peers::{NatsServer, nats, nats_server};

use crate::server::{PATIENCE, Running};

/// Certificates of a server and of a client, and who signed them; and those of strangers.
struct Papers(TempDir);

impl Papers {
    fn new() -> Self {
        let own = Self(tempfile::tempdir().unwrap());
        own.sign("ca", &["server", "client"]);
        own.sign("other-ca", &["other"]);
        own
    }

    /// Makes an authority and certificates for `names`.
    fn sign(&self, authority: &str, names: &[&str]) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(self.file(&format!("{authority}.pem")), certificate.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        for name in names {
            let hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
            let mut params = CertificateParams::new(hosts).unwrap();
            let server = ExtendedKeyUsagePurpose::ServerAuth;
            params.extended_key_usages = vec![server, ExtendedKeyUsagePurpose::ClientAuth];
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            fs::write(self.file(&format!("{name}.pem")), certificate.pem()).unwrap();
            fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A configuration whose `tls` block says this besides, in a file.
    fn configuration(&self, name: &str, tls: &str, more: &str) -> String {
        let conf = self.file(name);
        let [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map(|name| self.file(name));
        let (cert, key, ca) = (cert.display(), key.display(), ca.display());
        let text = format!(
            "tls {{ cert_file: '{cert}', key_file: '{key}', ca_file: '{ca}', {tls} }}\n{more}\n"
        );
        fs::write(&conf, text).unwrap();
        conf.display().to_string()
    }

    /// How clients connect that trust the server, and show the certificate `name`, if any.
    fn client(&self, name: &str) -> ConnectOptions {
        let options = ConnectOptions::new().add_root_certificates(self.file("ca.pem"));
        let options = options.connection_timeout(PATIENCE);
        if name.is_empty() {
            return options;
        }
        let [cert, key] = ["pem", "key"].map(|end| self.file(&format!("{name}.{end}")));
        options.add_client_certificate(cert, key)
    }
}

/// Whether a client gets a message that it sends itself.
async fn works(address: SocketAddr, options: ConnectOptions) -> bool {
    use futures_util::StreamExt as _;
    let url = format!("tls://localhost:{}", address.port());
    let Ok(client) = options.connect(url).await else { return false };
    let mut heard = client.subscribe("a").await.unwrap();
    client.publish("a", "b".into()).await.unwrap();
    // A client without a certificate sees only here that it was turned away.
    let heard = tokio::time::timeout(PATIENCE, async {
        if client.flush().await.is_err() {
            return false;
        }
        heard.next().await.is_some_and(|message| message.payload == "b")
    });
    heard.await.unwrap_or(false)
}

/// What the server says first, and whether it goes on with somebody who speaks in clear.
fn in_clear(address: SocketAddr) -> (Value, bool) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let info: Value = serde_json::from_str(line.trim_start_matches("INFO ")).unwrap();
    reader.get_mut().write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").unwrap();
    let mut rest = Vec::new();
    let mut reader = reader.take(6);
    let _ = reader.read_to_end(&mut rest);
    (info, rest == b"PONG\r\n")
}

/// Both servers with a configuration.
fn both(conf: &str) -> (Running, NatsServer) {
    (Running::serve(&["-c", conf], &[]), NatsServer::start_with(&nats_server(), &["-c", conf]))
}

#[test]
fn a_client_checks_the_server_and_the_server_a_client() {
    let papers = Papers::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (tls, needs) in [("", false), ("verify: true", true)] {
        let (own, real) = both(&papers.configuration("nats.conf", tls, ""));
        for address in [own.address, real.address] {
            let works = |options| runtime.block_on(works(address, options));
            assert!(works(papers.client("client")), "{tls}");
            assert_eq!(works(papers.client("")), !needs, "{tls}");
            if needs {
                assert!(!works(papers.client("other")), "{tls}");
            }
            let stranger = ConnectOptions::new().add_root_certificates(papers.file("other-ca.pem"));
            assert!(!works(stranger), "{tls}");
            let (info, goes_on) = in_clear(address);
            assert_eq!(info["tls_required"], true);
            assert_eq!(info["tls_verify"] == true, needs, "{info}");
            assert!(!goes_on);
        }
    }
}

#[test]
fn tls_may_come_first_or_be_left_out() {
    let papers = Papers::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = |address| runtime.block_on(works(address, papers.client("").tls_first()));
    let (own, real) = both(&papers.configuration("first.conf", "handshake_first: true", ""));
    assert!(first(own.address) && first(real.address));
    let (own, real) = both(&papers.configuration("auto.conf", "handshake_first: 100ms", ""));
    for address in [own.address, real.address] {
        assert!(first(address));
        assert!(runtime.block_on(works(address, papers.client(""))));
    }
    let (own, real) = both(&papers.configuration("free.conf", "", "allow_non_tls: true"));
    for address in [own.address, real.address] {
        let (info, goes_on) = in_clear(address);
        assert_eq!((&info["tls_available"], goes_on), (&Value::Bool(true), true), "{info}");
        assert!(runtime.block_on(works(address, papers.client("").require_tls(true))));
    }
}

/// What the real tool says when it publishes into a stream.
fn tool(papers: &Papers, address: SocketAddr, certificate: &[&str]) -> bool {
    let server = format!("nats://localhost:{}", address.port());
    let run = |words: &[&str]| {
        let mut command = Command::new(nats());
        command.args(["-s", &server, "--tlsca"]).arg(papers.file("ca.pem"));
        command.args(certificate).args(words).env("HOME", papers.0.path());
        command.output().unwrap().status.success()
    };
    run(&["stream", "add", "S", "--subjects", "s", "--defaults"])
        && run(&["pub", "-J", "s", "hello"])
        && run(&["stream", "get", "S", "1"])
}

#[test]
fn the_tool_works_over_tls_and_a_reload_takes_another_certificate() {
    let papers = Papers::new();
    let conf = papers.configuration("nats.conf", "verify: true", "");
    let (folder, log) = (tempfile::tempdir().unwrap(), papers.file("log"));
    let store = folder.path().to_str().unwrap();
    let own = Running::serve(&["-c", &conf, "-sd", store, "-js", "-l", log.to_str().unwrap()], &[]);
    let [cert, key] = ["client.pem", "client.key"].map(|name| papers.file(name));
    let certificate = ["--tlscert", cert.to_str().unwrap(), "--tlskey", key.to_str().unwrap()];
    assert!(tool(&papers, own.address, &certificate));
    assert!(!tool(&papers, own.address, &[]));
    // Other certificates, by another authority, under the same names.
    papers.sign("ca", &["server", "client"]);
    assert!(!tool(&papers, own.address, &certificate));
    own.signal("HUP");
    crate::operating::wait_for(&log, "Reloaded");
    assert!(tool(&papers, own.address, &certificate));
    // What cannot be used changes nothing.
    fs::write(papers.file("server.key"), "no key").unwrap();
    own.signal("HUP");
    crate::operating::wait_for(&log, "Failed to reload server configuration");
    assert!(tool(&papers, own.address, &certificate));
}
