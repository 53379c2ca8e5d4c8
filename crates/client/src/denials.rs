//! What the server did not allow. It says so beside the answers, one of which then never comes.

use std::collections::VecDeque;
use std::future::pending;

use tokio::sync::watch;
use watershed_topology::call::{Denied, Operation};

/// Most denials that are remembered; each of them is looked for as soon as it is there.
const REMEMBERED_MAX: usize = 1_024;

/// Denials of a connection, in the order in which they came.
#[derive(Debug, Clone)]
pub(crate) struct Denials {
    user: Option<String>,
    told: watch::Sender<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// How many there were before the first that is remembered.
    forgotten: usize,
    last: VecDeque<Denied>,
}

/// A place in the order of denials.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mark(usize);

impl Denials {
    /// Those of a connection of `user`.
    pub(crate) fn new(user: Option<String>) -> Self {
        Self { user, told: watch::Sender::default() }
    }

    /// Takes an error that the server told.
    pub(crate) fn hear(&self, text: &str) {
        let Some((what, subject)) = parse(text) else { return };
        let denied = Denied { what, subject: subject.to_owned(), user: self.user.clone() };
        self.told.send_modify(|told| {
            told.last.push_back(denied);
            if told.last.len() > REMEMBERED_MAX {
                told.last.pop_front();
                told.forgotten += 1;
            }
        });
    }

    /// What comes from now on is behind this.
    pub(crate) fn mark(&self) -> Mark {
        let told = self.told.borrow();
        Mark(told.forgotten + told.last.len())
    }

    /// The first denial behind `mark` that `concerns` what is done, if there is one.
    pub(crate) fn find(&self, mark: Mark, concerns: impl Fn(&Denied) -> bool) -> Option<Denied> {
        let told = self.told.borrow();
        let before = mark.0.saturating_sub(told.forgotten);
        told.last.iter().skip(before).find(|denied| concerns(denied)).cloned()
    }

    /// The first denial behind `mark` that `concerns` what is done, as soon as there is one.
    pub(crate) async fn wait(&self, mark: Mark, concerns: impl Fn(&Denied) -> bool) -> Denied {
        let mut news = self.told.subscribe();
        loop {
            news.mark_unchanged();
            if let Some(denied) = self.find(mark, &concerns) {
                return denied;
            }
            if news.changed().await.is_err() {
                pending::<()>().await;
            }
        }
    }
}

/// What was not allowed, and on which subject, by the words of nats-server.
fn parse(text: &str) -> Option<(Operation, &str)> {
    const SAID: &str = "permissions violation for ";
    let start = text.to_ascii_lowercase().find(SAID)? + SAID.len();
    let rest = text.get(start..)?;
    let what = match rest.split_whitespace().next()?.to_ascii_lowercase().as_str() {
        "publish" => Operation::Publish,
        "subscription" => Operation::Subscribe,
        _ => return None,
    };
    // `Publish to "a"`, `Subscription to "a" using queue "q"`.
    let subject = rest.split('"').nth(1)?;
    Some((what, subject))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_servers() {
        let check = |text: &str, expected: Option<(Operation, &str)>| {
            assert_eq!(parse(text), expected, "{text}");
        };
        let violation = |rest: &str| format!("nats: Permissions Violation for {rest}");
        let publish = Some((Operation::Publish, "a.b"));
        check(&violation("Publish to \"a.b\""), publish);
        check(&violation("Publish with Reply of \"a.b\""), publish);
        let subscribe = Some((Operation::Subscribe, "a.>"));
        check(&violation("Subscription to \"a.>\""), subscribe);
        check(&violation("Subscription to \"a.>\" using queue \"q\""), subscribe);
        check("nats: authorization violation", None);
        check(&violation(""), None);
        check(&violation("Publish"), None);
    }

    #[test]
    fn what_was_denied_before_does_not_concern_what_is_done_now() {
        let denials = Denials::new(Some("u".into()));
        let deny = |subject: &str| {
            denials.hear(&format!("Permissions Violation for Publish to \"{subject}\""));
        };
        deny("a");
        let mark = denials.mark();
        let found = |subject: &str| denials.find(mark, |denied| denied.subject == subject);
        assert_eq!(found("a"), None);
        for number in 0..REMEMBERED_MAX {
            deny(&number.to_string());
        }
        let told = Denied { what: Operation::Publish, subject: "0".into(), user: Some("u".into()) };
        assert_eq!(found("0"), Some(told));
        deny("last");
        assert!(found("last").is_some() && found("0").is_none());
    }
}
