//! Whether a `.conf` file is nats-server's: many programs call theirs so.

use watershed_wire::conf;

use super::fields::known_at_the_top;

/// Fields at the top that no other program has.
const OWN: &[&str] = &[
    "jetstream",
    "accounts",
    "authorization",
    "leafnodes",
    "system_account",
    "resolver_preload",
    "no_auth_user",
    "max_payload",
    "monitor_port",
    "http_port",
];

/// Whether a file is a configuration of nats-server, by its name or by its fields.
pub(crate) fn is_configuration(name: &str, text: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or_default().to_lowercase();
    if base.contains("nats") {
        return true;
    }
    match conf::parse(text) {
        Ok(pairs) => {
            let known = pairs.iter().filter(|pair| known_at_the_top(&pair.key)).count();
            pairs.iter().any(|pair| is_own(&pair.key)) || known > 0 && known * 2 >= pairs.len()
        }
        // Somebody else's, or one with an error in it.
        Err(_) => text.lines().any(|line| {
            let word = line.split(|c: char| c.is_whitespace() || matches!(c, ':' | '=' | '{'));
            word.into_iter().next().is_some_and(is_own)
        }),
    }
}

fn is_own(key: &str) -> bool {
    OWN.iter().any(|own| key.eq_ignore_ascii_case(own))
}
