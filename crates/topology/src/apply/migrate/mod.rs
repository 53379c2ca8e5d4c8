//! Migrating a stream: one call after the other, each decided on what the server has by then.
//!
//! Two hand-overs, from the stream to its copy in transit and from there back to its name, with the same
//! moves ([`hand_over`]); the consumers go along ([`carry`]). After every call everything is looked at
//! again, so that a run which is cut off anywhere is continued by the next one.

mod back;
mod carry;
mod clear;
mod clearing;
mod hand_over;
mod places;
mod search;
mod settle;
mod state;
mod stop;
mod world;

use std::time::Duration;

use serde_json::Value as Json;
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::stream::{Retention, Storage};

use self::search::Found;
pub(super) use self::state::Migration;
use self::state::{Find, Move, Phase};
use self::world::Consumers;
use super::decide::{is, same_config};
use super::request::{self, Live, found};
use super::task::{CALLS_MAX, Cause, Event, NAP, PAUSE, PAUSES_MAX, Stop, Task};
use crate::call::{CallError, Request, answer};
use crate::migration::{Copied, Means, Side, finished, unparked};
use crate::observe::ConsumerListing;
use crate::plan::difference::json as config_json;
use crate::plan::live;
use crate::plan::{Part, Step, Work};

/// How long nothing may come of a wait before it is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// The same, while publishers wait.
const PATIENCE_OF_PUBLISHERS: Duration = Duration::from_secs(5);

/// How often one call is made after the other that changes nothing: more often than what passes by itself is tried
/// again.
const REPEATS_MAX: u32 = 2 * PAUSES_MAX;

impl Migration {
    /// What it is doing, once it is known.
    pub(super) fn says(&self) -> Option<&str> {
        (!self.says.is_empty()).then_some(self.says.as_str())
    }

    /// Whether publishers have no stream until it goes on.
    pub(super) fn is_between(&self) -> bool {
        self.between
    }

    pub(super) fn task(&self, step: &Step) -> Task {
        let name = &step.target.stream;
        Task::Call(match &self.phase {
            Phase::Stream => Request::bare(Call::StreamInfo(name)),
            Phase::Transit => Request::bare(Call::StreamInfo(&self.world.source)),
            Phase::Consumers { listing, of_origin } => {
                let (origin, copy) = self.world.pair(name);
                listing.request(if of_origin.is_none() { &origin } else { &copy })
            }
            Phase::Move(Move::Call(request)) | Phase::GiveBack(request, _) => request.clone(),
            Phase::Move(Move::Find(find)) => find.request(),
            Phase::Move(Move::Compare(comparison)) => return Task::Compare(comparison.clone()),
            Phase::Move(Move::Ids(ids)) => return Task::Ids(ids.clone()),
            Phase::Move(Move::Nap(time, _)) => return Task::Pause(*time),
            Phase::Move(Move::Consumers | Move::Done) => return Task::Pause(NAP),
            Phase::Pause | Phase::GiveBackLater(..) => return Task::Pause(PAUSE),
        })
    }

    /// Takes what came of its task. `None` when it is over.
    pub(super) fn take(mut self, step: &Step, event: Event<'_>) -> Result<Option<Self>, Stop> {
        let phase = std::mem::replace(&mut self.phase, Phase::Stream);
        match (phase, event) {
            (Phase::GiveBack(request, stop), Event::Answer(reply)) => {
                self.given_back(request, stop, reply)
            }
            (Phase::GiveBackLater(request, stop), Event::Passed) => {
                self.then(Phase::GiveBack(request, stop))
            }
            (Phase::Stream, Event::Answer(reply)) => match found(reply, Side::read) {
                Ok(side) => {
                    self.world.stream = side;
                    self.then(Phase::Transit)
                }
                Err(error) => self.failed(step, error, Phase::Stream),
            },
            (Phase::Transit, Event::Answer(reply)) => match found(reply, Side::read) {
                Ok(side) => {
                    self.world.transit = side;
                    self.world.looked();
                    self.decide(step)
                }
                Err(error) => self.failed(step, error, Phase::Transit),
            },
            (Phase::Consumers { listing, of_origin }, Event::Answer(reply)) => {
                self.listed(step, listing, of_origin, reply)
            }
            (Phase::Move(Move::Find(find)), Event::Answer(reply)) => {
                let found = match reply.and_then(answer::<Json>) {
                    Ok(json) => Found::read(&json),
                    Err(error) if error.is_no_message() => None,
                    Err(error) => return self.failed(step, error, Phase::Stream),
                };
                self.found(find, found);
                self.decide(step)
            }
            (Phase::Move(Move::Call(_)), Event::Answer(reply)) => {
                match reply.and_then(answer::<Json>) {
                    Ok(_) => {
                        self.begun = true;
                        (self.calls, self.pauses, self.idle) = (0, 0, (Duration::ZERO, 0));
                        Ok(Some(self))
                    }
                    Err(error) => self.failed(step, error, Phase::Stream),
                }
            }
            (Phase::Move(Move::Compare(comparison)), Event::Compared(done)) => match done {
                Ok(()) => {
                    self.compared = (comparison.origin, comparison.last);
                    Ok(Some(self))
                }
                Err(why) => self.give_up(step, Cause::Unlike(why).into()),
            },
            (Phase::Move(Move::Ids(ids)), Event::Ids(done)) => match done {
                Ok(None) => {
                    self.ids_differ = true;
                    Ok(Some(self))
                }
                Ok(Some(repeated)) => {
                    let why = format!("`{}` {repeated}", ids.stream);
                    self.give_up(step, Cause::Unfit(why).into())
                }
                Err(error) => self.failed(step, error, Phase::Stream),
            },
            // A nap is over, or a pause: everything is looked at again.
            (Phase::Move(_) | Phase::Pause, Event::Passed) => Ok(Some(self)),
            // What was not asked for changes nothing.
            (phase, _) => self.then(phase),
        }
    }

    /// Keeps what was looked for.
    fn found(&mut self, find: Find, found: Option<Found>) {
        let seq = found.as_ref().map(|found| found.seq);
        match find {
            Find::Newest { filter, .. } => {
                self.world.newest.insert(filter, seq.unwrap_or_default());
            }
            Find::Oldest { filter, .. } => {
                self.world.oldest.insert(filter, seq.unwrap_or_default());
            }
            Find::Next { .. } | Find::At(..) => self.clearing.found(found.as_ref()),
            Find::Copied { .. } => self.world.newest_copied = Some(found.unwrap_or_default()),
            Find::Place { .. } => {
                if let Some(search) = &mut self.search {
                    search.found(found.as_ref());
                }
            }
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "what follows is said in one way")]
    fn then(mut self, phase: Phase) -> Result<Option<Self>, Stop> {
        self.phase = phase;
        Ok(Some(self))
    }

    /// A page of the consumers of the origin, or, when `of_origin` are known, of its copy.
    fn listed(
        mut self,
        step: &Step,
        mut listing: ConsumerListing,
        of_origin: Option<Consumers>,
        reply: Result<&[u8], CallError>,
    ) -> Result<Option<Self>, Stop> {
        match (reply.and_then(|reply| listing.page(reply)), of_origin) {
            (Ok(None), of_origin) => self.then(Phase::Consumers { listing, of_origin }),
            (Ok(Some(all)), None) => {
                let listing = ConsumerListing::default();
                self.then(Phase::Consumers { listing, of_origin: Some(all) })
            }
            (Ok(Some(all)), Some(of_origin)) => {
                self.world.consumers = Some((of_origin, all));
                self.decide(step)
            }
            // The copy is gone already, where the way is back.
            (Err(error), Some(of_origin)) if error.is_absence() => {
                self.world.consumers = Some((of_origin, Consumers::new()));
                self.decide(step)
            }
            (Err(error), _) => self.failed(step, error, Phase::Stream),
        }
    }

    /// A call that failed: what passes by itself is tried again from a new look, or from `phase` on.
    fn failed(mut self, step: &Step, error: CallError, phase: Phase) -> Result<Option<Self>, Stop> {
        let passes = error.passes() || error.follows_a_delete() || error.is_unavailable();
        self.calls += 1;
        if error.is_lost() && self.calls < CALLS_MAX {
            self.phase = phase;
            return Ok(Some(self));
        }
        if passes && !error.is_lost() && self.pauses < PAUSES_MAX {
            self.pauses += 1;
            self.phase = Phase::Pause;
            return Ok(Some(self));
        }
        self.give_up(step, error.into())
    }

    /// Ends because of `stop`; publishers that get "no responders" have their stream again.
    fn give_up(mut self, step: &Step, stop: Stop) -> Result<Option<Self>, Stop> {
        let name = &step.target.stream;
        let (origin_name, _) = self.world.pair(name);
        let (origin, copy) = self.world.sides();
        let between = copy.is_none_or(Side::follows);
        if let Some(origin) = origin
            && let Some(note) = origin.parked.as_ref().filter(|note| between && note.is_for(name))
        {
            let config = unparked(&origin.config, note);
            let request = Request::new(Call::StreamUpdate(&origin_name), &config);
            self.phase = Phase::GiveBack(request, Box::new(stop));
            return Ok(Some(self));
        }
        let where_it_is = match (self.world.stream.is_some(), self.world.transit.as_ref()) {
            (_, None) => return Err(stop),
            (true, Some(transit)) if transit.follows() => {
                "; its copy stays, and applying again goes on"
            }
            (_, Some(_)) => "; its messages are all there, and applying again goes on",
        };
        Err(stop.leaving(where_it_is))
    }

    /// What follows when the stream was to be given its subjects back: the end, or another attempt.
    fn given_back(
        mut self,
        request: Request,
        stop: Box<Stop>,
        reply: Result<&[u8], CallError>,
    ) -> Result<Option<Self>, Stop> {
        let Err(error) = reply.and_then(answer::<Json>) else {
            return Err(stop.leaving("; publishers are with it as before"));
        };
        let again = error.is_lost() || error.passes() || error.is_unavailable();
        if again && self.give_backs < PAUSES_MAX {
            self.give_backs += 1;
            return self.then(Phase::GiveBackLater(request, stop));
        }
        Err(stop.leaving(format!(
            "; publishers get \"no responders\" until this is applied again ({error})"
        )))
    }

    fn decide(mut self, step: &Step) -> Result<Option<Self>, Stop> {
        let chosen = match self.next(step) {
            Ok(chosen) => chosen,
            Err(stop) => return self.give_up(step, stop),
        };
        match chosen {
            Move::Done => return Ok(None),
            Move::Consumers => {
                let listing = ConsumerListing::default();
                self.phase = Phase::Consumers { listing, of_origin: None };
                return Ok(Some(self));
            }
            Move::Nap(time, waits_for) => {
                let same = self.idle.1 == waits_for;
                let idle = if same { self.idle.0 + time } else { Duration::ZERO };
                self.idle = (idle, waits_for);
                let patience = if time == NAP { PATIENCE_OF_PUBLISHERS } else { PATIENCE };
                if idle > patience {
                    let why = Cause::Stuck(self.says.clone());
                    return self.give_up(step, why.into());
                }
            }
            Move::Call(ref request) => {
                let same = self.repeated.0.as_ref() == Some(request);
                let times = if same { self.repeated.1 + 1 } else { 1 };
                self.repeated = (Some(request.clone()), times);
                if times > REPEATS_MAX {
                    let why = Cause::Stuck(self.says.clone());
                    return self.give_up(step, why.into());
                }
            }
            Move::Find(_) | Move::Compare(_) | Move::Ids(_) => {}
        }
        self.phase = Phase::Move(chosen);
        Ok(Some(self))
    }

    /// Where the migration is, and what comes next.
    fn next(&mut self, step: &Step) -> Result<Move, Stop> {
        let transit = self.world.transit.as_ref();
        let note = transit.and_then(|transit| transit.parked.as_ref());
        if let Some(note) = note.filter(|note| !note.is_for(&step.target.stream)) {
            let to = note.to.as_deref().unwrap_or_default();
            return Err(Cause::Changed(format!(
                "`{}` is handed over to `{to}`: that comes first",
                self.world.source
            ))
            .into());
        }
        if matches!(step.work, Work::Back { .. }) {
            return self.back(step);
        }
        let name = &step.target.stream;
        let (renamed, end) = end(step)?;
        let partly = part(step).is_some();
        let (stream, transit) = (self.world.stream.as_ref(), self.world.transit.as_ref());
        same_subjects(step, if renamed { (transit, stream) } else { (stream, transit) })?;
        match (self.world.stream.clone(), self.world.transit.clone()) {
            (None, None) => Err(Cause::Changed("it is gone since".into()).into()),
            (_, Some(transit)) if !renamed && !is_of(&transit, name) => {
                Err(Cause::Changed(format!(
                    "the stream `{}`, through which it would go, is somebody else's",
                    self.world.source
                ))
                .into())
            }
            (Some(stream), transit) if stream.copied.is_none() => {
                let over = partly || transit.as_ref().is_none_or(|one| one.parked.is_some());
                if is_now(step, &stream, &end) && over && (renamed || transit.is_some()) {
                    return Ok(Move::Done);
                }
                if renamed {
                    return Err(Cause::Changed("it is there since, and differs".into()).into());
                }
                self.leave(step, &stream, transit.as_ref(), &end)
            }
            (Some(_), None) => Err(Cause::Changed(format!(
                "`{}`, of which it was to be a copy, is gone since",
                self.world.source
            ))
            .into()),
            (stream, Some(transit)) => {
                if renamed && stream.is_none() && !self.begun {
                    unchanged(step, &transit)?;
                }
                self.arrive(step, stream.as_ref(), &end)
            }
        }
    }

    /// The first half: from the stream to its copy in transit.
    fn leave(
        &mut self,
        step: &Step,
        stream: &Side,
        transit: Option<&Side>,
        end: &StreamConfig,
    ) -> Result<Move, Stop> {
        let (name, copy) = (&step.target.stream, self.world.source.clone());
        if stream.parked.is_none() && transit.is_some_and(|transit| !transit.follows()) {
            return Err(Cause::Changed(format!(
                "`{copy}` is kept from another migration: drop it first, with `--drop-old {name}`"
            ))
            .into());
        }
        if transit.is_none() && !self.begun {
            unchanged(step, stream)?;
        }
        let way = hand_over::Way {
            origin: name,
            copy: &copy,
            storage: on_disk(stream.info.config.storage, end.storage),
            retention: on_the_way(stream.info.config.retention, end.retention),
            limited: stream.info.config.retention == Retention::Limits,
            later: None,
            part: None,
            means: means(step),
        };
        match self.hand_over(&way)? {
            Move::Done => self.give_name_back(name),
            other => Ok(other),
        }
    }

    /// The second half: to the stream, from what it was before.
    fn arrive(
        &mut self,
        step: &Step,
        stream: Option<&Side>,
        end: &StreamConfig,
    ) -> Result<Move, Stop> {
        let origin = self.world.source.clone();
        let copied = stream.and_then(|stream| stream.copied.as_ref());
        if copied.is_some_and(|copied| copied.of != origin) {
            return Err(Cause::Changed("it is a copy of another stream".into()).into());
        }
        let later = config_json(end);
        let work_queue = end.retention == Retention::WorkQueue;
        let way = hand_over::Way {
            origin: &origin,
            copy: &step.target.stream,
            storage: end.storage,
            retention: if work_queue { Retention::WorkQueue } else { Retention::Limits },
            limited: false,
            later: Some(&later),
            part: part(step),
            means: means(step),
        };
        let next = match self.hand_over(&way)? {
            Move::Done if way.part.is_some() => self.settle(&way)?,
            other => other,
        };
        match next {
            Move::Done => self.finish(step, end),
            other => Ok(other),
        }
    }

    /// Deletes the stream, all of which its copy has.
    fn give_name_back(&mut self, name: &str) -> Result<Move, Stop> {
        let (Some(stream), Some(transit)) = (&self.world.stream, &self.world.transit) else {
            return Err(Cause::Changed("it is gone since".into()).into());
        };
        let last = transit.copied.as_ref().and_then(|copied| copied.last);
        let stored = stream.info.state.last_seq;
        if last.is_none_or(|last| stored > last.origin) {
            return Err(
                Cause::Changed("messages were stored in it while it was parked".into()).into()
            );
        }
        self.says = format!("deletes {name}, which is complete in its copy");
        Ok(Move::Call(Request::bare(Call::StreamDelete(name))))
    }

    /// Makes the stream what it is to be, now that everything else is done.
    fn finish(&mut self, step: &Step, end: &StreamConfig) -> Result<Move, Stop> {
        let Some(stream) = &self.world.stream else {
            return Err(Cause::Changed("it is gone since".into()).into());
        };
        if is_now(step, stream, end) {
            return Ok(Move::Done);
        }
        let now = live::stream(&stream.info);
        let config = finished(&stream.config, &now, end);
        self.says = "gives it what else is declared".into();
        Ok(Move::Call(request::update(&step.target, &config)))
    }
}

/// Whether the stream had another name before, and what it is to be in the end.
fn end(step: &Step) -> Result<(bool, StreamConfig), Cause> {
    let Work::Migrate { from, after, .. } = &step.work else {
        return Err(Cause::Changed("it is not to be migrated".into()));
    };
    match serde_json::from_value(after.clone()) {
        Ok(end) => Ok((from.is_some(), end)),
        Err(error) => Err(Cause::Changed(format!("its definition cannot be read: {error}"))),
    }
}

/// What of another stream it gets, if not everything.
fn part(step: &Step) -> Option<&Part> {
    match &step.work {
        Work::Migrate { part, .. } => part.as_ref(),
        _ => None,
    }
}

/// How the server does it.
fn means(step: &Step) -> Means {
    match step.work {
        Work::Migrate { means, .. } => means,
        _ => Means::default(),
    }
}

fn is_of(transit: &Side, name: &str) -> bool {
    transit.copied.as_ref().is_some_and(|copied: &Copied| copied.of == name)
}

/// Whether a stream is what it is to be.
fn is_now(step: &Step, stream: &Side, end: &StreamConfig) -> bool {
    let live = Live::of_stream(&stream.info, stream.config.clone(), None);
    is(step, &live, &config_json(end))
}

/// Whether publishers may move from the origin to its copy: under subjects that somebody else gave it since, nothing
/// would be stored any more.
fn same_subjects(step: &Step, (origin, copy): (Option<&Side>, Option<&Side>)) -> Result<(), Cause> {
    let (Some(origin), Some(seen)) = (origin, &step.seen) else { return Ok(()) };
    let waits =
        origin.copied.is_none() && origin.parked.is_none() && copy.is_none_or(Side::follows);
    let subjects = seen.config.get("subjects").and_then(Json::as_array).into_iter().flatten();
    if !waits || subjects.filter_map(Json::as_str).eq(origin.info.config.subjects.iter()) {
        return Ok(());
    }
    Err(Cause::Changed("its subjects were changed since".into()))
}

/// Whether it is what the plan was made for.
fn unchanged(step: &Step, stream: &Side) -> Result<(), Cause> {
    let live = Live::of_stream(&stream.info, stream.config.clone(), None);
    same_config(step, &live).map(drop)
}

/// Where a copy is kept for a while: on disk, where one of both is.
fn on_disk(before: Storage, after: Storage) -> Storage {
    if before == Storage::Memory { after } else { before }
}

/// How a copy keeps its messages for a while. From work queue to work queue it is one itself, as only that tells
/// what is done from what was given up.
fn on_the_way(before: Retention, after: Retention) -> Retention {
    let both = before != Retention::Limits && after == Retention::WorkQueue;
    if both { Retention::WorkQueue } else { Retention::Limits }
}
