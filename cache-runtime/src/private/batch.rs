//! Answering a call for many keys: what is cached of them, and one load of the others.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, Hash};
use std::mem;
use std::pin::pin;

use super::Cache;
use super::call::{Call, Rules, Stored};
use crate::codec::{Nearby, Storable};
use crate::engine::{
    Budget, Ended, Found, Glance, Loaded, Loading, Part, Session, Waiting, Watched,
};
use crate::near;
use crate::scope::{Inside, Mode};
use crate::shape::Optional;
use crate::store::TOGETHER;

/// How often a batch looks again because somebody else stored an entry between its look and its announcement.
const LOOKS: usize = 4;

/// What a function with `batch = ids` may answer for many `Id`s: a map, or a `Vec<Option<V>>` in their order; alone or in a `Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the answer of a batch",
    label = "answer a `HashMap<Id, V>`, a `BTreeMap<Id, V>` or a `Vec<Option<V>>` for `Id` = `{Id}`, alone or in a `Result`",
    note = "in a `Vec` each place is that of an id; what is not there is `None`"
)]
pub trait Gathered<Id>: Sized {
    /// What belongs to one id.
    type Value: Storable + Clone;

    /// The value of each of `ids`, in their order; the answer again, when it is an `Err`.
    fn part(self, ids: &[Id]) -> Result<Vec<Option<Self::Value>>, Self>;

    /// The answer for `ids`, of which each may stand there twice.
    fn gather(ids: Vec<(Id, Option<Self::Value>)>) -> Self;
}

#[diagnostic::do_not_recommend]
impl<Id: Eq + Hash, V: Storable + Clone, S: BuildHasher + Default> Gathered<Id>
    for HashMap<Id, V, S>
{
    type Value = V;

    fn part(mut self, ids: &[Id]) -> Result<Vec<Option<V>>, Self> {
        Ok(ids.iter().map(|id| self.remove(id)).collect())
    }

    fn gather(ids: Vec<(Id, Option<V>)>) -> Self {
        let found = ids.into_iter();
        found.filter_map(|(id, value)| Some((id, value?))).collect()
    }
}

#[diagnostic::do_not_recommend]
impl<Id: Ord, V: Storable + Clone> Gathered<Id> for BTreeMap<Id, V> {
    type Value = V;

    fn part(mut self, ids: &[Id]) -> Result<Vec<Option<V>>, Self> {
        Ok(ids.iter().map(|id| self.remove(id)).collect())
    }

    fn gather(ids: Vec<(Id, Option<V>)>) -> Self {
        let found = ids.into_iter();
        found.filter_map(|(id, value)| Some((id, value?))).collect()
    }
}

#[diagnostic::do_not_recommend]
impl<Id, V: Storable + Clone> Gathered<Id> for Vec<Option<V>> {
    type Value = V;

    fn part(self, _: &[Id]) -> Result<Self, Self> {
        Ok(self)
    }

    fn gather(ids: Vec<(Id, Option<V>)>) -> Self {
        ids.into_iter().map(|(_, value)| value).collect()
    }
}

#[diagnostic::do_not_recommend]
impl<Id, C: Gathered<Id>, E> Gathered<Id> for Result<C, E> {
    type Value = C::Value;

    fn part(self, ids: &[Id]) -> Result<Vec<Option<C::Value>>, Self> {
        self.map_err(Err)?.part(ids).map_err(Ok)
    }

    fn gather(ids: Vec<(Id, Option<C::Value>)>) -> Self {
        Ok(C::gather(ids))
    }
}

/// What a batch may be asked for: `&[T]` or `Vec<T>`.
pub trait Ids {
    /// One of them.
    type Id;

    /// All of them.
    fn into_ids(self) -> Vec<Self::Id>;
}

impl<T> Ids for Vec<T> {
    type Id = T;

    fn into_ids(self) -> Self {
        self
    }
}

impl<T: Clone> Ids for &[T] {
    type Id = T;

    fn into_ids(self) -> Vec<T> {
        self.to_vec()
    }
}

/// The body of a batch, as a function of the keys that are to be loaded; here it learns their type.
pub fn batch_load<I: Ids, L: Fn(Vec<I::Id>) -> F, F: Future>(_: &I, load: L) -> L {
    load
}

/// The call of one of the keys.
pub fn batch_call<'a, I: Ids, C: Fn(&I::Id) -> Call<'a>>(_: &I, call: C) -> C {
    call
}

/// How a batch stores the value of one id: as a function does that answers `Option<V>`.
pub fn stored_batch<Id, R: Gathered<Id>, L: Fn(Vec<Id>) -> F, F: Future<Output = R>>(
    _: &L,
) -> Stored<Option<R::Value>, Optional> {
    super::stored(&super::probe_type(), Optional)
}

/// The same with a near cache.
pub fn stored_batch_near<Id, R, L, F>(_: &L) -> Stored<Option<R::Value>, Optional>
where
    R: Gathered<Id>,
    R::Value: Nearby,
    L: Fn(Vec<Id>) -> F,
    F: Future<Output = R>,
{
    super::stored_near(&super::probe_type(), Optional)
}

/// One of the keys of a batch: its first place among the ids, and what is known of its value.
struct Member<'a, V> {
    session: Session<'a>,
    at: usize,
    value: Option<Option<V>>,
}

/// Answers a call for many keys. `call` makes the call of one of them; `load` is called with those that are not cached, once in the usual case: again
/// only for keys whose load another caller had begun and did not end.
///
/// Safe to drop at any time: turns to load pass on.
pub async fn batch<'a, T, R, L, F>(
    cache: Option<&Cache>,
    ids: impl Ids<Id = T>,
    call: impl Fn(&T) -> Call<'a>,
    stored: Stored<Option<R::Value>, Optional>,
    rules: Rules<'_, Option<R::Value>, R::Value>,
    load: L,
) -> R
where
    T: Clone,
    R: Gathered<T>,
    L: Fn(Vec<T>) -> F,
    F: Future<Output = R>,
{
    let cache = cache.cloned().unwrap_or_else(Cache::current);
    let ids = ids.into_ids();
    let mut calls: Vec<Call<'a>> = ids.iter().map(call).collect();
    // The mode is told to one call; here all keys are that one.
    let mode = calls.first_mut().map_or(Mode::Usual, Call::mode);
    let mut known = HashSet::new();
    let first: Vec<usize> = (0..ids.len())
        .filter(|at| known.insert(calls[*at].key()))
        .collect();
    let mut members: Vec<Member<'_, R::Value>> = first
        .into_iter()
        .map(|at| Member {
            session: cache.engine.session(calls[at].request(mode)),
            at,
            value: None,
        })
        .collect();
    let batch = Batch {
        cache: &cache,
        ids: &ids,
        calls: &calls,
        stored,
        rules,
        load,
        watched: members
            .first()
            .and_then(|first| first.session.watch_batch(members.len())),
    };
    if let Err(failed) = batch.answer(&mut members).await {
        return failed;
    }
    let mut values: HashMap<&str, Option<R::Value>> = HashMap::with_capacity(members.len());
    for member in members {
        values.insert(calls[member.at].key().as_str(), member.value.flatten());
    }
    let found: Vec<_> = calls
        .iter()
        .map(|call| values.get(call.key().as_str()).cloned().flatten())
        .collect();
    drop(values);
    drop(batch);
    drop(calls);
    R::gather(ids.into_iter().zip(found).collect())
}

struct Batch<'b, 'a, T, R: Gathered<T>, L> {
    cache: &'b Cache,
    ids: &'b [T],
    calls: &'b [Call<'a>],
    stored: Stored<Option<R::Value>, Optional>,
    rules: Rules<'b, Option<R::Value>, R::Value>,
    load: L,
    watched: Option<Box<Watched>>,
}

impl<T, R, L, F> Batch<'_, '_, T, R, L>
where
    T: Clone,
    R: Gathered<T>,
    L: Fn(Vec<T>) -> F,
    F: Future<Output = R>,
{
    /// Gives each of `members` its value; the answer itself, when the body fails.
    async fn answer(&self, members: &mut [Member<'_, R::Value>]) -> Result<(), R> {
        for _ in 0..LOOKS {
            let mut pending: Vec<_> = members
                .iter_mut()
                .filter(|member| member.value.is_none())
                .collect();
            if pending.is_empty() {
                break;
            }
            let (mut loads, mut waits) = (Vec::new(), Vec::new());
            // So many at one time: what is not decoded yet stays bounded.
            for from in (0..pending.len()).step_by(TOGETHER) {
                let to = pending.len().min(from + TOGETHER);
                let (more, others) = self.look(&mut pending[from..to]).await;
                loads.extend(more.into_iter().map(|(at, load)| (from + at, load)));
                let others = others.into_iter();
                waits.extend(others.map(|(at, waiting)| (from + at, waiting)));
            }
            self.load(&mut pending, mem::take(&mut loads)).await?;
            for (at, waiting) in waits {
                match pending[at].session.wait_for_part(waiting).await {
                    Part::Found(found) => self.take(pending[at], &found),
                    Part::Lead(loading) => loads.push((at, Some(loading))),
                    Part::Alone => loads.push((at, None)),
                    // Looked at once more.
                    Part::Again | Part::Wait(..) => {}
                }
            }
            self.load(&mut pending, loads).await?;
        }
        let mut left: Vec<_> = members
            .iter_mut()
            .filter(|member| member.value.is_none())
            .collect();
        let loads = (0..left.len()).map(|at| (at, None)).collect();
        self.load(&mut left, loads).await?;
        for member in &*members {
            member.session.answered();
        }
        if let Some(watched) = &self.watched {
            watched.answered(members.iter().map(|member| &member.session));
        }
        Ok(())
    }

    /// What is cached; and which of the others this call loads, and which somebody else does.
    async fn look(
        &self,
        pending: &mut [&mut Member<'_, R::Value>],
    ) -> (Vec<(usize, Option<Loading>)>, Vec<(usize, Waiting)>) {
        let engine = &self.cache.engine;
        let mut sessions: Vec<_> = sessions_of(pending);
        let budget = Budget::of_call(&engine.patience);
        let glances = engine.glance(&mut sessions, &budget).await;
        let (mut loads, mut waits) = (Vec::new(), Vec::new());
        let (mut missed, mut misses) = (Vec::new(), Vec::new());
        for (at, glance) in glances.into_iter().enumerate() {
            match glance {
                Glance::Near(kept) => match self.stored.near_answer(kept.value()) {
                    Some(value) => {
                        pending[at].session.served_near();
                        pending[at].value = Some(value);
                    }
                    // Looked at once more, in the store.
                    None => pending[at].session.leave_near(),
                },
                Glance::Found(found) => {
                    self.take(pending[at], &found);
                    if pending[at].value.is_none() {
                        missed.push(at);
                        misses.push(pending[at].session.miss_of(&found));
                    }
                }
                Glance::Missed(miss) => {
                    missed.push(at);
                    misses.push(miss);
                }
                Glance::Alone => loads.push((at, None)),
            }
        }
        let mut sessions = sessions_at(pending, &missed);
        let parts = engine.announce_many(&mut sessions, &misses, &budget).await;
        for (at, part) in missed.into_iter().zip(parts) {
            match part {
                Part::Lead(loading) => loads.push((at, Some(loading))),
                Part::Alone => loads.push((at, None)),
                Part::Found(found) => self.take(pending[at], &found),
                Part::Wait(waiting) => waits.push((at, waiting)),
                Part::Again => {}
            }
        }
        (loads, waits)
    }

    /// The value of an entry, if it is of the answer's type.
    fn take(&self, member: &mut Member<'_, R::Value>, found: &Found) {
        match self.stored.answer(found) {
            Some(value) => {
                let session = &mut member.session;
                let kept = session.keeps_near().then(|| self.stored.kept(&value));
                session.served(found, kept.flatten());
                member.value = Some(value);
            }
            None => member.session.distrust(found),
        }
    }

    /// One call of the body for all of `loads`; what it brings is shared and stored.
    async fn load(
        &self,
        pending: &mut [&mut Member<'_, R::Value>],
        loads: Vec<(usize, Option<Loading>)>,
    ) -> Result<(), R> {
        if loads.is_empty() {
            return Ok(());
        }
        for (at, loading) in &loads {
            if loading.is_none() {
                pending[*at].session.loads_alone();
            }
        }
        let ids: Vec<T> = loads
            .iter()
            .map(|(at, _)| self.ids[pending[*at].at].clone())
            .collect();
        let asked = ids.clone();
        let mut load = pin!((self.load)(ids));
        let inside = Inside::of(self.watched.as_deref().map(Watched::span));
        let answer = poll_fn(|cx| inside.poll(load.as_mut(), cx)).await;
        let values = match answer.part(&asked) {
            Ok(values) => values,
            Err(failed) => {
                for (at, loading) in loads {
                    pending[at].session.end(Ended::Failed(loading, None)).await;
                }
                return Err(failed);
            }
        };
        let fits = values.len() == asked.len();
        if !fits {
            tracing::error!(
                function = self.calls[0].function(),
                asked = asked.len(),
                answered = values.len(),
                "the body of a batch has answered a list of another length: nothing of it is stored"
            );
        }
        let mut values = values.into_iter();
        let mut settled = Vec::with_capacity(loads.len());
        for (at, loading) in loads {
            pending[at].value = Some(values.next().flatten());
            settled.extend(loading.map(|loading| (at, loading)));
        }
        let mut settled = settled.into_iter().peekable();
        while settled.peek().is_some() {
            let ends = settled.by_ref().take(TOGETHER);
            let ends = ends
                .map(|(at, loading)| self.end(pending[at], loading, fits))
                .collect();
            self.cache.engine.settle_many(ends).await;
        }
        Ok(())
    }

    /// What is to be shared and stored of a member's value; nothing, unless it certainly is that of its key.
    fn end<'m, 's>(
        &self,
        member: &'m Member<'s, R::Value>,
        loading: Loading,
        certain: bool,
    ) -> (
        &'m Session<'s>,
        Loading,
        Option<Loaded>,
        Option<near::Value>,
    ) {
        let (session, value) = (&member.session, member.value.as_ref().unwrap_or(&None));
        let call = &self.calls[member.at];
        let judged = call.judge(self.stored, &self.rules, value);
        let loaded = judged.loaded(|| session.not_encodable());
        let kept = session.keeps_near().then(|| self.stored.kept(value));
        (session, loading, loaded.filter(|_| certain), kept.flatten())
    }
}

fn sessions_of<'m, 's, V>(pending: &'m mut [&mut Member<'s, V>]) -> Vec<&'m mut Session<'s>> {
    pending
        .iter_mut()
        .map(|member| &mut member.session)
        .collect()
}

fn sessions_at<'m, 's, V>(
    pending: &'m mut [&mut Member<'s, V>],
    places: &[usize],
) -> Vec<&'m mut Session<'s>> {
    let mut places = places.iter().copied().peekable();
    let sessions = pending.iter_mut().enumerate();
    sessions
        .filter(|(at, _)| places.next_if_eq(at).is_some())
        .map(|(_, member)| &mut member.session)
        .collect()
}
