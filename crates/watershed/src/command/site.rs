//! The live page that `up` and `serve` have at the address of monitoring.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use watershed_page::{Settings, router};
use watershed_server::{Builder, Config};

/// Adds the page, where it can be a client of the server: without TLS, and with passwords or none.
pub(crate) fn add(builder: Builder, config: &Config, settings: Settings) -> Builder {
    if !is_possible(config) {
        return builder;
    }
    builder.site(move |address| router(&url(address), settings.clone()))
}

/// Whether the page can be a client of such a server.
pub(crate) fn is_possible(config: &Config) -> bool {
    config.tls.as_ref().is_none_or(|tls| tls.allow_non_tls) && config.operator.is_none()
}

/// Where this machine reaches a server that listens at `address`.
fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("nats://{}", SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_connects_to_this_machine() {
        let check = |address: &str, expected: &str| {
            assert_eq!(url(address.parse().unwrap()), expected);
        };
        check("0.0.0.0:4222", "nats://127.0.0.1:4222");
        check("[::]:4222", "nats://[::1]:4222");
        check("10.0.0.7:1", "nats://10.0.0.7:1");
    }
}
