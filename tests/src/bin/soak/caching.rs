//! The ways of calling the workload: through the library, or by hand.

use cache_runtime::{Builder, Cache, ConfigError};

use crate::history::Value;
use crate::naive::Naive;
use crate::workload::{self, Call, Failed, Function, Row, Way};

/// What stands between the calls and the source.
#[derive(Debug)]
pub(crate) enum Caching {
    Library(Cache),
    Naive(Box<Naive>),
}

/// How a cached function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    Function,
    Refresh,
    Peek,
    Uncached,
}

impl Caching {
    /// The library, as the cache that annotated functions use. Its patience is short, so that faults are felt.
    pub(crate) fn library(builder: Builder) -> Result<Self, ConfigError> {
        let builder = builder
            .prefix("soak")
            .operation_timeout(crate::PATIENCE)
            .call_budget(crate::PATIENCE * 3)
            .connect_timeout(crate::PATIENCE)
            .local_staleness(crate::STALENESS);
        Ok(Self::Library(builder.install()?))
    }

    /// The answer; none when nothing was stored and nobody was asked.
    pub(crate) async fn read(
        &self,
        via: Via,
        function: Function,
        row: Row,
        call: &Call<'_>,
    ) -> Option<Result<Value, Failed>> {
        match self {
            Self::Library(_) => annotated(via, function, row, call).await,
            Self::Naive(naive) => naive.read(via, function, row, call).await,
        }
    }

    /// Writes `row`, and makes old what `way` says.
    pub(crate) async fn write(&self, way: Way, row: Row, call: &Call<'_>) -> Result<(), Failed> {
        match self {
            Self::Library(_) => annotated_write(way, row, call).await,
            Self::Naive(naive) => naive.write(way, row, call).await,
        }
    }

    /// Stores what the caller knows to be true.
    pub(crate) async fn put(&self, value: Value) {
        let Row { part, id } = value.row;
        match (self, value.function) {
            (Self::Naive(naive), _) => naive.put(value).await,
            (_, Function::Exact) => workload::exact::put(part, id, Ok(value)).await,
            (_, Function::Trailing) => workload::trailing::put(part, id, Ok(value)).await,
            (_, Function::Middle) => workload::middle::put(part, id, Ok(value)).await,
            (_, Function::Tagged) => workload::tagged::put(part, id, Ok(value)).await,
            (_, Function::Near) => workload::near::put(part, id, Ok(value)).await,
        }
    }

    /// How many invalidations could not be delivered at once, since the beginning. Counted before the call that made one returns.
    pub(crate) fn queued(&self) -> u64 {
        match self {
            Self::Library(cache) => cache.stats().total.queued_invalidations,
            Self::Naive(naive) => naive.lost(),
        }
    }

    /// Whether any invalidation is still to be delivered.
    pub(crate) fn waits(&self) -> bool {
        match self {
            Self::Library(cache) => cache.stats().pending_invalidations > 0,
            // What was lost is not delivered later.
            Self::Naive(naive) => naive.lost() > 0,
        }
    }
}

async fn annotated(
    via: Via,
    function: Function,
    row: Row,
    call: &Call<'_>,
) -> Option<Result<Value, Failed>> {
    macro_rules! called {
        ($function:ident) => {{
            use crate::workload::$function;
            match via {
                Via::Function => Some($function(call, row.part, row.id).await),
                Via::Refresh => Some($function::refresh(call, row.part, row.id).await),
                Via::Uncached => Some($function::uncached(call, row.part, row.id).await),
                Via::Peek => $function::peek(row.part, row.id).await,
            }
        }};
    }
    match function {
        Function::Exact => called!(exact),
        Function::Trailing => called!(trailing),
        Function::Middle => called!(middle),
        Function::Tagged => called!(tagged),
        Function::Near => called!(near),
    }
}

async fn annotated_write(way: Way, Row { part, id }: Row, call: &Call<'_>) -> Result<(), Failed> {
    match way {
        Way::Exact => workload::write_exact(call, part, id).await,
        Way::Trailing => workload::write_trailing(call, part, id).await,
        Way::Middle => workload::write_middle(call, part, id).await,
        Way::MiddleAndTrailing => workload::write_both(call, part, id).await,
        Way::Tag => workload::write_tag(call, part, id).await,
        Way::All => workload::write_all(call, part, id).await,
        Way::Through => workload::write_through(call, part, id).await.map(drop),
        Way::Cut => workload::write_cut(call, part, id).await,
    }
}
