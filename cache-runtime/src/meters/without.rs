//! Nothing is told without the feature.

use std::time::Duration;

use crate::key::Target;

#[derive(Debug, Clone)]
pub(crate) struct Series;

#[derive(Debug)]
pub(crate) struct FunctionMeters;

#[derive(Debug)]
pub(crate) struct CacheMeters;

#[derive(Debug)]
pub(crate) struct Trips {
    pub(crate) ok: (),
    pub(crate) failed: (),
    pub(crate) timed_out: (),
}

#[derive(Debug)]
pub(crate) struct Trip;

impl Series {
    pub(crate) fn of_cache(_: &str) -> Self {
        Self
    }

    pub(crate) fn function(&self, _: &'static str, _: &'static str) -> FunctionMeters {
        FunctionMeters
    }

    pub(crate) fn cache(self) -> CacheMeters {
        CacheMeters
    }

    pub(crate) fn trips(&self) -> Trips {
        Trips {
            ok: (),
            failed: (),
            timed_out: (),
        }
    }
}

impl FunctionMeters {
    pub(crate) fn looked_up(&self, _: Duration) {}

    pub(crate) fn loaded(&self, _: Duration) {}
}

impl CacheMeters {
    pub(crate) fn batched(&self, _: usize) {}

    pub(crate) fn invalidated(&self, _: &Target) {}
}

impl Trip {
    pub(crate) fn begin() -> Self {
        Self
    }

    pub(crate) fn end(self, (): &()) {}
}
