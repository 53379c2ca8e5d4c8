//! Clients that come by WebSocket, to this server and to nats-server.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Message, WebSocket};

use crate::both::{Start, on_own, on_peer};

fn configuration(web: &str, more: &str) -> String {
    format!("websocket {{ listen: \"127.0.0.1:-1\", no_tls: true, {web} }}\n{more}\n")
}

/// A client.
struct Client(WebSocket<TcpStream>);

impl Client {
    /// Asks for a WebSocket, with these headers beside what it takes; the status if it gets none.
    fn ask(address: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut request = format!("ws://{address}/").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Comes in, and says something.
    fn say(address: SocketAddr, text: &str) -> Self {
        let mut own = Self::ask(address, &[]).unwrap();
        own.send(text);
        own
    }

    fn send(&mut self, text: &str) {
        self.0.send(Message::binary(text.to_owned())).unwrap();
    }

    /// What comes until it is whole, or the server has closed.
    fn until(&mut self, end: &str) -> String {
        let mut all = String::new();
        while !all.ends_with(end) {
            match self.0.read() {
                Ok(Message::Binary(bytes)) => all += std::str::from_utf8(&bytes).unwrap(),
                Ok(Message::Close(frame)) => {
                    let code = frame.map_or(0, |frame| frame.code.into());
                    return format!("{all}closed: {code}");
                }
                Ok(_) => {}
                Err(error) => return format!("{all}{error}"),
            }
        }
        all
    }
}

fn the_protocol_goes_in_frames(start: Start<'_>) {
    let server = start(&configuration("", ""));
    let address = server.web_address();
    let mut client = Client::say(address, "");
    let info = client.until("\r\n");
    let info: Value = serde_json::from_str(info.strip_prefix("INFO ").unwrap()).unwrap();
    assert_eq!(info["port"], address.port());
    client.send("CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n");
    assert_eq!(client.until("\r\n"), "PONG\r\n");
    for length in [0, 1, 100, 125, 126, 1000, 65_535, 65_536, 1_000_000] {
        let body = "x".repeat(length);
        client.send(&format!("PUB a {length}\r\n{body}\r\n"));
        let expected = format!("MSG a 1 {length}\r\n{body}\r\n");
        assert!(client.until(&expected) == expected, "{length}");
    }
    // A message in pieces, one of them a control frame's, as text.
    let piece = |text: &'static str, kind, last| {
        Message::Frame(Frame::message(text.as_bytes(), OpCode::Data(kind), last))
    };
    client.0.send(piece("PUB a 2\r\nx", Data::Text, false)).unwrap();
    client.0.send(Message::Ping("there?".into())).unwrap();
    client.0.send(piece("y\r\n", Data::Continue, true)).unwrap();
    assert_eq!(client.0.read().unwrap(), Message::Pong("there?".into()));
    assert_eq!(client.until("xy\r\n"), "MSG a 1 2\r\nxy\r\n");
    client.0.close(None).unwrap();
    assert!(client.until("!").starts_with("closed"), "a close is answered");
}

fn what_is_wrong_ends_it(start: Start<'_>) {
    let user = "authorization { users: [ { user: a, password: p } ] }";
    let server = start(&configuration("handshake_timeout: 1s", user));
    let address = server.web_address();
    let mut client = Client::say(address, "CONNECT {\"user\":\"a\",\"pass\":\"q\"}\r\n");
    let said = client.until("!");
    assert!(said.ends_with("-ERR 'Authorization Violation'\r\nclosed: 1008"), "{said}");
    // Frames without a mask, of a kind that there is not, and too long a control frame.
    for wrong in
        [&b"\x82\x01x"[..], b"\x83\x81aaaa\x19", b"\xc2\x81aaaa\x19", b"\x89\xfe\x00\x7eaaaa"]
    {
        let mut client = Client::say(address, "");
        client.until("\r\n");
        client.0.get_mut().write_all(wrong).unwrap();
        let mut rest = Vec::new();
        // Whatever it is told, it is closed.
        let _ = client.0.get_mut().read_to_end(&mut rest);
    }
    // Who asks for nothing is not waited for.
    let mut silent = TcpStream::connect(address).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    silent.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut rest = Vec::new();
    assert!(silent.read_to_end(&mut rest).is_ok(), "it is closed, and not by this side");
}

fn pages_show_where_they_come_from_and_cookies(start: Start<'_>) {
    let users = "authorization { users: [
        { user: a, password: p }, { user: page, password: q, allowed_connection_types: [websocket] },
        { user: other, password: r, allowed_connection_types: [standard] }
    ] }";
    let web = "same_origin: true, user_cookie: who, pass_cookie: key, no_auth_user: page";
    let server = start(&configuration(web, users));
    let address = server.web_address();
    let own = format!("http://{address}");
    let status = |origin: &str| Client::ask(address, &[("Origin", origin)]).err();
    assert_eq!((status(&own), status("http://example.org")), (None, Some(403)));
    let asks = "SUB r 1\r\nPUB $SYS.REQ.USER.INFO r 0\r\n\r\n";
    let who = |cookies: &str, connect: Value| {
        let mut client = Client::ask(address, &[("Cookie", cookies)]).unwrap();
        client.send(&format!("CONNECT {connect}\r\n{asks}"));
        let said = client.until("}}\r\n");
        let reply = said.lines().last().unwrap_or_default().to_owned();
        serde_json::from_str::<Value>(&reply)
            .map_or("nobody".to_owned(), |reply| reply["data"]["user"].as_str().unwrap().to_owned())
    };
    let quiet = json!({"verbose": false});
    assert_eq!(who("x=y", quiet.clone()), "page");
    assert_eq!(who("who=a; key=p", quiet.clone()), "a");
    assert_eq!(who("who=a; key=q", quiet.clone()), "nobody");
    assert_eq!(who("key=p; other=x; who=a", json!({"verbose": false, "user": ""})), "a");
    let named = |user: &str, pass: &str| json!({"verbose": false, "user": user, "pass": pass});
    assert_eq!(who("who=a; key=p", named("page", "q")), "page");
    assert_eq!(who("x=y", named("other", "r")), "nobody");
}

/// The same inside TLS, which comes first.
fn tls_is_below(start: Start<'_>) {
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let conf = format!(
        "websocket {{ listen: \"127.0.0.1:-1\", tls {{ cert_file: '{}', key_file: '{}' }} }}\n",
        cert.display(),
        key.display()
    );
    let server = start(&conf);
    let address = server.web_address();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&cert).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let request = format!("wss://localhost:{}/", address.port()).into_client_request().unwrap();
    let (mut socket, _) = tungstenite::client(request, StreamOwned::new(tls, stream)).unwrap();
    let mut next = || loop {
        if let Message::Binary(bytes) = socket.read().unwrap() {
            return String::from_utf8(bytes.to_vec()).unwrap();
        }
    };
    let mut all = next();
    assert!(all.starts_with("INFO "), "{all}");
    let body = "x".repeat(500_000);
    let said = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB a 1\r\nPUB a {}\r\n{body}\r\nPING\r\n",
        body.len()
    );
    socket.send(Message::binary(said)).unwrap();
    all.clear();
    while !all.contains("PONG") || !all.contains("x\r\n") {
        if let Message::Binary(bytes) = socket.read().unwrap() {
            all += std::str::from_utf8(&bytes).unwrap();
        }
    }
    assert!(all.contains(&format!("MSG a 1 {}\r\n{body}\r\n", body.len())));
}

/// Runs a test on both servers.
macro_rules! on_both {
    ($($name:ident: $own:ident, $peer:ident;)*) => {
        $(
            #[test]
            fn $own() {
                on_own($name);
            }

            #[test]
            #[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server: see .ci/peers")]
            fn $peer() {
                on_peer($name);
            }
        )*
    };
}

on_both! {
    the_protocol_goes_in_frames: own_protocol_goes_in_frames, peer_protocol_goes_in_frames;
    what_is_wrong_ends_it: what_is_wrong_ends_it_here, what_is_wrong_ends_it_there;
    tls_is_below: own_tls_is_below, peer_tls_is_below;
    pages_show_where_they_come_from_and_cookies: own_pages_show_cookies, peer_pages_show_cookies;
}
