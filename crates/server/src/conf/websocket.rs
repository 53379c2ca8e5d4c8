//! `websocket { … }`: who comes in by WebSocket.

use std::net::{IpAddr, SocketAddr};

use watershed_wire::conf::Pair;

use super::{Read, Reader, address, duration, error, flag, map, parsed, port, text, texts, tls};
use crate::config::{HandshakeFirst, WebSocketConfig};
use crate::web::is_origin;

impl Reader<'_> {
    pub(super) fn websocket(&mut self, pair: &Pair) -> Read<()> {
        let block = pair;
        let mut web = WebSocketConfig::new(SocketAddr::from(([0, 0, 0, 0], 0)));
        let (mut host, mut own, mut no_tls) = (None, None, false);
        for pair in map(pair)? {
            match pair.key.to_ascii_lowercase().as_str() {
                "listen" => {
                    let (said, number) = address(pair)?;
                    (host, own) = (said.or(host), Some(number));
                }
                "host" | "net" => host = Some(parsed(pair, "an address")?),
                "port" => own = Some(port(pair)?),
                "no_tls" => no_tls = flag(pair)?,
                "tls" => web.tls = Some(tls::tls(pair)?),
                "same_origin" => web.same_origin = flag(pair)?,
                "allowed_origins" | "allowed_origin" | "allow_origins" | "allow_origin"
                | "origins" | "origin" => web.allowed_origins = origins(pair)?,
                "handshake_timeout" => web.handshake_timeout = duration(pair)?,
                "compression" | "compress" if !flag(pair)? => {}
                "jwt_cookie" => web.cookies.jwt = Some(text(pair)?),
                "user_cookie" => web.cookies.user = Some(text(pair)?),
                "pass_cookie" => web.cookies.password = Some(text(pair)?),
                "token_cookie" => web.cookies.token = Some(text(pair)?),
                "no_auth_user" => {
                    web.no_auth_user = Some(text(pair)?);
                    self.web_guest_line = pair.place.line;
                }
                // Where this server is for others of a cluster, which it is never in.
                "advertise" => drop(text(pair)?),
                _ => self.not_a_setting(pair)?,
            }
        }
        // Without a port there is none.
        let Some(own) = own else { return Ok(()) };
        match &mut web.tls {
            None if !no_tls => {
                return Err(error(block, "missing `tls` in `websocket`, or `no_tls: true`"));
            }
            Some(_) if no_tls => web.tls = None,
            Some(tls) => tls.handshake_first = HandshakeFirst::Always,
            None => {}
        }
        web.listen = SocketAddr::new(host.unwrap_or(IpAddr::from([0, 0, 0, 0])), own);
        self.config.websocket = Some(web);
        Ok(())
    }
}

fn origins(pair: &Pair) -> Read<Vec<String>> {
    let origins = texts(pair, "origins")?;
    match origins.iter().find(|text| !is_origin(text)) {
        Some(text) => Err(error(pair, format!("invalid origin `{text}`"))),
        None => Ok(origins),
    }
}
