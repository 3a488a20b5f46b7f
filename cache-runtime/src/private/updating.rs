//! What is stored without having been loaded: by a companion's `put`, and by the expansion of `#[updates]`.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use futures_util::future::join_all;

use super::call::{Call, Judged};
use super::writing::Returned;
use super::{IntoAnswer, Look, Shape, Site, Target};
use crate::engine::{Session, WriteThrough};
use crate::scope::{self, Mode};
use crate::store::Mark;

/// A call of a cached function whose answer `R` comes from elsewhere: what its companion knows of it.
pub struct Update<R, J> {
    call: Call<'static>,
    judge: J,
    answer: PhantomData<fn(&R)>,
}

/// What the function makes of an answer, by its own conditions.
pub trait Judge<R>: FnOnce(&Call<'_>, &R) -> Judged {}

impl<R, J: FnOnce(&Call<'_>, &R) -> Judged> Judge<R> for J {}

/// The answer of `call`, as soon as there is one.
pub fn update<R, J>(call: &Call<'_>, judge: J) -> Update<R, J>
where
    J: FnOnce(&Call<'_>, &R) -> Judged,
{
    Update {
        call: call.owned(),
        judge,
        answer: PhantomData,
    }
}

/// Stores `answer` as though the function had answered it; where that cannot be, makes old what is stored. An `Err` is no answer.
pub async fn put<R, J: Judge<R>>(update: Update<R, J>, answer: R) {
    let Update { call, judge, .. } = update;
    let judged = judge(&call, &answer);
    let session = session(&call);
    let mut encodable = true;
    let loaded = judged.loaded(|| {
        session.not_encodable();
        encodable = false;
    });
    match loaded {
        Some(loaded) => session.put(loaded).await,
        None if !encodable => session.make_old().await,
        None => {}
    }
}

fn session<'a>(call: &'a Call<'_>) -> Session<'a> {
    let mode = match scope::is_bypassed() {
        true => Mode::Uncached,
        false => Mode::Refresh,
    };
    call.of_cache().engine.session(call.request(mode))
}

/// What stores the value `V` of a writer's answer.
#[diagnostic::on_unimplemented(
    message = "a declared key has no function whose answer could be stored",
    label = "name the function that loads it, or clear it: `#[invalidates(…)]`",
    note = "what is stored under a key has to be what its function answers"
)]
pub trait Stores<'a, V> {
    /// The same as a call whose answer is that value.
    fn of_value(self) -> OfValue<'a, V>;
}

/// An update that takes a writer's value.
pub type OfValue<'a, V> = Update<V, Box<dyn Judge<V> + Send + 'a>>;

impl<'a, R, J, V> Stores<'a, V> for Update<R, J>
where
    V: IntoAnswer<R> + Clone,
    J: Judge<R> + Send + 'a,
{
    fn of_value(self) -> OfValue<'a, V> {
        let Self { call, judge, .. } = self;
        Update {
            call,
            judge: Box::new(|call: &Call<'_>, value: &V| judge(call, &value.clone().into_answer())),
            answer: PhantomData,
        }
    }
}

/// What a declared key has in the place of an [`Update`].
#[derive(Debug)]
pub struct NoFunction;

impl<'a, R, S: Shape<R>> Returned<'a, R, S> {
    /// What the value is stored as.
    #[must_use]
    pub fn update(mut self, update: impl Stores<'a, S::Value>) -> Self {
        self.updates.push(update.of_value());
        self
    }
}

/// Runs `body`, and then stores what it wrote; where that cannot be, makes it old. Dropped after `body` began, it queues the invalidations: the
/// write may have been done.
pub async fn updating<R, S: Shape<R>, F: Future<Output = R>>(
    site: &'static Site,
    returned: Returned<'_, R, S>,
    body: F,
) -> R {
    let Returned {
        shape,
        updates,
        refuse,
        ..
    } = returned;
    let (calls, judges): (Vec<_>, Vec<_>) = updates
        .into_iter()
        .map(|update| (update.call, update.judge))
        .unzip();
    if let Some(refuse) = refuse {
        for call in &calls {
            let key = Target::from(call.key().clone());
            let engine = &call.of_cache().engine;
            if let Err(error) = engine.announce(&[key], Mark::Untouched).await {
                engine.refused(site, &error);
                return refuse(error);
            }
        }
    }
    let begun = calls.iter().map(|call| session(call).write_through(site));
    let writes = join_all(begun).await;
    let answer = body.await;
    if !shape.succeeded(&answer) {
        writes.into_iter().for_each(WriteThrough::abandon);
        return answer;
    }
    let ended = writes.into_iter().zip(&calls).zip(judges);
    let ended = ended.map(|((write, call), judge)| {
        let loaded = match shape.look(&answer) {
            Look::Value(value) => {
                let judged = judge(call, value);
                judged.loaded(|| write.not_encodable())
            }
            Look::Absent | Look::Failed => None,
        };
        write.end(loaded)
    });
    join_all(ended).await;
    answer
}

impl<R, J> fmt::Debug for Update<R, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update").finish_non_exhaustive()
    }
}
