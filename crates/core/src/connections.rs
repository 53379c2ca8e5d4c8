//! Who is connected, and who was.

use std::time::Duration;

use watershed_base::{AccountId, Tick};
use watershed_wire::subject;

use crate::account::Account;
use crate::core::Core;
use crate::output::CloseReason;
use crate::router::SubKey;
use crate::session::{Phase, Session};
use crate::watched::{
    AccountStatistics, ConnectionDetail, Sort, State, SubscriptionDetail, Traffic, Which,
};

/// A connection that is there, or one that was.
enum Found<'a> {
    Open(&'a Session),
    Closed(&'a ConnectionDetail),
}

impl Core {
    /// The connections that are asked for, and how many there would be without a limit.
    pub fn connections(&self, which: &Which, detailed: bool) -> (usize, Vec<ConnectionDetail>) {
        let open = self.clients.sessions.iter().map(|(_, session)| session);
        let open = open
            .filter(|own| own.phase != Phase::Closing && which.state != State::Closed)
            .filter(|own| self.is_asked_for(own, which))
            .map(Found::Open);
        let gone = self.gone.iter().filter(|own| {
            which.state != State::Open
                && which.number.is_none_or(|number| number == own.number)
                && which.account.as_ref().is_none_or(|account| *account == own.account)
                && which.user.as_ref().is_none_or(|user| *user == own.user)
                && which.subject.is_none()
        });
        let mut found: Vec<_> = open
            .chain(gone.map(Found::Closed))
            .map(|own| (Self::place(&own, which.sort), own))
            .collect();
        found.sort_by_key(|(place, _)| *place);
        let total = found.len();
        let page = found.into_iter().skip(which.offset).take(which.limit);
        let page = page.map(|(_, own)| match own {
            Found::Open(session) => self.detail_of(session, detailed),
            Found::Closed(detail) => detail.clone(),
        });
        (total, page.collect())
    }

    fn is_asked_for(&self, session: &Session, which: &Which) -> bool {
        let ready = session.phase == Phase::Ready;
        let account = |name: &String| ready && self.account_name(session.account) == name;
        let listens = |filter: &String| {
            session.subscriptions.values().any(|key| {
                let own = &self.clients.subscriptions[*key as usize].filter;
                subject::overlaps(filter.as_bytes(), own)
            })
        };
        which.number.is_none_or(|number| number == session.id.number)
            && which.account.as_ref().is_none_or(account)
            && which.user.as_ref().is_none_or(|user| *user == session.user)
            && which.subject.as_ref().is_none_or(listens)
    }

    /// Where a connection comes in an order.
    fn place(found: &Found<'_>, sort: Sort) -> (i64, &'static str, u64) {
        let (number, counts, start, active, round_trip, subscriptions, pending, ended) = match found
        {
            Found::Open(own) => {
                let about = &own.about;
                let listens = own.subscriptions.len();
                let (counts, waits) = (own.counts, own.outbox.len());
                let (number, back) = (own.id.number, own.round_trip);
                (number, counts, about.started, own.active, back, listens, waits, None)
            }
            Found::Closed(own) => {
                let (counts, listens) = (own.counts, own.subscriptions);
                (own.number, counts, own.start, own.active, own.round_trip, listens, 0, own.ended)
            }
        };
        let most = |count: u64| -i64::try_from(count).unwrap_or(i64::MAX);
        let by = match sort {
            Sort::Number | Sort::Reason => 0,
            Sort::Subscriptions => most(subscriptions as u64),
            Sort::Pending => most(pending as u64),
            Sort::MessagesTo => most(counts.out_msgs),
            Sort::MessagesFrom => most(counts.in_msgs),
            Sort::BytesTo => most(counts.out_bytes),
            Sort::BytesFrom => most(counts.in_bytes),
            Sort::Last => -active.0,
            Sort::Idle => active.0,
            Sort::Uptime => start.0,
            Sort::RoundTrip => {
                let nanos = round_trip.unwrap_or_default().as_nanos();
                most(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
            Sort::Stop => ended.map_or(i64::MAX, |(when, _)| when.0),
        };
        let reason = if sort == Sort::Reason { ended.map_or("", |(_, reason)| reason) } else { "" };
        (by, reason, number)
    }

    fn detail_of(&self, session: &Session, detailed: bool) -> ConnectionDetail {
        let about = &session.about;
        let ready = session.account != AccountId(u32::MAX);
        let account =
            if ready { self.account_name(session.account).to_owned() } else { String::new() };
        let mut keys: Vec<SubKey> = Vec::new();
        if detailed {
            keys.extend(session.subscriptions.values());
            keys.sort_unstable();
        }
        ConnectionDetail {
            number: session.id.number,
            ip: about.ip.clone(),
            port: about.port,
            websocket: about.websocket.is_some(),
            start: about.started,
            active: session.active,
            round_trip: session.round_trip,
            pending: session.outbox.len(),
            counts: session.counts,
            subscriptions: session.subscriptions.len(),
            name: about.name.clone(),
            lang: about.lang.clone(),
            version: about.version.clone(),
            user: session.user.clone(),
            key: session.key.clone(),
            account,
            ended: None,
            listens: keys.into_iter().map(|key| self.subscription(key)).collect(),
        }
    }

    fn subscription(&self, key: SubKey) -> SubscriptionDetail {
        let own = &self.clients.subscriptions[key as usize];
        let session = &self.clients.sessions[own.slot];
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        SubscriptionDetail {
            subject: text(&own.filter),
            queue: own.queue.as_deref().map(text),
            sid: text(&own.sid),
            delivered: own.delivered,
            max: own.max,
            number: session.id.number,
            account: self.account_name(session.account).to_owned(),
        }
    }

    /// Subscriptions of an account, or of all; those that `test`, a subject, would reach if there is one.
    /// How many there are, and some of them.
    pub fn subscriptions(
        &self,
        account: Option<&str>,
        test: Option<&str>,
        offset: usize,
        limit: usize,
    ) -> (usize, Vec<SubscriptionDetail>) {
        let of_account = |slot: usize| {
            let own = self.clients.sessions[slot].account;
            account.is_none_or(|name| self.account_name(own) == name)
        };
        let reached =
            |filter: &[u8]| test.is_none_or(|test| subject::matches(filter, test.as_bytes()));
        let all = self.clients.subscriptions.iter();
        let keys: Vec<usize> = all
            .filter(|(_, own)| of_account(own.slot) && reached(&own.filter))
            .map(|(key, _)| key)
            .collect();
        let total = keys.len();
        let page = keys.into_iter().skip(offset).take(limit);
        let page = page.filter_map(|key| SubKey::try_from(key).ok());
        (total, page.map(|key| self.subscription(key)).collect())
    }

    /// What each account does.
    pub fn account_statistics(&self) -> Vec<AccountStatistics> {
        let accounts = self.accounts.iter().map(|account| AccountStatistics {
            name: account.name.clone(),
            counts: account.past.counts,
            slow_consumers: account.past.slow_consumers,
            ..AccountStatistics::default()
        });
        let mut all: Vec<_> = accounts.collect();
        for (_, session) in &self.clients.sessions {
            let Some(own) = all.get_mut(session.account.index()) else { continue };
            own.connections += 1;
            own.subscriptions += session.subscriptions.len();
            own.counts += session.counts;
        }
        all
    }

    /// Messages and bytes of all connections so far.
    pub fn traffic(&self) -> Traffic {
        let mut traffic = Traffic::default();
        for Account { past, .. } in &self.accounts {
            traffic.counts += past.counts;
            traffic.slow_consumers += past.slow_consumers;
        }
        for (_, session) in &self.clients.sessions {
            traffic.counts += session.counts;
            traffic.slow_consumers += u64::from(session.ended.is_some_and(CloseReason::is_slow));
        }
        traffic
    }

    /// A connection that has ended is remembered for a while.
    pub(crate) fn remember(&mut self, slot: usize) {
        let session = &self.clients.sessions[slot];
        let reason = session.ended;
        let mut detail = self.detail_of(session, false);
        detail.ended = Some((self.now.wall, reason.map_or("Client Closed", CloseReason::words)));
        detail.subscriptions = 0;
        if let Some(account) = self.accounts.get_mut(session.account.index()) {
            account.connected -= 1;
            account.past.counts += session.counts;
            account.past.slow_consumers += u64::from(reason.is_some_and(CloseReason::is_slow));
        }
        if self.gone.len() == crate::limits::GONE_MAX {
            self.gone.pop_front();
        }
        self.gone.push_back(detail);
    }

    /// A client answers a ping.
    pub(crate) fn answered(&mut self, slot: usize, now: Tick) {
        let session = &mut self.clients.sessions[slot];
        if let Some(asked) = session.pinged.take() {
            session.round_trip = Some(Duration::from_nanos(now.0.saturating_sub(asked.0)));
        }
    }
}
