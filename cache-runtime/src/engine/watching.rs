//! One span for each call of a cached function, for whoever listens to them.

use std::sync::Arc;
use std::time::Instant;

use tracing::field::Empty;
use tracing::{Level, Span};

use super::Engine;
use super::session::{Request, Session};

/// The span of a call; in a box, as most calls have none and their futures stay small.
#[derive(Debug)]
pub(crate) struct Watched {
    span: Span,
    began: Instant,
}

impl Engine {
    /// The session of a function's call, with its span.
    pub(crate) fn call<'a>(self: &'a Arc<Self>, request: Request<'a>) -> Session<'a> {
        let mut session = self.session(request);
        session.watched = session.watch(None);
        session
    }
}

impl Session<'_> {
    /// A span where anybody listens: of this call, or of one for so many keys, of which this is the first.
    pub(crate) fn watch(&self, keys: Option<usize>) -> Option<Box<Watched>> {
        let listens = tracing::span_enabled!(target: "cache_runtime::call", Level::DEBUG);
        listens.then(|| self.watched_by_somebody(keys))
    }

    #[cold]
    fn watched_by_somebody(&self, keys: Option<usize>) -> Box<Watched> {
        let site = self.request.site;
        let shown = keys.is_none() && site.shows_keys();
        let span = tracing::debug_span!(
            target: "cache_runtime::call",
            "cached",
            function = site.function,
            namespace = self.function.namespace,
            key = shown.then(|| tracing::field::display(self.request.key)),
            keys,
            outcome = Empty,
            duration = Empty,
        );
        let began = Instant::now();
        Box::new(Watched { span, began })
    }

    /// What the function's body runs in.
    pub(crate) fn span(&self) -> Option<Span> {
        self.watched.as_deref().map(Watched::span)
    }
}

impl Watched {
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Each of these sessions was answered: of a call, or of the keys of one.
    #[cold]
    pub(crate) fn answered<'a>(&self, sessions: impl IntoIterator<Item = &'a Session<'a>>) {
        let mut sources = sessions.into_iter().map(|session| session.source);
        let first = sources.next();
        let outcome = match first {
            Some(first) if sources.all(|source| source == first) => first.as_str(),
            _ => "mixed",
        };
        self.span.record("outcome", outcome);
        let took = self.began.elapsed();
        self.span.record("duration", took.as_secs_f64());
    }
}
