//! The code of the front page and of the guide's chapters, compiled and run as documentation tests.
//!
//! `tests/it/guide.rs` sees to it that no chapter is left out.

macro_rules! compiled {
    ($($chapter:ident = $path:literal;)*) => {
        $(
            #[doc = include_str!($path)]
            #[derive(Debug)]
            pub struct $chapter;
        )*
    };
}

compiled! {
    Readme = "../../README.md";
    PackageReadme = "../../cache-runtime/README.md";
    GettingStarted = "../../docs/getting-started.md";
    Keys = "../../docs/keys.md";
    Events = "../../docs/events.md";
    Promises = "../../docs/promises.md";
    Failures = "../../docs/failures.md";
    SlowLoads = "../../docs/slow-loads.md";
    NearCache = "../../docs/near-cache.md";
    Batches = "../../docs/batches.md";
    ByHand = "../../docs/by-hand.md";
    Jobs = "../../docs/jobs.md";
    Http = "../../docs/http.md";
    Testing = "../../docs/testing.md";
    Configuration = "../../docs/configuration.md";
    Cluster = "../../docs/cluster.md";
    Operations = "../../docs/operations.md";
    CommandLine = "../../docs/command-line.md";
    Security = "../../docs/security.md";
    Sizing = "../../docs/sizing.md";
    Migrating = "../../docs/migrating.md";
    Services = "../../docs/services.md";
    Scale = "../../docs/scale.md";
    Performance = "../../docs/performance.md";
}
