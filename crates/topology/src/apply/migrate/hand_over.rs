//! From a stream to its copy: the copy follows, is compared, and takes the subjects over.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::consumer::CreateAction;
use watershed_wire::jetstream::stream::{Retention, Storage};

use super::super::task::{Cause, Comparison, Ids, MOMENT, NAP, Stop};
use super::state::{Find, Migration, Move};
use crate::call::Request;
use crate::migration::{
    Copied, HOLD, Last, Means, Parked, Side, copy, durable, following, handing, hold, marked,
    parked, position, promoted, to_hold,
};
use crate::observe::{OWNER, ObservedConsumer};
use crate::plan::difference::METADATA;
use crate::plan::{Part, filters};

/// How often the copy is compared while messages come faster than that.
const COMPARISONS_MAX: u32 = 20;

/// A copy that is no further behind than this catches up in a moment.
const NEAR: u64 = 256;

/// From where to where, and what the copy is.
pub(super) struct Way<'a> {
    pub(super) origin: &'a str,
    pub(super) copy: &'a str,
    pub(super) storage: Storage,
    pub(super) retention: Retention,
    /// Whether it has the limits of its origin.
    pub(super) limited: bool,
    /// Where the copy gets from what no mirror has; from its origin, if it is not said.
    pub(super) later: Option<&'a Json>,
    /// What of the origin goes; without this, everything.
    pub(super) part: Option<&'a Part>,
    /// How the server does it.
    pub(super) means: Means,
}

impl Way<'_> {
    /// The topology that the copy is to belong to.
    pub(super) fn owner(&self) -> Option<&str> {
        self.later?.get(METADATA)?.get(OWNER)?.as_str()
    }
}

impl Migration {
    /// The next move from one stream to the other; done when nothing is left of it.
    pub(super) fn hand_over(&mut self, way: &Way<'_>) -> Result<Move, Stop> {
        let (origin, copy) = self.world.sides();
        let Some(origin) = origin.cloned() else {
            return Err(Cause::Changed("it is gone since".into()).into());
        };
        let Some(copy) = copy.cloned() else { return self.begin(way, &origin) };
        let Some(copied) = copy.copied.clone() else {
            return Err(Cause::Changed(format!("`{}` is somebody else's", way.copy)).into());
        };
        if !copy.follows() {
            self.between = false;
            if copy.parked.is_some() && origin.parked.is_some() {
                return Err(Cause::Changed("it is being undone: go on with `--back`".into()).into());
            }
            return self.carry(way, &origin, &copy, &copied);
        }
        self.between = origin.parked.is_some();
        match origin.parked {
            None => self.follow(way, &origin, &copy, &copied),
            Some(_) => self.take_over(way, &origin, &copy, &copied),
        }
    }

    /// Creates the copy.
    fn begin(&mut self, way: &Way<'_>, origin: &Side) -> Result<Move, Stop> {
        if origin.parked.is_some() {
            return Err(Cause::Changed(format!("its copy `{}` is gone since", way.copy)).into());
        }
        let moves = way.part.map(|part| part.moves.as_slice()).unwrap_or_default();
        if way.means.sources && !self.ids_differ {
            self.says = format!("looks for message ids that are twice in {}", way.origin);
            let (stream, filters) = (way.origin.to_owned(), moves.to_vec());
            return Ok(Move::Ids(Ids { stream, filters }));
        }
        if origin.info.config.retention == Retention::WorkQueue {
            let Some((consumers, _)) = &self.world.consumers else { return Ok(Move::Consumers) };
            let taken: Vec<&str> =
                consumers.values().flat_map(|one| filters(&one.info.config)).collect();
            let held = to_hold(&origin.info.config, moves, &taken).map_err(|open| {
                Cause::Changed(format!("no consumer of `{}` takes `{open}` any more", way.origin))
            })?;
            if !held.is_empty() {
                let action = CreateAction::Create;
                self.says = format!("holds what is in {}", way.origin);
                let hold = hold(&held);
                return Ok(Move::Call(Request::put_consumer(way.origin, HOLD, &hold, action)));
            }
        }
        let mut left = BTreeMap::new();
        if way.retention == Retention::WorkQueue
            && origin.info.config.retention != Retention::Limits
        {
            let Some((consumers, _)) = &self.world.consumers else { return Ok(Move::Consumers) };
            let finished = |one: &ObservedConsumer| position(&one.info) - 1;
            left = durable(consumers).map(|(name, one)| (name.clone(), finished(one))).collect();
        }
        self.says = format!("creates {}", way.copy);
        let Part { moves, claims, .. } = way.part.cloned().unwrap_or_default();
        let (of, sources) = (way.origin.to_owned(), way.means.sources);
        let copied = Copied { of, left, moves, claims, sources, ..Copied::default() };
        let config =
            copy(way.copy, &origin.config, &copied, way.storage, way.retention, way.limited);
        Ok(Move::Call(Request::new(Call::StreamCreate(way.copy), &config)))
    }

    /// Waits for the copy, compares it, and parks the origin.
    fn follow(
        &mut self,
        way: &Way<'_>,
        origin: &Side,
        copy: &Side,
        copied: &Copied,
    ) -> Result<Move, Stop> {
        if copied.sources && copy.info.config.sources.is_empty() {
            return Ok(self.begin_to_follow(way, origin, copy, copied));
        }
        let (first, last) = (origin.info.state.first_seq, origin.info.state.last_seq);
        let reached = match self.reached(way, copy, copied) {
            Ok(reached) => reached,
            Err(find) => return Ok(Move::Find(find)),
        };
        let newest = if reached < last { self.newest(way, copied) } else { Ok(last) };
        let newest = match newest {
            Ok(newest) => newest,
            Err(find) => return Ok(Move::Find(find)),
        };
        // One that has not begun to copy may take a while to.
        let begun = reached > 0 || newest == 0;
        if !begun || reached + NEAR < newest {
            let state = &copy.info.state;
            self.says = format!(
                "copies to {}: {} of {} messages",
                way.copy, state.messages, origin.info.state.messages
            );
            return Ok(Move::Nap(MOMENT, reached));
        }
        let compared = self.compared_up_to(way, copied);
        // Once everything is, however little that is: what differs is found before publishers notice.
        let some = compared < reached && self.compared.0 != way.origin;
        if some || compared + NEAR < reached.min(newest) {
            if self.comparisons == COMPARISONS_MAX {
                let why = format!("{} messages are not compared yet", reached - compared);
                return Err(Cause::Stuck(why).into());
            }
            let behind = compared.max(first.saturating_sub(1));
            let next = self.compare(way, (origin, copy, copied), behind, reached);
            self.comparisons += u32::from(matches!(next, Move::Compare(_)));
            return Ok(next);
        }
        // Known to whoever goes on where this run is cut off.
        if copied.compared + NEAR < compared {
            let copied = Copied { compared, ..copied.clone() };
            let config = marked(&copy.config, &copied);
            self.says = format!("notes in {} what was compared", way.copy);
            return Ok(Move::Call(Request::new(Call::StreamUpdate(way.copy), &config)));
        }
        self.says = format!("parks {}: publishers move to {}", way.origin, way.copy);
        self.between = true;
        let config = match way.part {
            None => parked(&origin.config, way.origin),
            Some(part) => {
                let (to, partly) = (Some(way.copy.to_owned()), !copied.moves.is_empty());
                let note = Parked { to, partly, ..Parked::default() };
                handing(&origin.config, way.origin, note, &part.keeps)
            }
        };
        Ok(Move::Call(Request::new(Call::StreamUpdate(way.origin), &config)))
    }

    /// A copy by sources counts as its origin does, as long as there are no gaps, and gets its source.
    fn begin_to_follow(
        &mut self,
        way: &Way<'_>,
        origin: &Side,
        copy: &Side,
        copied: &Copied,
    ) -> Move {
        let (first, state) = (origin.info.state.first_seq, &copy.info.state);
        if state.messages == 0 && state.last_seq + 1 < first && !self.counted {
            self.counted = true;
            self.says = format!("lets {} count from {first}", way.copy);
            return Move::Call(Request::new(Call::StreamPurge(way.copy), &json!({"seq": first})));
        }
        self.says = format!("lets {} copy {}", way.copy, way.origin);
        let config = following(&copy.config, copied);
        Move::Call(Request::new(Call::StreamUpdate(way.copy), &config))
    }

    /// Sequence of the last message that the origin has of those that go; or what is to be looked for first.
    fn newest(&self, way: &Way<'_>, copied: &Copied) -> Result<u64, Find> {
        let everything = [">".to_owned()];
        let filters = if copied.moves.is_empty() { &everything[..] } else { &copied.moves };
        let mut newest = 0;
        for filter in filters {
            let Some(found) = self.world.newest.get(filter) else {
                let (stream, filter) = (way.origin.to_owned(), filter.clone());
                return Err(Find::Newest { stream, filter });
            };
            newest = newest.max(*found);
        }
        Ok(newest)
    }

    /// Waits for the last messages, and makes a stream of its own of the copy. Publishers wait for this.
    fn take_over(
        &mut self,
        way: &Way<'_>,
        origin: &Side,
        copy: &Side,
        copied: &Copied,
    ) -> Result<Move, Stop> {
        let Some(note) = &origin.parked else {
            return Err(Cause::Changed("it is no longer parked".into()).into());
        };
        let last = origin.info.state.last_seq;
        let reached = match self.reached(way, copy, copied) {
            Ok(reached) => reached,
            Err(find) => return Ok(Move::Find(find)),
        };
        // The last ones may be gone: then nothing comes that would bring the copy up to there.
        if reached < last {
            let newest = match self.newest(way, copied) {
                Ok(newest) => newest,
                Err(find) => return Ok(Move::Find(find)),
            };
            if reached < newest {
                self.says = format!("waits for the last messages in {}", way.copy);
                return Ok(Move::Nap(NAP, reached));
            }
        }
        let compared = self.compared_up_to(way, copied);
        if compared < reached {
            return Ok(self.compare(way, (origin, copy, copied), compared, reached));
        }
        if copy.info.state.messages == 0 && copy.info.state.last_seq < last {
            // It goes on counting where its origin was.
            self.says = format!("lets {} go on counting at {}", way.copy, last + 1);
            let body = json!({"seq": last + 1});
            return Ok(Move::Call(Request::new(Call::StreamPurge(way.copy), &body)));
        }
        let ends = Last { copy: copy.info.state.last_seq, origin: last };
        let copied = Copied { compared, last: Some(ends), ..copied.clone() };
        let later = way.later.unwrap_or(&origin.config);
        let config = promoted(&copy.config, &copied, later, note);
        self.says = format!("publishers are with {}", way.copy);
        Ok(Move::Call(Request::new(Call::StreamUpdate(way.copy), &config)))
    }

    /// Up to where the copy is known to be what its origin is.
    fn compared_up_to(&self, way: &Way<'_>, copied: &Copied) -> u64 {
        let (of, compared) = &self.compared;
        if of == way.origin { copied.compared.max(*compared) } else { copied.compared }
    }

    fn compare(
        &mut self,
        way: &Way<'_>,
        (side, copied_to, copied): (&Side, &Side, &Copied),
        behind: u64,
        last: u64,
    ) -> Move {
        let mut from = None;
        if copied.sources {
            match self.locate(way, copied_to, behind + 1) {
                Ok(place) => from = Some(place),
                Err(find) => return Move::Find(find),
            }
        }
        self.says = format!("compares {} with {}", way.copy, way.origin);
        let (origin, copy) = (way.origin.to_owned(), way.copy.to_owned());
        let config = &side.info.config;
        let in_batches = config.allow_direct && config.num_replicas == 1;
        let publishers_wait = side.parked.is_some();
        Move::Compare(Comparison {
            origin,
            copy,
            first: behind + 1,
            last,
            filters: copied.moves.clone(),
            from,
            in_batches,
            publishers_wait,
        })
    }
}
