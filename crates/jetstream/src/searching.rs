//! Calls that wait for a search are answered when it is done. Others are served meanwhile.

use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::error::table;

use crate::api::Request;
use crate::jetstream::{Found, JetStream, Searching, Work};
use crate::limits::CALL_BYTES_WAITING_MAX;
use crate::network::Network;
use crate::state::{Hit, Search, StreamKey, Subjects};

/// Messages that are looked at in one turn: less than half a millisecond's work.
pub(crate) const SEARCHED_PER_TURN: usize = 4096;

/// Subjects that are looked at in order, and shown, in one turn.
const SUBJECTS_PER_TURN: usize = 1024;

impl JetStream {
    /// A call is to be answered when a search is done.
    pub(crate) fn search_later(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        subject: &str,
        key: StreamKey,
        work: Work,
    ) {
        let log = self.state.stream(key).log.id();
        let changes = Call::parse(subject).is_some_and(|call| {
            let get = matches!(call, Call::MessageGet(_) | Call::DirectGet(_));
            !get && !matches!(call, Call::DirectGetLast { .. } | Call::StreamInfo(_))
        });
        let account = request.account;
        let (reply, body) = (request.reply.into(), request.body.into());
        let subject = subject.into();
        let caller = request.caller.map(|caller| Box::new(caller.clone()));
        let own = Searching { log, work, account, subject, reply, body, caller, changes };
        if self.searching_bytes + own.len() > CALL_BYTES_WAITING_MAX {
            let error = table::CLUSTER_NOT_AVAIL.into();
            self.answer_error(net, account, request.reply, "error", error);
            return;
        }
        if changes {
            self.calls.begin_change(account);
        }
        self.searching_bytes += own.len();
        self.searching.push_back(own);
    }

    /// Goes on with the search of one call. Says whether there is more to do.
    pub(crate) fn search_some(&mut self, net: &mut impl Network) -> bool {
        let Some(own) = self.searching.pop_front() else { return false };
        let bytes = own.len();
        let stream = self.state.by_log(own.log).map(|key| self.state.stream(key));
        let found = match (own.work, stream) {
            // What is gone is not searched.
            (_, None) => Ok(Found::Message(Hit(None))),
            (Work::Search(mut search), Some(stream)) => {
                let hit = search.go_on(&stream.log, SEARCHED_PER_TURN);
                hit.map(Found::Message).ok_or(Work::Search(search))
            }
            (Work::Subjects(mut subjects), Some(stream)) => {
                if subjects.go_on(&stream.log, SUBJECTS_PER_TURN) {
                    Ok(Found::Subjects(subjects))
                } else {
                    Err(Work::Subjects(subjects))
                }
            }
        };
        match found {
            Ok(found) => self.found = Some(found),
            Err(work) => {
                self.searching.push_back(Searching { work, ..own });
                return true;
            }
        }
        self.searching_bytes -= bytes;
        if own.changes {
            self.calls.end_change(own.account);
        }
        let (account, caller) = (own.account, own.caller.as_deref());
        let request = Request { account, reply: &own.reply, body: &own.body, caller };
        self.answer(net, &request, &own.subject);
        self.found = None;
        !self.searching.is_empty()
    }

    /// What a search finds that is made at once, or was made for the call that is being answered.
    /// Otherwise how far it has come.
    pub(crate) fn search(
        &mut self,
        key: StreamKey,
        mut search: Search,
    ) -> Result<Option<u64>, Search> {
        if let Some(Found::Message(Hit(found))) = self.found.take() {
            return Ok(found);
        }
        let hit = search.go_on(&self.state.stream(key).log, SEARCHED_PER_TURN);
        hit.map(|Hit(found)| found).ok_or(search)
    }

    /// The subjects that were looked at for the call that is being answered, or that are few.
    /// Otherwise how far the look has come.
    pub(crate) fn look_at(
        &mut self,
        key: StreamKey,
        mut subjects: Subjects,
    ) -> Result<Subjects, Subjects> {
        if let Some(Found::Subjects(found)) = self.found.take() {
            return Ok(found);
        }
        let done = subjects.go_on(&self.state.stream(key).log, SUBJECTS_PER_TURN);
        if done { Ok(subjects) } else { Err(subjects) }
    }
}
