//! One span for each call of a cached function, for whoever listens to them.

use std::time::Instant;

use tracing::field::Empty;
use tracing::{Level, Span};

use super::session::{Request, Session};
use crate::observe::Function;

/// The span of a call; in a box, as most calls have none and their futures stay small.
#[derive(Debug)]
pub(crate) struct Watched {
    span: Span,
    began: Instant,
}

impl Session<'_> {
    /// A span where anybody listens, of a call for so many keys of which this is the first.
    pub(crate) fn watch_batch(&self, keys: usize) -> Option<Box<Watched>> {
        Watched::of(&self.request, self.function, Some(keys))
    }

    /// What the function's body runs in.
    pub(crate) fn span(&self) -> Option<Span> {
        self.watched.as_deref().map(Watched::span)
    }
}

impl Watched {
    /// A span where anybody listens.
    pub(super) fn of(
        request: &Request<'_>,
        function: &Function,
        keys: Option<usize>,
    ) -> Option<Box<Self>> {
        Self::is_wanted().then(|| Self::begin(request, function, keys))
    }

    /// Whether anybody listens.
    pub(super) fn is_wanted() -> bool {
        tracing::span_enabled!(target: "cache_runtime::call", Level::DEBUG)
    }

    #[cold]
    fn begin(request: &Request<'_>, function: &Function, keys: Option<usize>) -> Box<Self> {
        let site = request.site;
        let shown = keys.is_none() && site.shows_keys();
        let span = tracing::debug_span!(
            target: "cache_runtime::call",
            "cached",
            function = site.function,
            namespace = function.namespace,
            key = shown.then(|| tracing::field::display(request.key)),
            keys,
            outcome = Empty,
            duration = Empty,
        );
        let began = Instant::now();
        Box::new(Self { span, began })
    }

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
