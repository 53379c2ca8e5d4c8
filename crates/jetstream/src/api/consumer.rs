//! Creating, changing and looking at consumers, and asking them for messages.

use serde::Serialize;
use watershed_base::AccountId;
use watershed_wire::ident::short_id;
use watershed_wire::jetstream::account::{Page, Reply};
use watershed_wire::jetstream::check::{Bounds, reached};
use watershed_wire::jetstream::consumer::{
    ConsumerConfig, ConsumerInfo, ConsumerListRequest, CreateRequest, DeliverPolicy,
};
use watershed_wire::jetstream::create::{Named, Outcome, named, outcome};
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::stream::Retention;
use watershed_wire::jetstream::{StreamConfig, check, json, level};
use watershed_wire::subject;

use super::request::{Answer, Request};
use crate::consumer_key::ConsumerKey;
use crate::jetstream::{JetStream, Work};
use crate::limits::{NAMES_PER_PAGE, STREAMS_PER_PAGE};
use crate::network::Network;
use crate::record::Command;
use crate::state::{Search, StreamKey};

const CREATE: &str = "consumer_create_response";
const INFO: &str = "consumer_info_response";

#[derive(Default, Serialize)]
struct Names {
    #[serde(flatten)]
    page: Page,
    consumers: Vec<String>,
}

#[derive(Default, Serialize)]
struct List {
    #[serde(flatten)]
    page: Page,
    consumers: Vec<ConsumerInfo>,
}

impl JetStream {
    pub(super) fn consumer_create(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        stream: &str,
        named: Named<'_>,
    ) -> Answer {
        match self.try_create(net, request, stream, named) {
            Ok(answer) => answer,
            Err(error) => Self::refuse_call(CREATE, error),
        }
    }

    fn try_create(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        stream: &str,
        subject: Named<'_>,
    ) -> Result<Answer, ApiError> {
        let create: CreateRequest = json::decode(request.body)?;
        if create.stream_name != stream {
            return Err(table::STREAM_MISMATCH.into());
        }
        let mut config = create.config;
        named(&mut config, subject)?;
        let Some((key, _)) = self.state.find(request.account, stream) else {
            return Err(table::STREAM_NOT_FOUND.into());
        };
        if config.name.is_empty() && config.durable_name.is_empty() {
            config.name = short_id(self.random.next());
        }
        let threshold_set = config.inactive_threshold != 0;
        let bounds = self.bounds(request.account);
        let on = &self.state.stream(key).config;
        let adjusted = create.pedantic.then(|| check::consumer_pedantic(&config, on));
        if let Some(error) = adjusted.flatten() {
            return Err(error);
        }
        Self::check_consumer(on, &mut config, &bounds)?;
        let stream = self.state.stream(key);
        let existing = stream.consumers.find(&config.name).map(|(index, _)| index);
        let old = existing.map(|index| &stream.consumers[index].config);
        match outcome(old, &mut config, create.action, threshold_set)? {
            Outcome::Create if reached(stream.consumers.len(), bounds.max_consumers) => {
                return Err(table::MAXIMUM_CONSUMERS_LIMIT.into());
            }
            Outcome::Create => {}
            Outcome::Update => refuse_takeover(net, stream.account, old, &config)?,
            Outcome::Unchanged => {
                let place = existing.map(|index| ConsumerKey::new(key, index));
                if let Some(place) = place {
                    self.tell_if_paused(net, place);
                }
                let info = place.map(|place| self.consumer_info(net, place));
                return Ok(Answer::Reply(json::encode(&Reply::new(CREATE, Ok(info)))));
            }
        }
        self.check_neighbours(key, &config)?;
        // What it passed over stays so, whatever its filters are from now on.
        let dispatcher = existing.and_then(|index| self.live(key).dispatcher(index));
        let mut cursor = dispatcher.map(|own| own.cursor);
        if existing.is_none() && begins_with_search(&config) {
            // One that is far behind is looked for now, so that the record need not.
            let was_searched = self.found.is_some();
            let log = &self.state.stream(key).log;
            let filters = config.filters().iter().map(String::as_bytes);
            let search = Search::last(filters, log);
            let end = log.last() + 1;
            match self.search(key, search) {
                Ok(last) => cursor = was_searched.then_some(last.unwrap_or(end)),
                Err(search) => return Ok(Answer::Search(key, Work::Search(search))),
            }
        }
        let command = Command::PutConsumer { config: Box::new(config), cursor };
        Ok(Answer::Change(key, CREATE, command))
    }

    /// What a consumer breaks by itself and on its stream.
    pub(crate) fn check_consumer(
        stream: &StreamConfig,
        config: &mut ConsumerConfig,
        bounds: &Bounds,
    ) -> Result<(), ApiError> {
        check::fill_consumer(config, stream, bounds);
        let mut found = check::consumer(config);
        if config.num_replicas > 1 {
            return Err(table::STREAM_REPLICAS_NOT_SUPPORTED.into());
        }
        found.extend(check::consumer_on_stream(config, stream));
        found.extend(check::consumer_within(config, bounds));
        if let Some(violation) = found.into_iter().next() {
            return Err(violation.error);
        }
        if config.direct {
            return Err(table::CONSUMER_CREATE.with("`direct` is not supported by this server yet"));
        }
        let required = level::required_by_consumer(config);
        level::keep(&mut config.metadata, required);
        Ok(())
    }

    /// What a consumer breaks together with the stream's others.
    fn check_neighbours(&self, stream: StreamKey, config: &ConsumerConfig) -> Result<(), ApiError> {
        let stream = self.state.stream(stream);
        let others = || {
            let others = stream.consumers.iter().map(|(_, other)| &other.config);
            others.filter(|other| other.name != config.name)
        };
        let is_new = stream.consumers.find(&config.name).is_none();
        let limit = usize::try_from(stream.config.max_consumers).ok();
        if is_new && limit.is_some_and(|limit| others().count() >= limit) {
            return Err(table::MAXIMUM_CONSUMERS_LIMIT.into());
        }
        if stream.config.retention != Retention::WorkQueue || others().count() == 0 {
            return Ok(());
        }
        if config.filters().is_empty() {
            return Err(table::CONSUMER_WQ_MULTIPLE_UNFILTERED.into());
        }
        if others().any(|other| other.filters().is_empty()) {
            return Err(table::CONSUMER_WQ_CONSUMER_NOT_UNIQUE.into());
        }
        let theirs = others().flat_map(ConsumerConfig::filters).map(String::as_str);
        if check::meet(config.filters().iter().map(String::as_str), theirs)? {
            return Err(table::CONSUMER_WQ_CONSUMER_NOT_UNIQUE.into());
        }
        Ok(())
    }

    pub(super) fn consumer_names(&mut self, request: &Request<'_>, stream: &str) -> Answer {
        const KIND: &str = "consumer_names_response";
        let (key, offset) = match self.listed_stream(request, stream) {
            Ok(listed) => listed,
            Err(error) => return Answer::refuse_beside(KIND, Names::default(), error),
        };
        let all = self.state.stream(key).consumers.by_name();
        let page = Page::of(all.len(), offset, NAMES_PER_PAGE);
        let names = all.skip(offset).take(NAMES_PER_PAGE);
        let consumers = names.map(|(name, _)| name.to_owned()).collect();
        Answer::Reply(json::encode(&Reply::new(KIND, Ok(Names { page, consumers }))))
    }

    pub(super) fn consumer_list(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        stream: &str,
    ) -> Answer {
        const KIND: &str = "consumer_list_response";
        let (key, offset) = match self.listed_stream(request, stream) {
            Ok(listed) => listed,
            Err(error) => return Answer::refuse_beside(KIND, List::default(), error),
        };
        let all = self.state.stream(key).consumers.by_name();
        let total = all.len();
        let page = all.skip(offset).take(STREAMS_PER_PAGE);
        let page: Vec<usize> = page.map(|(_, index)| index).collect();
        let consumers = page.into_iter().map(|index| ConsumerKey::new(key, index));
        let mut consumers: Vec<_> = consumers.map(|key| self.consumer_info(net, key)).collect();
        // Which server it is stands in what is said of one alone, as with streams.
        for info in &mut consumers {
            level::hide(&mut info.config.metadata);
        }
        let page = Page::of(total, offset, STREAMS_PER_PAGE);
        Answer::Reply(json::encode(&Reply::new(KIND, Ok(List { page, consumers }))))
    }

    /// The stream whose consumers are to be listed, and how many to pass over.
    fn listed_stream(
        &self,
        request: &Request<'_>,
        stream: &str,
    ) -> Result<(StreamKey, usize), ApiError> {
        let ConsumerListRequest { offset } = json::decode_optional(request.body)?;
        let found = self.state.find(request.account, stream);
        Ok((found.ok_or(table::STREAM_NOT_FOUND)?.0, offset))
    }

    pub(super) fn consumer_info_call(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        stream: &str,
        name: &str,
    ) -> Answer {
        if !json::asks_nothing(request.body) {
            return Self::refuse_call(INFO, table::NOT_EMPTY_REQUEST);
        }
        if let Err(answer) = self.stream_or(request, INFO, stream) {
            return answer;
        }
        let Some(key) = self.consumer(request.account, stream, name) else {
            return Self::refuse_call(INFO, table::CONSUMER_NOT_FOUND);
        };
        let info = self.consumer_info(net, key);
        Answer::Reply(json::encode(&Reply::new(INFO, Ok(info))))
    }

    pub(super) fn consumer_delete(
        &mut self,
        request: &Request<'_>,
        stream: &str,
        name: &str,
    ) -> Answer {
        const KIND: &str = "consumer_delete_response";
        if !json::asks_nothing(request.body) {
            return Self::refuse_call(KIND, table::NOT_EMPTY_REQUEST);
        }
        let key = match self.stream_or(request, KIND, stream) {
            Ok(key) => key,
            Err(answer) => return answer,
        };
        if self.state.stream(key).consumers.find(name).is_none() {
            return Self::refuse_call(KIND, table::CONSUMER_NOT_FOUND);
        }
        Answer::Change(key, KIND, Command::DeleteConsumer { name: name.to_owned() })
    }

    /// A client asks for messages. Says whether there is such a consumer, and it answers requests.
    pub(super) fn consumer_next(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        stream: &str,
        name: &str,
    ) -> bool {
        let Some(key) = self.consumer(request.account, stream, name) else { return false };
        self.pull(net, key, request.account, request.reply, request.body);
        true
    }

    /// A consumer as replies about it show it.
    pub(crate) fn consumer_info(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
    ) -> ConsumerInfo {
        self.forget_gone_clients(net, key);
        let stream = self.state.stream(key.stream);
        let consumer = &stream.consumers[key.index()];
        let backlog = stream.consumers.backlog(key.index());
        let mut info = consumer.info(&stream.config.name, backlog, self.now.wall);
        let via = consumer.config.deliver_subject.as_bytes();
        info.push_bound = !via.is_empty() && net.listens(stream.account, via);
        if let Some(dispatcher) = self.live.dispatcher(key) {
            info.num_waiting = dispatcher.waiting.len();
            if let Some(start) = dispatcher.start(&stream.log) {
                (info.delivered.stream_seq, info.ack_floor.stream_seq) = (start, start);
            }
        }
        info.priority_groups = self.groups_of(key);
        level::show(&mut info.config.metadata);
        info
    }
}

/// Whether it is a search where a consumer begins.
fn begins_with_search(config: &ConsumerConfig) -> bool {
    let open = |filter: &String| subject::has_wildcard(filter.as_bytes());
    config.deliver_policy == DeliverPolicy::Last && config.filters().iter().any(open)
}

/// Refuses to take a push consumer away from whoever listens where it delivers.
fn refuse_takeover(
    net: &mut impl Network,
    account: AccountId,
    old: Option<&ConsumerConfig>,
    new: &ConsumerConfig,
) -> Result<(), ApiError> {
    let Some(old) = old.filter(|old| old.is_push()) else { return Ok(()) };
    let moves = old.deliver_subject != new.deliver_subject;
    if moves && net.listens(account, old.deliver_subject.as_bytes()) {
        return Err(table::CONSUMER_NAME_EXIST.into());
    }
    Ok(())
}
