//! Answering a call: the generic shell round the engine. What happens is decided there.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tokio::time::Instant;

use super::call::{Call, Rules, Stored};
use super::{Cache, Look, Shape, Site, Target};
use crate::engine::{BACK_OFF, Ended, Loading, Place, Session, Step};
use crate::envelope::Head;
use crate::scope::{self, Mode};
use crate::shape::SharedError;

/// Answers a call from the cache, or by `load`.
pub async fn cached<R, S: Shape<R>, F: Future<Output = R> + Unpin>(
    mut call: Call<'_>,
    stored: Stored<R, S>,
    rules: Rules<'_, R, S::Value>,
    load: F,
) -> R {
    let mode = call.mode();
    let cache = call.of_cache();
    let mut session = cache.engine.call(call.request(mode));
    let answer = match look(&mut session, stored, &rules).await {
        Looked::Answer { answer, .. } => answer,
        Looked::Load(loading) => {
            let answer = scope::loading(session.span(), load).await;
            let shell = Shell::new(&call, &cache, stored, &rules);
            session.end(shell.ended(&session, loading, &answer)).await;
            shell.answer(&mut session, answer)
        }
    };
    session.answered();
    answer
}

/// The same for a load that may be given up: apart, as few functions have one, and what stands here is compiled for each that comes here.
pub async fn cached_within<R, S: Shape<R>, F: Future<Output = R> + Unpin>(
    mut call: Call<'_>,
    stored: Stored<R, S>,
    rules: Rules<'_, R, S::Value>,
    load: F,
) -> R {
    let mode = call.mode();
    let cache = call.of_cache();
    let mut session = cache.engine.call(call.request(mode));
    let answer = match look(&mut session, stored, &rules).await {
        Looked::Answer { answer, .. } => answer,
        Looked::Load(loading) => {
            let mut shell = Shell::new(&call, &cache, stored, &rules);
            let answer = shell.load(&session, load).await;
            session.end(shell.ended(&session, loading, &answer)).await;
            shell.answer(&mut session, answer)
        }
    };
    session.answered();
    answer
}

/// The same for a load that owns what it needs, so that it can begin, and go on, without its caller.
pub async fn cached_owned<R, S, L, F>(
    mut call: Call<'_>,
    stored: Stored<R, S>,
    rules: Rules<'static, R, S::Value>,
    load: L,
) -> R
where
    R: Send + 'static,
    S: Shape<R> + Send + Sync + 'static,
    L: FnOnce() -> F,
    F: Future<Output = R> + Send + Unpin + 'static,
{
    let mode = call.mode();
    let cache = call.of_cache();
    let mut session = cache.engine.call(call.request(mode));
    let answer = match look(&mut session, stored, &rules).await {
        Looked::Answer { answer, refresh } => {
            if let Some((head, place)) = refresh.and_then(|head| Some((head, session.place()?))) {
                let (call, load) = (call.owned(), load());
                let background = cache.clone();
                cache.engine.background.run(place, async move {
                    let cache = background;
                    let request = call.request(Mode::Usual);
                    let mut session = cache.engine.background_session(request);
                    if let Some(loading) = session.lead(head).await {
                        let mut shell = Shell::new(&call, &cache, stored, &rules);
                        let answer = shell.load(&session, load).await;
                        let ended = shell.ended(&session, Some(loading), &answer);
                        drop(answer);
                        let failed = matches!(ended, Ended::Failed(..));
                        session.end(ended).await;
                        if failed {
                            // The place is kept so long: a source that fails is not asked at each hit.
                            tokio::time::sleep(BACK_OFF).await;
                        }
                    }
                });
            }
            answer
        }
        Looked::Load(loading) => {
            let mut shell = Shell::new(&call, &cache, stored, &rules);
            let mut load = load();
            match shell.load_or_stale(&mut session, &mut load).await {
                Early::Answer(answer) => {
                    session.end(shell.ended(&session, loading, &answer)).await;
                    shell.answer(&mut session, answer)
                }
                Early::Stale { answer, place } => {
                    let (call, background) = (call.owned(), cache.clone());
                    cache.engine.background.run(place, async move {
                        let cache = background;
                        let request = call.request(Mode::Usual);
                        let session = cache.engine.background_session(request);
                        let mut shell = Shell::new(&call, &cache, stored, &rules);
                        let answer = shell.load(&session, load).await;
                        session.end(shell.ended(&session, loading, &answer)).await;
                    });
                    answer
                }
            }
        }
    };
    session.answered();
    answer
}

/// What a look brought.
enum Looked<R> {
    Answer {
        answer: R,
        /// The head of the entry, when it is to be loaded anew in the background.
        refresh: Option<Head>,
    },
    Load(Option<Loading>),
}

/// Looks until there is an answer, or this caller has to load.
async fn look<R, S: Shape<R>>(
    session: &mut Session<'_>,
    stored: Stored<R, S>,
    rules: &Rules<'_, R, S::Value>,
) -> Looked<R> {
    loop {
        match session.step().await {
            Step::Near(kept) => {
                if let Some(answer) = stored.near_answer(kept.value()) {
                    session.served_near();
                    return Looked::Answer {
                        answer,
                        refresh: None,
                    };
                }
                // Another instance of the same generic function has it under the same key.
                session.leave_near();
            }
            Step::Found(found) => match stored.answer(&found) {
                Some(answer) => {
                    let kept = session.keeps_near().then(|| stored.kept(&answer)).flatten();
                    session.served(&found, kept);
                    let refresh = found.refresh.then(|| found.head());
                    return Looked::Answer { answer, refresh };
                }
                None => session.distrust(&found),
            },
            Step::Failed(error) => match failed(session, stored, rules, &error) {
                Some(answer) => {
                    return Looked::Answer {
                        answer,
                        refresh: None,
                    };
                }
                None => return Looked::Load(None),
            },
            Step::Lead(loading) => return Looked::Load(Some(loading)),
            Step::Alone => return Looked::Load(None),
        }
    }
}

/// The answer of a caller that has waited for a load that failed; `None` when the error is of another function's type.
fn failed<R, S: Shape<R>>(
    session: &Session<'_>,
    stored: Stored<R, S>,
    rules: &Rules<'_, R, S::Value>,
    error: &SharedError,
) -> Option<R> {
    if error.is::<GivenUp>() {
        let on_timeout = rules.on_timeout?;
        session.timed_out();
        return Some(on_timeout());
    }
    stored.failed(error)
}

/// What those that wait for a load get when it took longer than `load_timeout`, whatever the function's error is.
#[derive(Debug)]
struct GivenUp;

/// What a load may end in before it ends.
enum Early<R> {
    Answer(R),
    /// It takes long, and goes on in this place.
    Stale {
        answer: R,
        place: Place,
    },
}

/// How a call's load is run and what becomes of its answer.
struct Shell<'a, R, S: Shape<R>> {
    call: &'a Call<'a>,
    cache: &'a Cache,
    stored: Stored<R, S>,
    rules: &'a Rules<'a, R, S::Value>,
    /// The load has taken longer than it may.
    given_up: bool,
}

impl<'a, R, S: Shape<R>> Shell<'a, R, S> {
    fn new(
        call: &'a Call<'a>,
        cache: &'a Cache,
        stored: Stored<R, S>,
        rules: &'a Rules<'a, R, S::Value>,
    ) -> Self {
        Self {
            call,
            cache,
            stored,
            rules,
            given_up: false,
        }
    }

    /// Loads, for as long as the function may take.
    async fn load(&mut self, session: &Session<'_>, load: impl Future<Output = R>) -> R {
        // Pinned first: futures in futures grow large.
        let load = pin!(load);
        let load = scope::loading(session.span(), load);
        let Some((limit, on_timeout)) = session.load_until().zip(self.rules.on_timeout) else {
            return load.await;
        };
        let expired = Instant::now() >= limit;
        let answer = match expired {
            // The wait for another's load has taken all the time.
            true => None,
            false => tokio::time::timeout_at(limit, load).await.ok(),
        };
        answer.unwrap_or_else(|| {
            session.timed_out();
            self.given_up = true;
            on_timeout()
        })
    }

    /// Loads, or after `soft_timeout` takes the answer that is past its ttl, if there is one and the load may go on without this caller.
    async fn load_or_stale(
        &mut self,
        session: &mut Session<'_>,
        mut load: impl Future<Output = R> + Unpin,
    ) -> Early<R> {
        if let Some(soft) = self.call.policy().soft_timeout
            && session.has_fallback()
        {
            let soft = soft.saturating_sub(session.waited());
            let early = tokio::time::timeout(soft, self.load(session, &mut load)).await;
            if let Ok(answer) = early {
                return Early::Answer(answer);
            }
            if let Some(place) = session.place()
                && let Some(answer) = self.stand_in(session)
            {
                return Early::Stale { answer, place };
            }
        }
        Early::Answer(self.load(session, load).await)
    }

    /// What the load has come to, for all others.
    fn ended(&self, session: &Session<'_>, loading: Option<Loading>, answer: &R) -> Ended {
        if matches!(self.stored.shape.look(answer), Look::Failed) {
            let error = match self.given_up {
                true => Some(Arc::new(GivenUp) as SharedError),
                false => self.stored.error(answer),
            };
            return Ended::Failed(loading, error);
        }
        let Some(loading) = loading.filter(Session::is_wanted) else {
            return Ended::Alone;
        };
        let call = self.call;
        let judged = call.judge(self.stored, self.rules, answer, self.cache);
        let loaded = judged.loaded(|| session.not_encodable());
        let kept = session.keeps_near().then(|| self.stored.kept(answer));
        Ended::Loaded(loading, loaded, kept.flatten())
    }

    /// The load's answer. Where it failed, one that is past its ttl may take its place.
    fn answer(&self, session: &mut Session<'_>, answer: R) -> R {
        match self.stored.shape.look(&answer) {
            Look::Failed => self.stand_in(session).unwrap_or(answer),
            _ => answer,
        }
    }

    /// The answer past its ttl that the look has found.
    fn stand_in(&self, session: &mut Session<'_>) -> Option<R> {
        let found = session.fallback()?;
        let answer = self.stored.answer(&found)?;
        session.served(&found, None);
        Some(answer)
    }
}

/// Makes `target` old.
pub async fn invalidate(site: &'static Site, cache: Option<&Cache>, target: Target) {
    let cache = cache.cloned().unwrap_or_else(Cache::current);
    // What fails here is logged, counted and queued there.
    let _ = cache.engine.invalidate(site, vec![target]).await;
}

/// The stored answer, if there is a current one.
pub async fn peek<R, S: Shape<R>>(call: Call<'_>, stored: Stored<R, S>) -> Option<R> {
    let cache = call.of_cache();
    let session = cache.engine.session(call.request(Mode::Usual));
    if scope::is_bypassed() {
        return None;
    }
    let found = session.peek().await?;
    stored.answer(&found)
}

/// Runs `call` so that it loads and replaces what is stored.
pub fn refreshing<F: Future>(
    site: &'static Site,
    call: F,
) -> impl Future<Output = F::Output> + use<F> {
    scope::within(site, Mode::Refresh, call)
}

/// Runs `call` so that it leaves the cache alone.
pub fn uncached<F: Future>(
    site: &'static Site,
    call: F,
) -> impl Future<Output = F::Output> + use<F> {
    scope::within(site, Mode::Uncached, call)
}
