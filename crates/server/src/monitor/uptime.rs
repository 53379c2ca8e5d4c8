//! Spans of time as nats-server writes them.

use std::fmt::Write as _;

/// Seconds as nats-server writes them: `1d2h3m4s`.
pub(super) fn uptime(seconds: i64) -> String {
    let parts = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let mut rest = seconds;
    let mut text = String::new();
    for (length, unit) in parts {
        if rest >= length || !text.is_empty() {
            let _ = write!(text, "{}{unit}", rest / length);
            rest %= length;
        }
    }
    format!("{text}{rest}s")
}

#[cfg(test)]
mod tests {
    use super::uptime;

    #[test]
    fn uptimes_are_short() {
        assert_eq!((uptime(5), uptime(65)), ("5s".into(), "1m5s".into()));
        assert_eq!(uptime(90_061), "1d1h1m1s");
    }
}
