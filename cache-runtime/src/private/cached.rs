//! Answering a call: the generic shell round the engine. What happens is decided there.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use super::call::{Call, Rules, Stored};
use super::{Cache, Look, Shape, Site, Target};
use crate::engine::{BACK_OFF, Boxed, Ended, Loading, Place, Session, Step};
use crate::envelope::Head;
use crate::scope::{self, Inside, Mode};
use crate::shape::SharedError;

/// Answers a call from the cache, or by `load`.
pub fn cached<'a, R, S: Shape<R>, F: Future<Output = R> + Unpin>(
    call: &'a mut Call<'_>,
    stored: Stored<R, S>,
    rules: Rules<'a, R, S::Value>,
    load: F,
) -> Cached<'a, R, S, F> {
    let course = Course::begin(call, stored, rules);
    Cached { course, load }
}

/// The future of a call.
///
/// Written by hand, and with nothing of `F` that need not be: it is compiled once for each cached function of a program, and all else once for each type of
/// answer.
pub struct Cached<'a, R, S: Shape<R>, F> {
    course: Course<'a, R, S>,
    load: F,
}

impl<R, S: Shape<R>, F: Future<Output = R> + Unpin> Future for Cached<'_, R, S, F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let Self { course, load } = &mut *self;
        course.poll(load, cx)
    }
}

/// Nothing in it is pinned where it stands.
impl<R, S: Shape<R>, F> Unpin for Cached<'_, R, S, F> {}

/// How a call goes, whatever loads for it: compiled once for each type of answer.
struct Course<'a, R, S: Shape<R>> {
    shell: Shell<'a, R, S>,
    at: At<'a>,
    /// What was loaded, while others get it.
    loaded: Option<R>,
}

/// How far a call has come; without anything of its types, as `UnderWay` and `Body`, so that it is compiled once.
enum At<'a> {
    Looking(Boxed<'a, (Session<'a>, Step)>),
    /// In a box, which a hit is spared.
    Loading(Box<UnderWay<'a>>),
    Ending(Boxed<'a, Session<'a>>),
    /// Or its load has panicked.
    Answered,
}

/// What has to be done.
enum Next<'a> {
    Take(Session<'a>, Step),
    Load(Box<UnderWay<'a>>),
    Answer(Session<'a>),
}

/// A load that runs.
struct UnderWay<'a> {
    session: Session<'a>,
    loading: Option<Loading>,
    body: Body,
}

impl UnderWay<'_> {
    fn poll<R>(
        &mut self,
        on_timeout: Option<&(dyn Fn() -> R + Sync)>,
        load: &mut (dyn Future<Output = R> + Unpin + '_),
        cx: &mut Context<'_>,
    ) -> Poll<R> {
        self.body.poll(&self.session, on_timeout, load, cx)
    }
}

impl<'a> At<'a> {
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Next<'a>> {
        let next = match self {
            Self::Looking(looking) => {
                let (session, step) = ready!(looking.as_mut().poll(cx));
                Next::Take(session, step)
            }
            Self::Ending(ending) => Next::Answer(ready!(ending.as_mut().poll(cx))),
            Self::Loading(_) | Self::Answered => match mem::replace(self, Self::Answered) {
                Self::Loading(under_way) => return Poll::Ready(Next::Load(under_way)),
                _ => panic!("polled after it was answered"),
            },
        };
        *self = Self::Answered;
        Poll::Ready(next)
    }
}

impl<'a, R, S: Shape<R>> Course<'a, R, S> {
    fn begin(call: &'a mut Call<'_>, stored: Stored<R, S>, rules: Rules<'a, R, S::Value>) -> Self {
        let mode = call.mode();
        let call = &*call;
        let shell = Shell {
            call,
            stored,
            rules,
        };
        Self {
            shell,
            at: At::Looking(call.session(mode).stepping()),
            loaded: None,
        }
    }

    fn poll(
        &mut self,
        load: &mut (dyn Future<Output = R> + Unpin + '_),
        cx: &mut Context<'_>,
    ) -> Poll<R> {
        let shell = &self.shell;
        loop {
            self.at = match ready!(self.at.next(cx)) {
                Next::Take(mut session, step) => match shell.looked(&mut session, step) {
                    None => At::Looking(session.stepping()),
                    Some(Looked::Load(loading)) => At::Loading(Box::new(UnderWay {
                        body: shell.body(&session),
                        session,
                        loading,
                    })),
                    Some(Looked::Answer { answer, .. }) => {
                        session.answered();
                        return Poll::Ready(answer);
                    }
                },
                Next::Load(mut under_way) => {
                    let Poll::Ready(answer) = under_way.poll(shell.rules.on_timeout, load, cx)
                    else {
                        self.at = At::Loading(under_way);
                        return Poll::Pending;
                    };
                    let UnderWay {
                        mut session,
                        loading,
                        body,
                    } = *under_way;
                    match shell.ended(&session, loading, &answer, body.given_up) {
                        // Nobody waits for it, and it is not stored: what calls are while Redis is away.
                        Ended::Alone => {
                            let answer = shell.answer(&mut session, answer);
                            session.answered();
                            return Poll::Ready(answer);
                        }
                        ended => {
                            self.loaded = Some(answer);
                            At::Ending(session.ending(ended))
                        }
                    }
                }
                Next::Answer(mut session) => {
                    let Some(answer) = self.loaded.take() else {
                        continue;
                    };
                    let answer = shell.answer(&mut session, answer);
                    session.answered();
                    return Poll::Ready(answer);
                }
            };
        }
    }
}

/// The same for a load that owns what it needs, so that it can begin, and go on, without its caller.
pub async fn cached_owned<R, S, L, F>(
    call: &mut Call<'_>,
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
    let call = &*call;
    let mut session = call.session(mode);
    let shell = Shell {
        call,
        stored,
        rules,
    };
    let background = &call.of_cache().engine.background;
    let answer = match shell.look(&mut session).await {
        Looked::Answer { answer, refresh } => {
            if let Some((head, place)) = refresh.and_then(|head| Some((head, session.place()?))) {
                let (call, mut load) = (call.owned(), load());
                background.run(place, async move {
                    let mut session = call.background_session();
                    if let Some(loading) = session.lead(head).await {
                        let shell = Shell {
                            call: &call,
                            stored,
                            rules,
                        };
                        let (answer, given_up) = shell.load(&session, &mut load).await;
                        let ended = shell.ended(&session, Some(loading), &answer, given_up);
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
            let mut load = load();
            match shell.load_or_stale(&mut session, &mut load).await {
                Early::Answer(answer, given_up) => {
                    let ended = shell.ended(&session, loading, &answer, given_up);
                    session.end(ended).await;
                    shell.answer(&mut session, answer)
                }
                Early::Stale { answer, place } => {
                    let call = call.owned();
                    background.run(place, async move {
                        let session = call.background_session();
                        let shell = Shell {
                            call: &call,
                            stored,
                            rules,
                        };
                        let (answer, given_up) = shell.load(&session, &mut load).await;
                        let ended = shell.ended(&session, loading, &answer, given_up);
                        session.end(ended).await;
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

/// What those that wait for a load get when it took longer than `load_timeout`, whatever the function's error is.
#[derive(Debug)]
struct GivenUp;

/// What a load may end in before it ends.
enum Early<R> {
    Answer(R, bool),
    /// It takes long, and goes on in this place.
    Stale {
        answer: R,
        place: Place,
    },
}

/// In what a load runs, and for how long it may.
struct Body {
    inside: Inside,
    limit: Option<Pin<Box<Sleep>>>,
    /// It has taken longer than it may.
    given_up: bool,
}

impl Body {
    fn of(session: &Session<'_>, may_be_given_up: bool) -> Self {
        let limit = session.load_until().filter(|_| may_be_given_up);
        Self {
            inside: Inside::of(session.span()),
            limit: limit.map(|until| Box::pin(sleep_until(until))),
            given_up: false,
        }
    }

    fn poll<R>(
        &mut self,
        session: &Session<'_>,
        on_timeout: Option<&(dyn Fn() -> R + Sync)>,
        load: &mut (dyn Future<Output = R> + Unpin + '_),
        cx: &mut Context<'_>,
    ) -> Poll<R> {
        let load = Pin::new(load);
        let (Some(sleep), Some(on_timeout)) = (&mut self.limit, on_timeout) else {
            return self.inside.poll(load, cx);
        };
        // The wait for another's load may have taken all the time.
        if Instant::now() < sleep.deadline()
            && let Poll::Ready(answer) = self.inside.poll(load, cx)
        {
            return Poll::Ready(answer);
        }
        // Also where the load has used up what its task may do at once.
        ready!(pin!(unconstrained(sleep.as_mut())).poll(cx));
        session.timed_out();
        self.given_up = true;
        Poll::Ready(on_timeout())
    }
}

/// What a call knows of its answer.
struct Shell<'a, R, S: Shape<R>> {
    call: &'a Call<'a>,
    stored: Stored<R, S>,
    rules: Rules<'a, R, S::Value>,
}

impl<R, S: Shape<R>> Shell<'_, R, S> {
    /// Looks until there is an answer, or this caller has to load.
    async fn look(&self, session: &mut Session<'_>) -> Looked<R> {
        loop {
            let step = session.step().await;
            if let Some(looked) = self.looked(session, step) {
                return looked;
            }
        }
    }

    /// What a step of the engine has brought; `None`: the next one is to be taken.
    fn looked(&self, session: &mut Session<'_>, step: Step) -> Option<Looked<R>> {
        let mut refresh = None;
        let answer = match step {
            Step::Near(kept) => match self.stored.near_answer(kept.value()) {
                Some(answer) => {
                    session.served_near();
                    answer
                }
                None => {
                    // Another instance of the same generic function has it under the same key.
                    session.leave_near();
                    return None;
                }
            },
            Step::Found(found) => match self.stored.answer(&found) {
                Some(answer) => {
                    let kept = session.keeps_near().then(|| self.stored.kept(&answer));
                    session.served(&found, kept.flatten());
                    refresh = found.refresh.then(|| found.head());
                    answer
                }
                None => {
                    session.distrust(&found);
                    return None;
                }
            },
            Step::Failed(error) => match self.failed(session, &error) {
                Some(answer) => answer,
                None => return Some(Looked::Load(None)),
            },
            Step::Lead(loading) => return Some(Looked::Load(Some(loading))),
            Step::Alone => return Some(Looked::Load(None)),
        };
        Some(Looked::Answer { answer, refresh })
    }

    /// The answer of a caller that has waited for a load that failed; `None` when the error is of another function's type.
    fn failed(&self, session: &Session<'_>, error: &SharedError) -> Option<R> {
        if error.is::<GivenUp>() {
            let on_timeout = self.rules.on_timeout?;
            session.timed_out();
            return Some(on_timeout());
        }
        self.stored.failed(error)
    }

    fn body(&self, session: &Session<'_>) -> Body {
        Body::of(session, self.rules.on_timeout.is_some())
    }

    /// Loads; the answer, and whether it was given up.
    async fn load(
        &self,
        session: &Session<'_>,
        load: &mut (impl Future<Output = R> + Unpin),
    ) -> (R, bool) {
        let mut body = self.body(session);
        let on_timeout = self.rules.on_timeout;
        let answer = poll_fn(|cx| body.poll(session, on_timeout, load, cx)).await;
        (answer, body.given_up)
    }

    /// Loads, or after `soft_timeout` takes the answer that is past its ttl, if there is one and the load may go on without this caller.
    async fn load_or_stale(
        &self,
        session: &mut Session<'_>,
        load: &mut (impl Future<Output = R> + Unpin),
    ) -> Early<R> {
        if let Some(soft) = self.call.policy().soft_timeout
            && session.has_fallback()
        {
            let soft = soft.saturating_sub(session.waited());
            let early = tokio::time::timeout(soft, self.load(session, load)).await;
            if let Ok((answer, given_up)) = early {
                return Early::Answer(answer, given_up);
            }
            if let Some(place) = session.place()
                && let Some(answer) = self.stand_in(session)
            {
                return Early::Stale { answer, place };
            }
        }
        let (answer, given_up) = self.load(session, load).await;
        Early::Answer(answer, given_up)
    }

    /// What the load has come to, for all others.
    fn ended(
        &self,
        session: &Session<'_>,
        loading: Option<Loading>,
        answer: &R,
        given_up: bool,
    ) -> Ended {
        if matches!(self.stored.shape.look(answer), Look::Failed) {
            let error = match given_up {
                true => Some(Arc::new(GivenUp) as SharedError),
                false => self.stored.error(answer),
            };
            return Ended::Failed(loading, error);
        }
        let Some(loading) = loading.filter(Session::is_wanted) else {
            return Ended::Alone;
        };
        let judged = self.call.judge(self.stored, &self.rules, answer);
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
    let session = call.of_cache().engine.session(call.request(Mode::Usual));
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

impl<R, S: Shape<R>, F> fmt::Debug for Cached<'_, R, S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}
