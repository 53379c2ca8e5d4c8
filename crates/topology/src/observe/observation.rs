//! The calls that find out what an account has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::json;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::error::table;
use watershed_wire::subject::{is_valid, overlaps};

use super::listing::{Listing, Next, Whole};
use super::observed::{Observed, ObservedConsumer, ObservedStream, ServerFacts};
use crate::call::{CallError, Request, answer};
use crate::lock;
use crate::model::Topology;

/// Finds out what a server has: [`next`](Self::next) says what to ask, [`done`](Self::done) takes
/// the answer. Several questions may be under way at once.
#[derive(Debug)]
pub struct Observation {
    observed: Observed,
    /// Whose consumers are looked at; `None` for everybody's.
    wanted: Option<Wanted>,
    /// What is still to be asked.
    to_ask: VecDeque<Question>,
    /// What was asked and is not answered.
    asked: BTreeMap<Tag, Question>,
    last: Tag,
}

/// Names a question, by which its answer is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(u64);

/// Streams that a topology has to do with.
#[derive(Debug)]
struct Wanted {
    topology: String,
    declared: BTreeSet<String>,
    /// Subjects of the streams that it declares.
    subjects: Vec<String>,
}

impl Wanted {
    /// Whether a stream has a subject that a declared one has, or is to get.
    fn takes_from(&self, stream: &ObservedStream) -> bool {
        let mut all = stream.info.config.subjects.iter();
        all.any(|own| {
            self.subjects.iter().any(|subject| overlaps(own.as_bytes(), subject.as_bytes()))
        })
    }
}

#[derive(Debug)]
enum Question {
    Account,
    Streams(Listing),
    Consumers { stream: String, listing: Listing },
}

impl Question {
    fn request(&self) -> Request {
        match self {
            Self::Account => Request::bare(Call::AccountInfo),
            Self::Streams(listing) => {
                Request::new(Call::StreamList, &json!({"offset": listing.offset()}))
            }
            Self::Consumers { stream, listing } => consumers(stream, listing),
        }
    }
}

fn consumers(stream: &str, listing: &Listing) -> Request {
    Request::new(Call::ConsumerList(stream), &json!({"offset": listing.offset()}))
}

/// Lists the consumers of one stream.
#[derive(Debug, Default)]
pub struct ConsumerListing(Listing);

impl ConsumerListing {
    /// Asks for the next page.
    pub fn request(&self, stream: &str) -> Request {
        consumers(stream, &self.0)
    }

    /// Takes a page. The consumers by name, once all of them are listed.
    pub fn page(
        &mut self,
        reply: &[u8],
    ) -> Result<Option<BTreeMap<String, ObservedConsumer>>, CallError> {
        match std::mem::take(&mut self.0).page(reply)? {
            Next::Ask(listing) => {
                self.0 = listing;
                Ok(None)
            }
            Next::Done(whole) => Ok(Some(read(whole.entries))),
        }
    }
}

fn read(entries: BTreeMap<String, serde_json::Value>) -> BTreeMap<String, ObservedConsumer> {
    entries.into_iter().map(|(name, json)| (name, ObservedConsumer::read(json))).collect()
}

impl Observation {
    /// Looks at all streams of the account, and at the consumers of those that `topology` declares
    /// or owns.
    pub fn new(topology: &Topology, server: ServerFacts) -> Self {
        let names = topology.streams.iter().flat_map(|stream| {
            std::iter::once(&stream.name).chain(&stream.was).map(|name| name.value.clone())
        });
        let subjects = topology.streams.iter().flat_map(|stream| stream.config.subjects.clone());
        let wanted = Wanted {
            topology: topology.name.value.clone(),
            declared: names.collect(),
            subjects: subjects.filter(|subject| is_valid(subject.as_bytes())).collect(),
        };
        Self { wanted: Some(wanted), ..Self::everything(server) }
    }

    /// Looks at all streams of the account, and at the consumers of this one.
    pub fn of_stream(stream: &str, server: ServerFacts) -> Self {
        let wanted = Wanted {
            topology: String::new(),
            declared: BTreeSet::from([stream.to_owned()]),
            subjects: Vec::new(),
        };
        Self { wanted: Some(wanted), ..Self::everything(server) }
    }

    /// Looks at all streams and all consumers of the account.
    pub fn everything(server: ServerFacts) -> Self {
        Self {
            observed: Observed { server, ..Observed::default() },
            wanted: None,
            to_ask: VecDeque::from([Question::Account, Question::Streams(Listing::default())]),
            asked: BTreeMap::new(),
            last: Tag::default(),
        }
    }

    /// Another question. `None` if there is none before one that is under way is answered; and when
    /// none is, everything is known.
    #[expect(clippy::should_implement_trait, reason = "after an answer it goes on behind its end")]
    pub fn next(&mut self) -> Option<(Tag, Request)> {
        let question = self.to_ask.pop_front()?;
        let request = question.request();
        self.last = Tag(self.last.0 + 1);
        self.asked.insert(self.last, question);
        Some((self.last, request))
    }

    /// Takes the answer to the question `tag`, in whatever order they come.
    pub fn done(&mut self, tag: Tag, reply: &[u8]) -> Result<(), CallError> {
        match self.asked.remove(&tag) {
            None => {}
            Some(Question::Account) => self.observed.account = answer(reply)?,
            Some(Question::Streams(listing)) => match listing.page(reply)? {
                Next::Ask(listing) => self.to_ask.push_front(Question::Streams(listing)),
                Next::Done(whole) => self.streams(whole),
            },
            Some(Question::Consumers { stream, listing }) => match listing.page(reply) {
                Ok(Next::Ask(listing)) => {
                    self.to_ask.push_front(Question::Consumers { stream, listing });
                }
                Ok(Next::Done(whole)) => self.consumers(&stream, whole),
                // It went since it was listed.
                Err(CallError::Refused(error))
                    if error.err_code == table::STREAM_NOT_FOUND.code =>
                {
                    self.observed.streams.remove(&stream);
                }
                Err(error) => return Err(error),
            },
        }
        Ok(())
    }

    /// What was seen.
    pub fn finish(self) -> Observed {
        self.observed
    }

    fn streams(&mut self, whole: Whole) {
        self.observed.silent = whole.silent;
        for (name, json) in whole.entries {
            let stream = ObservedStream::read(json);
            let declared =
                self.wanted.as_ref().is_some_and(|wanted| wanted.declared.contains(&name));
            if name == lock::STREAM && !declared {
                // Ours, and nobody's topology.
                continue;
            }
            let wanted = self.wanted.as_ref().is_none_or(|wanted| {
                wanted.declared.contains(&name)
                    || stream.owner() == Some(&wanted.topology)
                    || wanted.takes_from(&stream)
            });
            if wanted && stream.info.state.consumer_count > 0 {
                let listing = Listing::default();
                self.to_ask.push_back(Question::Consumers { stream: name.clone(), listing });
            }
            self.observed.streams.insert(name, stream);
        }
    }

    fn consumers(&mut self, stream: &str, whole: Whole) {
        let Some(there) = self.observed.streams.get_mut(stream) else { return };
        there.silent = whole.silent;
        there.consumers = read(whole.entries);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    /// A server with streams in pages of two, which says something else at every page it is asked for:
    /// the names that it has then.
    fn streams(pages: &[&[&str]]) -> Result<Observed, CallError> {
        let mut observation = Observation::new(&Topology::default(), ServerFacts::default());
        let mut pages = pages.iter();
        while let Some((tag, request)) = observation.next() {
            if request.subject == "$JS.API.INFO" {
                observation.done(tag, b"{\"type\":\"x\",\"memory\":0}")?;
                continue;
            }
            let names = pages.next().expect("it asks no more often");
            let body: Json = serde_json::from_slice(&request.body).unwrap();
            let offset = usize::try_from(body["offset"].as_u64().unwrap()).unwrap();
            let entries = names.iter().skip(offset).take(2);
            let entries: Vec<_> = entries.map(|name| json!({"config": {"name": name}})).collect();
            let page =
                json!({"total": names.len(), "offset": offset, "limit": 2, "streams": entries});
            observation.done(tag, page.to_string().as_bytes())?;
        }
        assert_eq!(pages.next(), None, "it asks as often");
        Ok(observation.finish())
    }

    #[track_caller]
    fn check(pages: &[&[&str]], expected: &str) {
        let seen = streams(pages).unwrap();
        assert_eq!(seen.streams.into_keys().collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn long_lists_come_in_pages() {
        let all: &[&str] = &["a", "b", "c", "d", "e"];
        check(&[all, all, all], "a b c d e");
        check(&[&[]], "");
    }

    #[test]
    fn a_list_that_changes_is_begun_again() {
        let (three, less, more): (&[&str], &[&str], &[&str]) =
            (&["a", "b", "c"], &["b", "c"], &["0", "a", "b", "c"]);
        // One went, and `c` would have been passed over.
        check(&[three, less, less], "b c");
        check(&[three, more, more, more], "0 a b c");
        // As many as before, and one of them twice.
        check(&[&["a", "b", "c"], &["0", "a", "b"], &["0", "a", "b"], &["0", "a", "b"]], "0 a b");
        let unsteady: Vec<&[&str]> =
            (0..18).map(|n| if n % 2 == 0 { three } else { more }).collect();
        assert_eq!(streams(&unsteady).unwrap_err(), CallError::Unsettled);
    }

    /// Answers in any order, to as many questions as there are.
    #[test]
    fn questions_are_under_way_at_once_and_only_where_there_are_consumers() {
        let mut observation = Observation::everything(ServerFacts::default());
        let (account, _) = observation.next().unwrap();
        let (list, _) = observation.next().unwrap();
        assert_eq!(observation.next(), None);
        let stream = |name: &str, consumers: usize| json!({"config": {"name": name}, "state": {"consumer_count": consumers}});
        let entries = [stream("A", 2), stream("B", 0), stream("C", 1), stream("D", 1)];
        let page = json!({"total": 4, "offset": 0, "limit": 256, "streams": entries});
        observation.done(list, page.to_string().as_bytes()).unwrap();
        let asked: Vec<(Tag, Request)> = std::iter::from_fn(|| observation.next()).collect();
        let subjects: Vec<&str> =
            asked.iter().map(|(_, request)| request.subject.as_str()).collect();
        assert_eq!(subjects, ["A", "C", "D"].map(|name| format!("$JS.API.CONSUMER.LIST.{name}")));
        for ((tag, _), name) in asked.iter().zip(["a", "c", "d"]).rev() {
            let total = if name == "a" { 2 } else { 1 };
            let mut page = json!({"total": total, "limit": 256, "consumers": [{"name": name}]});
            if name == "a" {
                page["missing"] = json!(["quiet"]);
            } else if name == "d" {
                page = json!({"error": {"code": 404, "err_code": 10059, "description": "stream not found"}});
            }
            observation.done(*tag, page.to_string().as_bytes()).unwrap();
        }
        assert_eq!(observation.next(), None);
        observation.done(account, br#"{"memory":7}"#).unwrap();
        let seen = observation.finish();
        assert_eq!(seen.account.memory, 7);
        let shown = |(name, stream): (&String, &ObservedStream)| {
            let consumers: Vec<&str> = stream.consumers.keys().map(String::as_str).collect();
            format!("{name}({})", consumers.join(" "))
        };
        assert_eq!(seen.streams.iter().map(shown).collect::<Vec<_>>(), ["A(a)", "B()", "C(c)"]);
        assert_eq!(seen.all_silent(), ["A/quiet"]);
        assert!(seen.is_silent("A", Some("quiet")) && !seen.is_silent("A", Some("a")));
    }

    /// In a cluster, servers that do not answer are named in place of what they keep.
    #[test]
    fn what_does_not_answer_is_not_known_and_counts_in_its_page() {
        let mut observation = Observation::everything(ServerFacts::default());
        let (account, _) = observation.next().unwrap();
        observation.done(account, b"{}").unwrap();
        for (offset, page) in [
            (0, json!({"total": 4, "limit": 2, "streams": [], "missing": ["A", "B"]})),
            (
                2,
                json!({"total": 4, "limit": 2, "streams": [{"config": {"name": "C"}}, {"config": {"name": "D"}}],
                    "missing": ["D"], "offline": {"D": "unsupported"}}),
            ),
        ] {
            let (tag, request) = observation.next().unwrap();
            assert_eq!(request.body, format!("{{\"offset\":{offset}}}").into_bytes());
            observation.done(tag, page.to_string().as_bytes()).unwrap();
        }
        let seen = observation.finish();
        assert_eq!(seen.all_silent(), ["A", "B", "D"]);
        assert_eq!(seen.streams.into_keys().collect::<Vec<_>>(), ["C"]);
    }
}
