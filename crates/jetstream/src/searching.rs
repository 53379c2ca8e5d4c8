//! Calls that wait for a search are answered when it is done. Others are served meanwhile.

use watershed_wire::jetstream::call::Call;

use crate::api::Request;
use crate::jetstream::{JetStream, Searching};
use crate::network::Network;
use crate::state::{Hit, Search, StreamKey};

/// Messages that are looked at in one turn: less than half a millisecond's work.
pub(crate) const SEARCHED_PER_TURN: usize = 4096;

impl JetStream {
    /// A call is to be answered when a search is done.
    pub(crate) fn search_later(
        &mut self,
        request: &Request<'_>,
        subject: &str,
        key: StreamKey,
        search: Search,
    ) {
        let log = self.state.stream(key).log.id();
        let changes = Call::parse(subject).is_some_and(|call| {
            !matches!(call, Call::MessageGet(_) | Call::DirectGet(_) | Call::DirectGetLast { .. })
        });
        let account = request.account;
        if changes {
            self.calls.set_changing(account, true);
        }
        let (reply, body) = (request.reply.into(), request.body.into());
        let subject = subject.into();
        self.searching.push_back(Searching { log, search, account, subject, reply, body, changes });
    }

    /// Goes on with the search of one call. Says whether there is more to do.
    pub(crate) fn search_some(&mut self, net: &mut impl Network) -> bool {
        let Some(mut own) = self.searching.pop_front() else { return false };
        let stream = self.state.by_log(own.log).map(|key| self.state.stream(key));
        // What is gone is not searched.
        let found = stream
            .map_or(Some(Hit(None)), |stream| own.search.go_on(&stream.log, SEARCHED_PER_TURN));
        if found.is_none() {
            self.searching.push_back(own);
            return true;
        }
        self.found = found;
        if own.changes {
            self.calls.set_changing(own.account, false);
        }
        let request = Request { account: own.account, reply: &own.reply, body: &own.body };
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
        if let Some(Hit(found)) = self.found.take() {
            return Ok(found);
        }
        let hit = search.go_on(&self.state.stream(key).log, SEARCHED_PER_TURN);
        hit.map(|Hit(found)| found).ok_or(search)
    }
}
