//! Clients over TLS, on this server and on nats-server with the same configuration.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use async_nats::ConnectOptions;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use serde_json::Value;
use tempfile::TempDir;
use watershed_peers::{NatsServer, nats, nats_server};

use crate::server::{PATIENCE, Running};

/// Certificates of a server and of a client, and who signed them; and those of strangers.
struct Papers(TempDir);

/// What a certificate says of its holder: hosts, an address of e-mail and a host, or a distinguished name alone.
fn params_of(name: &str) -> CertificateParams {
    let hosts: &[&str] = match name {
        "mail" => &["bob.example"],
        "carol" => &[],
        _ => &["localhost", "127.0.0.1"],
    };
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    if name == "mail" {
        params.subject_alt_names.push(SanType::Rfc822Name("bob@example".try_into().unwrap()));
    }
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "acme");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Papers {
    fn new() -> Self {
        let own = Self(tempfile::tempdir().unwrap());
        own.sign("ca", &["server", "client", "mail", "carol"]);
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
            let mut params = params_of(name);
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

/// What a client with this certificate is told: who it is, or that it is nobody.
async fn user(address: SocketAddr, options: ConnectOptions) -> String {
    let Ok(client) = options.connect(format!("tls://localhost:{}", address.port())).await else {
        return "nobody".to_owned();
    };
    let Ok(told) = client.request("$SYS.REQ.USER.INFO", "".into()).await else {
        return "nobody".to_owned();
    };
    let told: Value = serde_json::from_slice(&told.payload).unwrap();
    told["data"]["user"].as_str().unwrap_or_default().to_owned()
}

/// SHA-256 of the public key of a certificate, in hexadecimal, as `openssl` says it.
fn key_digest(certificate: &std::path::Path) -> String {
    let piped =
        "openssl x509 -noout -pubkey -in \"$0\" | openssl pkey -pubin -outform DER | sha256sum";
    let said = Command::new("sh").arg("-c").arg(piped).arg(certificate).output().unwrap().stdout;
    String::from_utf8(said).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn a_certificate_says_who_somebody_is() {
    let papers = Papers::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let users = "authorization { users: [\
        { user: bob.example }, { user: localhost, password: x }, { user: \"bob@example\" },\
        { user: \"O=acme,CN=carol\" } ] }";
    let (own, real) = both(&papers.configuration("map.conf", "verify_and_map: true", users));
    for address in [own.address, real.address] {
        let user = |name: &str, with: &dyn Fn(ConnectOptions) -> ConnectOptions| {
            runtime.block_on(user(address, with(papers.client(name))))
        };
        assert_eq!(user("mail", &|own| own), "bob@example");
        assert_eq!(user("carol", &|own| own), "O=acme,CN=carol");
        // Whatever name it says; who has a password shows that as well.
        let other = |own: ConnectOptions| own.user_and_password("localhost".into(), String::new());
        assert_eq!(user("mail", &other), "bob@example");
        assert_eq!(user("client", &|own| own), "nobody");
        let other = |own: ConnectOptions| own.user_and_password("any".into(), "x".into());
        assert_eq!(user("client", &other), "localhost");
        assert_eq!(user("other", &|own| own), "nobody");
    }
    let (own, real) = both(&papers.configuration(
        "few.conf",
        "verify_and_map: true",
        "authorization { users: [{ user: localhost }] }",
    ));
    for address in [own.address, real.address] {
        assert_eq!(runtime.block_on(user(address, papers.client("client"))), "localhost");
        assert_eq!(runtime.block_on(user(address, papers.client("carol"))), "nobody");
    }
    let pinned =
        format!("verify: true, pinned_certs: [\"{}\"]", key_digest(&papers.file("client.pem")));
    let (own, real) = both(&papers.configuration("pinned.conf", &pinned, ""));
    for address in [own.address, real.address] {
        assert!(runtime.block_on(works(address, papers.client("client"))));
        assert!(!runtime.block_on(works(address, papers.client("mail"))));
    }
}

#[test]
fn ciphers_and_curves_are_chosen() {
    let papers = Papers::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tls = "handshake_first: true, cipher_suites: [TLS_AES_256_GCM_SHA384], curve_preferences: [CurveP384]";
    let own = Running::serve(&["-c", &papers.configuration("few.conf", tls, "")], &[]);
    assert!(runtime.block_on(works(own.address, papers.client("").tls_first())));
    let shaken = |more: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &own.address.to_string()]).args(more);
        command.stdin(Stdio::null()).output().unwrap().status.success()
    };
    assert!(shaken(&["-groups", "P-384"]));
    assert!(!shaken(&["-groups", "X25519"]));
    assert!(!shaken(&["-ciphersuites", "TLS_AES_128_GCM_SHA256"]));
    assert!(!shaken(&["-tls1_2"]));
    let odd = papers.configuration("odd.conf", "cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]", "");
    let ran = crate::server::run(&["serve", "-t", "-c", &odd]);
    assert!(
        ran.err.contains("`TLS_RSA_WITH_RC4_128_SHA` is not supported by this server"),
        "{}",
        ran.err
    );
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
