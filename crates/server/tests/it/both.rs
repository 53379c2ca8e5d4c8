//! One test on this server and on nats-server, each with the configuration that the test asks for.

use std::fs;
use std::net::SocketAddr;

use watershed_peers::NatsServer;
use watershed_server::Server;

/// A server that runs as long as this is kept.
pub(crate) enum Running {
    Own(Server),
    Peer(NatsServer),
}

impl Running {
    /// Where clients come in.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Own(server) => server.local_addr(),
            Self::Peer(server) => server.address,
        }
    }

    /// Where those come in who speak WebSocket.
    pub(crate) fn web_address(&self) -> SocketAddr {
        let url = match self {
            Self::Own(server) => server.websocket_url().unwrap(),
            Self::Peer(server) => server.ports["websocket"][0].as_str().unwrap(),
        };
        url.trim_start_matches("ws://").trim_start_matches("wss://").parse().unwrap()
    }
}

/// Starts a server with a configuration.
pub(crate) type Start<'a> = &'a dyn Fn(&str) -> Running;

/// Runs a test on this server.
pub(crate) fn on_own(run: impl Fn(Start<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nats.conf");
    run(&|conf| {
        fs::write(&path, format!("listen: \"127.0.0.1:0\"\n{conf}")).unwrap();
        let (config, _) = watershed_server::read_config(&path, &|_| None).unwrap();
        Running::Own(Server::builder().config(config).start().unwrap())
    });
}

/// Runs a test on nats-server.
pub(crate) fn on_peer(run: impl Fn(Start<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nats.conf");
    let program = watershed_peers::nats_server();
    run(&|conf| {
        fs::write(&path, conf).unwrap();
        let arguments = ["-c", path.to_str().unwrap()];
        Running::Peer(NatsServer::start_with(&program, &arguments))
    });
}
