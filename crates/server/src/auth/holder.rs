//! Who shows a certificate (`verify_and_map`): the names in it, one of which is that of a user.

use std::collections::HashMap;

/// A distinguished name: kinds of attributes in capitals, and their values, sorted. In which order a certificate
/// lists them does not matter.
pub(crate) type Subject = Vec<(String, String)>;

/// Who a certificate is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Alternative names: addresses of e-mail, hosts, URIs, in the order in which they count.
    pub(crate) names: Vec<String>,
    /// Distinguished name.
    pub(crate) subject: Subject,
}

/// Names of users that are distinguished names (RFC 4514).
#[derive(Debug, Default)]
pub(crate) struct Subjects(HashMap<Subject, String>);

impl Subjects {
    pub(crate) fn of<'n>(names: impl Iterator<Item = &'n String>) -> Self {
        Self(names.filter_map(|name| Some((subject(name)?, name.clone()))).collect())
    }

    /// The user that a holder is by their distinguished name.
    pub(crate) fn user(&self, holder: &Holder) -> Option<&str> {
        self.0.get(&holder.subject).map(String::as_str)
    }
}

/// The attributes of a distinguished name; `None` if it is none.
fn subject(text: &str) -> Option<Subject> {
    let mut attributes = Vec::new();
    for part in split(text) {
        let (kind, value) = part.split_once('=')?;
        attributes.push((kind.trim().to_ascii_uppercase(), unescaped(value.trim())));
    }
    attributes.sort_unstable();
    Some(attributes)
}

/// The parts between commas and plus signs that no backslash is before.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' | '+' => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(char) = chars.next() {
        let char = if char == '\\' { chars.next() } else { Some(char) };
        plain.extend(char);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_attributes_does_not_matter() {
        let names = ["CN=a, OU=b+O=c".to_owned(), "alice".to_owned(), "cn=x\\,y,DC=com".to_owned()];
        let subjects = Subjects::of(names.iter());
        for (subject, user) in [
            (&[("CN", "a"), ("O", "c"), ("OU", "b")][..], Some("CN=a, OU=b+O=c")),
            (&[("CN", "x,y"), ("DC", "com")], Some("cn=x\\,y,DC=com")),
            (&[("CN", "a")], None),
            (&[], None),
        ] {
            let subject = subject.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
            let holder = Holder { names: Vec::new(), subject: subject.collect() };
            assert_eq!(subjects.user(&holder), user);
        }
    }
}
