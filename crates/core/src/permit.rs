//! What a user may publish and subscribe to.
//!
//! A filter is refused if no allow entry holds it or a deny entry holds it. A filter that merely
//! overlaps a deny entry is accepted, and each message is judged when it is delivered: a wildcard
//! never reaches behind a deny.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watershed_wire::subject::{Filter, SubjectError, contains, matches, overlaps};

/// Allow and deny lists for one direction. No allow list at all means everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// What is allowed; `None` for everything, empty for nothing.
    pub allow: Option<Vec<Filter>>,
    /// What is denied, whatever is allowed.
    pub deny: Vec<Filter>,
}

impl Rules {
    /// Allows and denies these filters; without an allow list everything is allowed.
    pub fn new(allow: Option<&[String]>, deny: &[String]) -> Result<Self, SubjectError> {
        let filters = |all: &[String]| all.iter().map(|one| Filter::new(one)).collect();
        Ok(Self { allow: allow.map(filters).transpose()?, deny: filters(deny)? })
    }

    /// Whether a message to or from the literal `subject` may pass.
    fn permits_subject(&self, subject: &[u8]) -> bool {
        let hit = |list: &[Filter]| list.iter().any(|filter| matches(filter.as_bytes(), subject));
        self.allow.as_deref().is_none_or(hit) && !hit(&self.deny)
    }

    /// Whether a subscription to `filter` may exist.
    fn permits_filter(&self, filter: &[u8]) -> bool {
        let holds = |list: &[Filter]| list.iter().any(|own| contains(own.as_bytes(), filter));
        self.allow.as_deref().is_none_or(holds) && !holds(&self.deny)
    }

    fn denies_part_of(&self, filter: &[u8]) -> bool {
        self.deny.iter().any(|deny| overlaps(deny.as_bytes(), filter))
    }
}

/// What a user may do. Shared by all of the user's connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// Subjects that may be published to.
    pub publish: Rules,
    /// Subjects that may be subscribed to.
    pub subscribe: Rules,
}

/// A connection's view on its user's permissions. `None` is a user who may do everything.
#[derive(Debug, Clone, Default)]
pub struct Permit(Option<Arc<Permissions>>);

impl Permit {
    /// A permit for `permissions`.
    pub fn new(permissions: Option<Arc<Permissions>>) -> Self {
        Self(permissions)
    }

    /// What the user may do; `None` for everything.
    pub fn permissions(&self) -> Option<&Permissions> {
        self.0.as_deref()
    }

    /// Whether a message may be published to `subject`.
    #[inline]
    pub fn publish(&self, subject: &[u8]) -> bool {
        self.0.as_ref().is_none_or(|all| all.publish.permits_subject(subject))
    }

    /// Whether `filter` may be subscribed to.
    pub fn subscribe(&self, filter: &[u8]) -> bool {
        self.0.as_ref().is_none_or(|all| all.subscribe.permits_filter(filter))
    }

    /// Whether messages of a subscription to `filter` must be judged one by one.
    pub fn judges_deliveries(&self, filter: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|all| all.subscribe.denies_part_of(filter))
    }

    /// Whether a message of `subject` may be delivered.
    pub fn deliver(&self, subject: &[u8]) -> bool {
        self.0.as_ref().is_none_or(|all| all.subscribe.permits_subject(subject))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permit(json: &str) -> Permit {
        Permit::new(Some(Arc::new(serde_json::from_str(json).unwrap())))
    }

    #[test]
    fn lists_are_judged() {
        let permit = permit(
            r#"{"publish":{"allow":["a.>"],"deny":["a.secret"]},
                "subscribe":{"allow":["b.*","_INBOX.>"],"deny":["b.secret"]}}"#,
        );
        assert!(permit.publish(b"a.x") && !permit.publish(b"a.secret") && !permit.publish(b"b"));
        assert!(permit.subscribe(b"b.*") && permit.subscribe(b"_INBOX.x.y"));
        assert!(
            !permit.subscribe(b"b.>") && !permit.subscribe(b"b.secret") && !permit.subscribe(b">")
        );
        assert!(permit.judges_deliveries(b"b.*") && !permit.judges_deliveries(b"_INBOX.>"));
        assert!(permit.deliver(b"b.x") && !permit.deliver(b"b.secret"));
    }

    #[test]
    fn an_empty_allow_list_allows_nothing() {
        let nothing = permit(r#"{"publish":{"allow":[]}}"#);
        assert!(!nothing.publish(b"a") && nothing.subscribe(b">"));
        assert!(Permit::default().publish(b"a"));
    }

    fn filter() -> impl Strategy<Value = String> {
        let token = prop_oneof![Just("a"), Just("b"), Just("*")];
        (proptest::collection::vec(token, 1..3), any::<bool>()).prop_map(|(mut tokens, tail)| {
            if tail {
                tokens.push(">");
            }
            tokens.join(".")
        })
    }

    proptest! {
        /// Whatever the lists, a subscriber sees exactly the subjects that the lists permit.
        #[test]
        fn a_wildcard_never_reaches_behind_a_deny(
            allow in proptest::option::of(proptest::collection::vec(filter(), 0..3)),
            deny in proptest::collection::vec(filter(), 0..3),
            wanted in filter(),
            subject in "(a|b|c)(\\.(a|b|c)){0,3}",
        ) {
            let json = serde_json::json!({"subscribe": {"allow": allow, "deny": deny}});
            let permit = permit(&json.to_string());
            let takes = |list: &[String]| list.iter().any(|f| matches(f.as_bytes(), subject.as_bytes()));
            let permitted = allow.as_deref().is_none_or(takes) && !takes(&deny);
            let sees = permit.subscribe(wanted.as_bytes())
                && matches(wanted.as_bytes(), subject.as_bytes())
                && (!permit.judges_deliveries(wanted.as_bytes()) || permit.deliver(subject.as_bytes()));
            prop_assert!(!sees || permitted);
        }
    }
}
