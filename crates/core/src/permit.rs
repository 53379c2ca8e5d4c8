//! What a user may publish and subscribe to.
//!
//! A filter is refused if no allow entry holds it or a deny entry holds it. A filter that merely
//! overlaps a deny entry is accepted, and each message is judged when it is delivered: a wildcard
//! never reaches behind a deny.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use watershed_wire::subject::{Filter, SubjectError, contains, matches, overlaps};

/// What is allowed or denied: a filter and, of subscriptions, the queue groups that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Grant {
    filter: Filter,
    /// Names of groups, with wildcards as a subject has them; `None` for every subscription.
    queue: Option<Filter>,
}

impl Grant {
    /// Every message and subscription that `filter` holds.
    pub fn new(filter: &str) -> Result<Self, SubjectError> {
        Ok(Self { filter: Filter::new(filter)?, queue: None })
    }

    /// As nats.conf and JWTs write it of subscriptions: a filter, and behind a space the queue groups if it is about them alone.
    pub fn of_subscriptions(text: &str) -> Result<Self, SubjectError> {
        match text.trim().split_once(char::is_whitespace) {
            None => Self::new(text.trim()),
            Some((filter, queue)) => {
                Ok(Self { queue: Some(Filter::new(queue.trim_start())?), ..Self::new(filter)? })
            }
        }
    }
}

impl TryFrom<String> for Grant {
    type Error = SubjectError;

    fn try_from(text: String) -> Result<Self, SubjectError> {
        Self::of_subscriptions(&text)
    }
}

impl From<Grant> for String {
    fn from(grant: Grant) -> Self {
        grant.to_string()
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.filter.as_str())?;
        self.queue.as_ref().map_or(Ok(()), |queue| write!(f, " {}", queue.as_str()))
    }
}

/// Whether one of `list` holds something. For a member of a queue group, what the list says of groups there
/// counts, and only where it says nothing of any, what it says of everybody.
fn names(list: &[Grant], holds: impl Fn(&[u8]) -> bool, queue: Option<&[u8]>) -> bool {
    let (mut everybody, mut groups) = (false, None);
    for grant in list.iter().filter(|grant| holds(grant.filter.as_bytes())) {
        match (&grant.queue, queue) {
            (None, None) => return true,
            (None, Some(_)) => everybody = true,
            (Some(own), Some(queue)) => {
                groups = Some(groups.unwrap_or(false) || own.matches(queue));
            }
            (Some(_), None) => {}
        }
    }
    groups.unwrap_or(everybody)
}

/// Allow and deny lists for one direction. No allow list at all means everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// What is allowed; `None` for everything, empty for nothing.
    pub allow: Option<Vec<Grant>>,
    /// What is denied, whatever is allowed.
    pub deny: Vec<Grant>,
}

impl Rules {
    /// What may be published; without an allow list everything is.
    pub fn of_publishes(allow: Option<&[String]>, deny: &[String]) -> Result<Self, SubjectError> {
        Self::of(allow, deny, Grant::new)
    }

    /// What may be subscribed to; without an allow list everything is. Behind a filter, queue groups may stand.
    pub fn of_subscriptions(
        allow: Option<&[String]>,
        deny: &[String],
    ) -> Result<Self, SubjectError> {
        Self::of(allow, deny, Grant::of_subscriptions)
    }

    fn of(
        allow: Option<&[String]>,
        deny: &[String],
        grant: impl Fn(&str) -> Result<Grant, SubjectError>,
    ) -> Result<Self, SubjectError> {
        let grants = |all: &[String]| all.iter().map(|one| grant(one)).collect();
        Ok(Self { allow: allow.map(grants).transpose()?, deny: grants(deny)? })
    }

    /// Whether a message to the literal `subject` may pass.
    fn permits_subject(&self, subject: &[u8]) -> bool {
        let hit = |list: &[Grant]| names(list, |own| matches(own, subject), None);
        self.allow.as_deref().is_none_or(hit) && !hit(&self.deny)
    }

    /// Whether a message to a subscription that may exist is denied to it.
    fn denies_subject(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        names(&self.deny, |own| matches(own, subject), queue)
    }

    /// Whether a subscription to `filter` may exist.
    fn permits_filter(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        let holds = |list: &[Grant]| names(list, |own| contains(own, filter), queue);
        self.allow.as_deref().is_none_or(holds) && !holds(&self.deny)
    }

    fn denies_part_of(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        let concerns = |grant: &Grant| match (&grant.queue, queue) {
            (None, _) => true,
            (Some(own), queue) => queue.is_some_and(|queue| own.matches(queue)),
        };
        let mut denied = self.deny.iter().filter(|grant| concerns(grant));
        denied.any(|grant| overlaps(grant.filter.as_bytes(), filter))
    }
}

/// Answers to what a user received: they may be published wherever they are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Responses {
    /// How many to one message; negative for any number.
    pub max: i64,
    /// Time in which they may come, in nanoseconds; negative for unlimited.
    pub ttl: i64,
}

impl Responses {
    /// With nats-server's value in place of 0: one answer, within two minutes.
    fn or_defaults(self) -> Self {
        const TTL: i64 = 120 * 1_000_000_000;
        let or = |value, default| if value == 0 { default } else { value };
        Self { max: or(self.max, 1), ttl: or(self.ttl, TTL) }
    }

    /// How long an answer may take, if not any time.
    pub(crate) fn within(self) -> Option<Duration> {
        u64::try_from(self.ttl).ok().map(Duration::from_nanos)
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
    /// Answers, which may be published whatever `publish` says.
    pub responses: Option<Responses>,
}

impl Permissions {
    /// What may be published and subscribed to. As on nats-server, with `responses` only what `publish` names may be
    /// published beside them.
    pub fn new(mut publish: Rules, subscribe: Rules, responses: Option<Responses>) -> Self {
        if responses.is_some() {
            publish.allow.get_or_insert_default();
        }
        Self { publish, subscribe, responses: responses.map(Responses::or_defaults) }
    }
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

    /// Answers that may be published, whatever [`Permit::publish`] says.
    pub fn responses(&self) -> Option<Responses> {
        self.0.as_ref()?.responses
    }

    /// Whether a message may be published to `subject`.
    #[inline]
    pub fn publish(&self, subject: &[u8]) -> bool {
        self.0.as_ref().is_none_or(|all| all.publish.permits_subject(subject))
    }

    /// Whether `filter` may be subscribed to, by a member of `queue` if there is one.
    pub fn subscribe(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        self.0.as_ref().is_none_or(|all| all.subscribe.permits_filter(filter, queue))
    }

    /// Whether messages of a subscription to `filter` must be judged one by one.
    pub fn judges_deliveries(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        self.0.as_ref().is_some_and(|all| all.subscribe.denies_part_of(filter, queue))
    }

    /// Whether a message of `subject` may be delivered to a subscription that may exist.
    pub fn deliver(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.0.as_ref().is_none_or(|all| !all.subscribe.denies_subject(subject, queue))
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
        let subscribe = |filter: &[u8]| permit.subscribe(filter, None);
        assert!(subscribe(b"b.*") && subscribe(b"_INBOX.x.y"));
        assert!(!subscribe(b"b.>") && !subscribe(b"b.secret") && !subscribe(b">"));
        let judges = |filter: &[u8]| permit.judges_deliveries(filter, None);
        assert!(judges(b"b.*") && !judges(b"_INBOX.>"));
        assert!(permit.deliver(b"b.x", None) && !permit.deliver(b"b.secret", None));
    }

    #[test]
    fn queue_groups_are_judged() {
        let permit = permit(
            r#"{"subscribe":{"allow":["g.* v1","g.* v2.*","h"],"deny":["h bad","g.x v2.no"]}}"#,
        );
        for (filter, queue, allowed) in [
            ("g.a", None, false),
            ("g.a", Some("v1"), true),
            ("g.a", Some("v2"), false),
            ("g.a", Some("v2.x"), true),
            ("g.x", Some("v2.no"), false),
            ("g.x", Some("v1"), true),
            ("h", None, true),
            ("h", Some("any"), true),
            ("h", Some("bad"), false),
        ] {
            let queue = queue.map(str::as_bytes);
            assert_eq!(permit.subscribe(filter.as_bytes(), queue), allowed, "{filter} {queue:?}");
        }
        let group = Some(&b"v2.no"[..]);
        assert!(permit.subscribe(b"g.*", group) && permit.judges_deliveries(b"g.*", group));
        assert!(permit.deliver(b"g.y", group) && !permit.deliver(b"g.x", group));
        assert!(!permit.judges_deliveries(b"g.*", Some(b"v1")));
        // What one group may not have says nothing of what nobody may.
        let permit = self::permit(r#"{"subscribe":{"deny":["h.secret","h.x bad"]}}"#);
        assert!(permit.judges_deliveries(b"h.*", Some(b"q")));
        assert!(!permit.deliver(b"h.secret", Some(b"q")) && permit.deliver(b"h.x", Some(b"q")));
    }

    #[test]
    fn an_empty_allow_list_allows_nothing() {
        let nothing = permit(r#"{"publish":{"allow":[]}}"#);
        assert!(!nothing.publish(b"a") && nothing.subscribe(b">", None));
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
            let (wanted, subject) = (wanted.as_bytes(), subject.as_bytes());
            let sees = permit.subscribe(wanted, None)
                && matches(wanted, subject)
                && (!permit.judges_deliveries(wanted, None) || permit.deliver(subject, None));
            prop_assert!(!sees || permitted);
        }
    }
}
