//! `tls { … }`: certificates, and what is asked of clients.

use watershed_wire::conf::{Pair, Value};

use super::refused::refusal;
use super::{Read, duration, error, flag, map, text, texts, wrong};
use crate::config::{Digest, HandshakeFirst, TlsConfig};
use crate::tls::Acceptor;

/// Reads a block, and the files that it names.
pub(super) fn tls(pair: &Pair) -> Read<TlsConfig> {
    let mut tls = TlsConfig::new("", "");
    for pair in map(pair)? {
        match pair.key.to_ascii_lowercase().as_str() {
            "cert_file" => tls.cert_file = text(pair)?.into(),
            "key_file" => tls.key_file = text(pair)?.into(),
            "ca_file" => tls.ca_file = Some(text(pair)?.into()),
            "verify" => tls.verify |= flag(pair)?,
            "verify_and_map" => {
                tls.map = flag(pair)?;
                tls.verify |= tls.map;
            }
            "pinned_certs" => {
                let digests = texts(pair, "a list of SHA-256 digests")?;
                let digest = |text: &String| {
                    digest(text).ok_or_else(|| {
                        error(pair, format!("`{text}` is not a SHA-256 in 64 hexadecimal digits"))
                    })
                };
                tls.pinned_certs = digests.iter().map(digest).collect::<Read<_>>()?;
            }
            "cipher_suites" => tls.cipher_suites = texts(pair, "a list of cipher suites")?,
            "curve_preferences" => tls.curve_preferences = texts(pair, "a list of curves")?,
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

/// What hexadecimal digits stand for, if it is a SHA-256.
fn digest(text: &str) -> Option<Digest> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()).collect()
}

fn is_13(pair: &Pair) -> Read<bool> {
    match text(pair)?.as_str() {
        "1.2" => Ok(false),
        "1.3" => Ok(true),
        other => Err(error(pair, format!("`min_version` is 1.2 or 1.3, and this is {other}"))),
    }
}
