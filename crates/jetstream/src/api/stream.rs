//! Creating, changing and looking at streams.

use serde::Serialize;
use watershed_wire::jetstream::account::{Page, Reply};
use watershed_wire::jetstream::check::{Violation, reached};
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::stream::{
    ClusterInfo, PurgeRequest, Storage, StreamInfo, StreamInfoRequest, StreamListRequest,
};
use watershed_wire::jetstream::{StreamConfig, change, check, json, level};
use watershed_wire::subject;
use watershed_wire::time::UnixNanos;

use super::origin::check_origins;
use super::request::{Answer, Created, Request};
use super::unbuilt;
use crate::jetstream::{JetStream, Work};
use crate::limits::{DELETED_DETAILS_MAX, NAMES_PER_PAGE, STREAMS_PER_PAGE, SUBJECTS_PER_PAGE};
use crate::network::Network;
use crate::record::Command;
use crate::state::{Search, Stream, StreamKey, Subjects};

const CREATE: &str = "stream_create_response";
const UPDATE: &str = "stream_update_response";
const INFO: &str = "stream_info_response";
const PURGE: &str = "stream_purge_response";

#[derive(Default, Serialize)]
struct Names {
    #[serde(flatten)]
    page: Page,
    /// Nothing where there are none, as on nats-server.
    streams: Option<Vec<String>>,
}

#[derive(Default, Serialize)]
struct List {
    #[serde(flatten)]
    page: Page,
    streams: Vec<StreamInfo>,
}

#[derive(Serialize)]
struct NotPurged {
    purged: u64,
}

#[derive(Serialize)]
struct PagedInfo {
    #[serde(flatten)]
    page: Page,
    #[serde(flatten)]
    info: Option<StreamInfo>,
}

impl JetStream {
    pub(super) fn stream_names(&mut self, request: &Request<'_>) -> Answer {
        const KIND: &str = "stream_names_response";
        let wanted: StreamListRequest = match json::decode_optional(request.body) {
            Ok(wanted) => wanted,
            Err(error) => return Answer::refuse_beside(KIND, Names::default(), error),
        };
        let all = self.listed(request, &wanted);
        let names = all.iter().map(|(_, stream)| stream.config.name.clone());
        let streams: Vec<_> = names.skip(wanted.offset).take(NAMES_PER_PAGE).collect();
        let page = Page::of(all.len(), wanted.offset, NAMES_PER_PAGE);
        let names = Names { page, streams: Some(streams).filter(|names| !names.is_empty()) };
        Answer::Reply(json::encode(&Reply::new(KIND, Ok(names))))
    }

    pub(super) fn stream_list(&mut self, request: &Request<'_>) -> Answer {
        const KIND: &str = "stream_list_response";
        let wanted: StreamListRequest = match json::decode_optional(request.body) {
            Ok(wanted) => wanted,
            Err(error) => return Answer::refuse_beside(KIND, List::default(), error),
        };
        let all = self.listed(request, &wanted);
        let infos = all.iter().skip(wanted.offset).take(STREAMS_PER_PAGE);
        let streams =
            infos.map(|(key, stream)| self.describe(*key, stream, self.now.wall)).collect();
        let page = Page::of(all.len(), wanted.offset, STREAMS_PER_PAGE);
        let list = List { page, streams };
        Answer::Reply(json::encode(&Reply::new(KIND, Ok(list))))
    }

    fn listed(
        &self,
        request: &Request<'_>,
        wanted: &StreamListRequest,
    ) -> Vec<(StreamKey, &Stream)> {
        let takes = |(_, stream): &(StreamKey, &Stream)| {
            let filter = wanted.subject.as_bytes();
            let subjects = &stream.config.subjects;
            filter.is_empty()
                || subjects.iter().any(|own| subject::overlaps(own.as_bytes(), filter))
        };
        let own = self.state.keys_of(request.account).filter(|(_, stream)| !stream.is_hidden());
        own.filter(takes).collect()
    }

    pub(super) fn stream_create(&mut self, request: &Request<'_>, name: &str) -> Answer {
        let config = json::decode(request.body).and_then(|config| {
            Self::check_name(&config, name)?;
            self.fill_config(request, config, check::stream)
        });
        let config = match config {
            Ok(config) => config,
            Err(error) => return Self::refuse_call(CREATE, error),
        };
        if let Some((key, existing)) = self.state.find(request.account, name) {
            if existing.config != config {
                return Self::refuse_call(CREATE, table::STREAM_NAME_EXIST);
            }
            let created = self.created(key);
            return Answer::Reply(json::encode(&Reply::new(CREATE, Ok(created))));
        }
        if config.sealed {
            let text = "stream configuration for create can not be sealed";
            return Self::refuse_call(CREATE, table::STREAM_INVALID_CONFIG.with(text));
        }
        let unbuilt = unbuilt::refuse(&config).map_or(Ok(()), Err);
        if let Err(error) = unbuilt.and_then(|()| self.check_resources(request, &config)) {
            return Self::refuse_call(CREATE, error);
        }
        let account = self.state.accounts.name(request.account).to_owned();
        let log = self.next_log();
        let command = Command::CreateStream { account, config: Box::new(config) };
        Answer::Create(log, CREATE, command)
    }

    pub(super) fn stream_update(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        name: &str,
    ) -> Answer {
        let config = json::decode(request.body).and_then(|config| {
            let config = self.fill_config(request, config, check::stream_update)?;
            Self::check_name(&config, name)?;
            Ok(config)
        });
        let config = match config {
            Ok(config) => config,
            Err(error) => return Self::refuse_call(UPDATE, error),
        };
        let Some((key, existing)) = self.state.find(request.account, name) else {
            return Self::refuse_call(UPDATE, table::STREAM_NOT_FOUND);
        };
        if let Some(error) = change::refuse_stream(&existing.config, &config) {
            return Self::refuse_call(UPDATE, error);
        }
        if existing.config == config {
            self.notice_updated(net, key);
            let reply = Reply::new(UPDATE, Ok(self.stream_info(key)));
            return Answer::Reply(json::encode(&reply));
        }
        let unbuilt = unbuilt::refuse(&config).map_or(Ok(()), Err);
        if let Err(error) = unbuilt.and_then(|()| self.check_resources(request, &config)) {
            return Self::refuse_call(UPDATE, error);
        }
        Answer::Change(key, UPDATE, Command::UpdateStream { config: Box::new(config) })
    }

    /// Whether a configuration is that of the stream which a call names.
    pub(super) fn check_name(config: &StreamConfig, name: &str) -> Result<(), ApiError> {
        if config.name == name { Ok(()) } else { Err(table::STREAM_MISMATCH.into()) }
    }

    /// A configuration, filled and valid by itself.
    pub(super) fn fill_config(
        &self,
        request: &Request<'_>,
        mut config: StreamConfig,
        valid: fn(&StreamConfig) -> Vec<Violation>,
    ) -> Result<StreamConfig, ApiError> {
        let bounds = self.bounds(request.account);
        check::fill_stream(&mut config, &bounds);
        let origin = config.mirror.as_ref().filter(|mirror| mirror.external.is_none());
        let origin = origin.and_then(|mirror| self.state.find(request.account, &mirror.name));
        if let Some((_, origin)) = origin {
            check::fill_mirror(&mut config, &origin.config);
        }
        let mut found = valid(&config);
        found.extend(check::stream_within(&config, &bounds));
        if let Some(violation) = found.into_iter().next() {
            return Err(violation.error);
        }
        if config.num_replicas > 1 {
            return Err(table::STREAM_REPLICAS_NOT_SUPPORTED.into());
        }
        let required = level::required_by_stream(&config);
        level::keep(&mut config.metadata, required);
        Ok(config)
    }

    /// What a configuration breaks together with what is there.
    pub(crate) fn check_resources(
        &self,
        request: &Request<'_>,
        config: &StreamConfig,
    ) -> Result<(), ApiError> {
        self.check_overlap(request.account, config)?;
        check_origins(&self.state, request.account, config)?;
        let own = self.store_of(request.account);
        let used = self.state.usage.of(request.account);
        let existing = self.state.find(request.account, &config.name);
        let limit = self.bounds(request.account).max_streams;
        if existing.is_none() && reached(used.streams, limit) {
            return Err(table::MAXIMUM_STREAMS_LIMIT.into());
        }
        let bytes = |config: &StreamConfig| u64::try_from(config.max_bytes).ok();
        let wanted = match existing {
            // One that sets nothing aside wants room for something.
            None => bytes(config).unwrap_or(1),
            Some((_, old)) => {
                bytes(config).unwrap_or(0).saturating_sub(bytes(&old.config).unwrap_or(0))
            }
        };
        let storage = config.storage;
        let over = |reserved: u64, max: u64| reserved.saturating_add(wanted) > max;
        let total = self.state.usage.total().bytes(storage).reserved;
        let too_much = self.settings.is_some_and(|all| over(total, all.max(storage)))
            || own.max(storage).is_some_and(|max| over(used.bytes(storage).reserved, max));
        if wanted > 0 && too_much {
            let error = match storage {
                Storage::File => table::STORAGE_RESOURCES_EXCEEDED,
                Storage::Memory => table::MEMORY_RESOURCES_EXCEEDED,
            };
            return Err(error.into());
        }
        Ok(())
    }

    pub(super) fn stream_info_call(
        &mut self,
        net: &impl Network,
        request: &Request<'_>,
        name: &str,
    ) -> Answer {
        let refuse = |error| {
            let page = PagedInfo { page: Page::default(), info: None };
            Answer::refuse_beside(INFO, page, error)
        };
        let wanted: StreamInfoRequest = match json::decode_optional(request.body) {
            Ok(wanted) => wanted,
            Err(error) => return refuse(error),
        };
        let Some((key, _)) = self.state.find(request.account, name) else {
            return refuse(table::STREAM_NOT_FOUND.into());
        };
        let filter = wanted.subjects_filter.as_bytes();
        let mut subjects = Subjects::new(filter, wanted.offset, SUBJECTS_PER_PAGE);
        if !filter.is_empty() {
            subjects = match self.look_at(key, subjects) {
                Ok(subjects) => subjects,
                Err(subjects) => return Answer::Search(key, Work::Subjects(subjects)),
            };
        }
        let page = match subjects.total() {
            0 => Page::default(),
            total => Page { total, offset: wanted.offset, limit: SUBJECTS_PER_PAGE },
        };
        let listed = if wanted.deleted_details { DELETED_DETAILS_MAX } else { 0 };
        let mut info = self.stream_info(key);
        info.ts = self.now.wall;
        info.state.deleted = self.state.stream(key).log.gaps().take(listed).collect();
        let leader = net.server_name().to_owned();
        info.cluster = Some(ClusterInfo { leader, ..ClusterInfo::default() });
        let lists = !subjects.members().is_empty();
        if lists {
            info.state.subjects.insert(String::new(), 0);
        }
        let paged = PagedInfo { page, info: Some(info) };
        let reply = json::encode(&Reply::new(INFO, Ok(paged)));
        // Nothing of a large reply is searched where there is nothing to put in.
        Answer::Reply(if lists { with_subjects(reply, subjects.members()) } else { reply })
    }

    /// The stream, or the answer that there is none.
    pub(super) fn stream_or(
        &mut self,
        request: &Request<'_>,
        kind: &str,
        name: &str,
    ) -> Result<StreamKey, Answer> {
        match self.state.find(request.account, name) {
            Some((key, _)) => Ok(key),
            None => Err(Self::refuse_call(kind, table::STREAM_NOT_FOUND)),
        }
    }

    pub(super) fn stream_delete(&mut self, request: &Request<'_>, name: &str) -> Answer {
        const KIND: &str = "stream_delete_response";
        if !json::asks_nothing(request.body) {
            return Self::refuse_call(KIND, table::NOT_EMPTY_REQUEST);
        }
        match self.stream_or(request, KIND, name) {
            Ok(key) => Answer::Change(key, KIND, Command::DeleteStream),
            Err(answer) => answer,
        }
    }

    pub(super) fn stream_purge(&mut self, request: &Request<'_>, name: &str) -> Answer {
        let refuse = |error| Answer::refuse_beside(PURGE, NotPurged { purged: 0 }, error);
        let purge: PurgeRequest = match json::decode_optional(request.body) {
            Ok(purge) => purge,
            Err(error) => return refuse(error),
        };
        if purge.seq > 0 && purge.keep > 0 {
            return refuse(table::BAD_REQUEST.into());
        }
        let Some((key, stream)) = self.state.find(request.account, name) else {
            return refuse(table::STREAM_NOT_FOUND.into());
        };
        let filter_valid = purge.filter.is_empty() || subject::is_valid(purge.filter.as_bytes());
        if !filter_valid {
            return refuse(table::BAD_REQUEST.into());
        }
        if stream.config.sealed {
            return refuse(table::STREAM_SEALED.into());
        }
        if stream.config.deny_purge {
            let error = table::STREAM_PURGE_FAILED.with("stream purge not permitted");
            return refuse(error);
        }
        let filter = if purge.filter.is_empty() { ">".to_owned() } else { purge.filter };
        let searched = filter != ">" && subject::has_wildcard(filter.as_bytes());
        let end = if purge.keep > 0 && searched {
            let search = Search::nth_last(filter.as_bytes(), purge.keep, &stream.log);
            match self.search(key, search) {
                Ok(found) => found.unwrap_or(0),
                Err(search) => return Answer::Search(key, Work::Search(search)),
            }
        } else if purge.keep > 0 {
            stream.start_of_last(filter.as_bytes(), purge.keep)
        } else if purge.seq > 0 {
            purge.seq
        } else {
            stream.log.last() + 1
        };
        let stream = self.state.stream(key);
        let until = stream.end_of_slice(filter.as_bytes(), 0, end, stream.slice());
        let command = Command::Purge { filter, from: 0, until, end, before: 0 };
        Answer::Change(key, PURGE, command)
    }

    /// The reply to who wants a stream that is there now. It names no domain, on nats-server neither.
    pub(crate) fn created(&self, key: StreamKey) -> Created {
        let info = StreamInfo { domain: String::new(), ..self.stream_info(key) };
        Created { info, did_create: true }
    }

    /// A stream as replies about it show it.
    pub(crate) fn stream_info(&self, key: StreamKey) -> StreamInfo {
        let stream = self.state.stream(key);
        let mut info = self.describe(key, stream, self.now.wall);
        info.ts = stream.created;
        level::show(&mut info.config.metadata);
        info
    }

    fn describe(&self, key: StreamKey, stream: &Stream, now: UnixNanos) -> StreamInfo {
        let mut origins = self.source_infos(key, stream);
        let mirror = stream.config.mirror.as_ref().and_then(|_| origins.pop());
        StreamInfo {
            config: stream.config.clone(),
            created: stream.created,
            state: stream.state(),
            domain: self.domain.clone(),
            mirror,
            sources: origins,
            ts: now,
            ..StreamInfo::default()
        }
    }
}

/// A reply with these members in place of the one that stands for them. No subject is empty, and no
/// text in JSON has quotes that are not escaped.
fn with_subjects(reply: Vec<u8>, members: &[u8]) -> Vec<u8> {
    const BEFORE: &[u8] = b"\"subjects\":{";
    const STANDS_FOR_ALL: &[u8] = b"\"\":0";
    let place = [BEFORE, STANDS_FOR_ALL].concat();
    let Some(at) = reply.windows(place.len()).position(|own| own == place) else { return reply };
    [&reply[..at], BEFORE, members, &reply[at + place.len()..]].concat()
}
