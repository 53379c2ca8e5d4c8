//! `tls { … }`: certificates, and what is asked of clients.

use watershed_wire::conf::{Pair, Value};

use super::refused::refusal;
use super::{Read, duration, error, flag, map, text, wrong};
use crate::config::{HandshakeFirst, TlsConfig};
use crate::tls::Acceptor;

/// Reads a block, and the files that it names.
pub(super) fn tls(pair: &Pair) -> Read<TlsConfig> {
    let mut tls = TlsConfig::new("", "");
    for pair in map(pair)? {
        match pair.key.to_ascii_lowercase().as_str() {
            "cert_file" => tls.cert_file = text(pair)?.into(),
            "key_file" => tls.key_file = text(pair)?.into(),
            "ca_file" => tls.ca_file = Some(text(pair)?.into()),
            "verify" => tls.verify = flag(pair)?,
            "timeout" => tls.timeout = duration(pair)?,
            "handshake_first" | "first" | "immediate" => tls.handshake_first = first(pair)?,
            "min_version" => tls.only_tls13 = is_13(pair)?,
            _ => return Err(refusal(pair)),
        }
    }
    for (path, key) in [(&tls.cert_file, "cert_file"), (&tls.key_file, "key_file")] {
        if path.as_os_str().is_empty() {
            return Err(error(pair, format!("missing `{key}` in `tls`")));
        }
    }
    Acceptor::load(&tls).map_err(|problem| error(pair, problem.to_string()))?;
    Ok(tls)
}

fn first(pair: &Pair) -> Read<HandshakeFirst> {
    match &pair.item.value {
        Value::Flag(true) => Ok(HandshakeFirst::Always),
        Value::Flag(false) => Ok(HandshakeFirst::Never),
        Value::Text { text, .. } => match text.to_ascii_lowercase().as_str() {
            "true" | "on" => Ok(HandshakeFirst::Always),
            "false" | "off" => Ok(HandshakeFirst::Never),
            "auto" | "auto_fallback" => Ok(HandshakeFirst::AUTO),
            _ => duration(pair).map(HandshakeFirst::Within),
        },
        _ => Err(wrong(pair, "true, false, `auto` or a duration")),
    }
}

fn is_13(pair: &Pair) -> Read<bool> {
    match text(pair)?.as_str() {
        "1.2" => Ok(false),
        "1.3" => Ok(true),
        other => Err(error(pair, format!("`min_version` is 1.2 or 1.3, and this is {other}"))),
    }
}
