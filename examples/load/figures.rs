//! What is told at the end of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::plan::{Claim, Figure, Plan};
use crate::traffic::{Mixed, Seen};
use crate::world::{Database, Memory, Store};

/// A route's query has to take so long for a speed-up to be claimed: what the documents call a slow one.
const SLOW: Duration = Duration::from_millis(5);

/// So few reads find most things cold: what a claim says cannot be seen by them.
const FEW: u64 = 1_000;

pub(crate) struct Figures {
    plan: &'static Plan,
    database: Database,
    store: Store,
    routes: BTreeMap<&'static str, Route>,
    all: Route,
    mixed: Mixed,
    began: Duration,
    memory: Option<Memory>,
}

/// The reads of one route, or of all.
#[derive(Default)]
struct Route {
    bare: Vec<Duration>,
    hits: Vec<Duration>,
    reads: u64,
    /// Reads in which cached functions were called.
    looked: u64,
    bare_queries: u64,
    queries: u64,
}

impl Figures {
    pub(crate) fn new(
        plan: &'static Plan,
        database: Database,
        store: Store,
        bare: Vec<Seen>,
        mixed: Mixed,
        began: Duration,
        memory: Option<Memory>,
    ) -> Self {
        let mut routes: BTreeMap<_, Route> = BTreeMap::new();
        let mut all = Route::default();
        for seen in bare {
            let of_route = routes.entry(seen.route).or_default();
            for route in [of_route, &mut all] {
                route.bare.push(seen.took);
                route.bare_queries += seen.queries;
            }
        }
        for seen in &mixed.reads {
            let of_route = routes.entry(seen.route).or_default();
            for route in [of_route, &mut all] {
                route.reads += 1;
                route.queries += seen.queries;
                route.looked += u64::from(!seen.cache.is_empty());
                if seen.cache == "HIT" || seen.cache == "STALE" {
                    route.hits.push(seen.took);
                }
            }
        }
        for route in routes.values_mut().chain([&mut all]) {
            route.bare.sort_unstable();
            route.hits.sort_unstable();
        }
        Self {
            plan,
            database,
            store,
            routes,
            all,
            mixed,
            began,
            memory,
        }
    }

    /// No answer was old, something was compared, and nothing failed.
    pub(crate) fn is_right(&self) -> bool {
        self.mixed.old == 0 && self.mixed.failed == 0 && self.mixed.compared > 0
    }

    /// `None` where it cannot be measured here.
    fn measure(&self, figure: Figure) -> Option<f64> {
        match figure {
            Figure::QueriesSaved => self.all.queries_saved(),
            Figure::HitRate => self.all.hit_rate(),
            Figure::HitTime => quantile(&self.all.hits, 0.95).map(milliseconds),
            Figure::SpeedUp => {
                let slow = self.routes.values().filter(|route| route.is_slow());
                slow.filter_map(Route::speed_up).reduce(f64::min)
            }
            Figure::WarmUp => Some(self.began.as_secs_f64()),
            Figure::Memory => self.memory.map(|memory| {
                let a_key = memory.bytes as f64 / memory.keys.max(1) as f64;
                a_key * 10_000.0 / 1e6
            }),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let routes = self.routes.iter().map(|(name, route)| {
            json!({
                "route": name, "reads": route.reads, "hit_rate_percent": route.hit_rate(),
                "bare_ms": quantile(&route.bare, 0.5).map(milliseconds),
                "hit_ms": quantile(&route.hits, 0.5).map(milliseconds),
                "speed_up": route.speed_up(),
            })
        });
        let claims = self.plan.claims.iter().map(|claim| {
            let measured = self.measure(claim.figure);
            json!({
                "id": claim.id, "figure": claim.figure.name(), "says": claim.says, "measured": measured,
                "holds": measured.map(|measured| claim.holds(measured)),
            })
        });
        json!({
            "service": self.plan.service, "database": self.database, "store": self.store,
            "reads": self.all.reads, "writes": self.mixed.writes,
            "compared": self.mixed.compared, "old": self.mixed.old, "failed": self.mixed.failed,
            "start_s": self.began.as_secs_f64(), "memory": self.memory,
            "routes": routes.collect::<Vec<_>>(), "claims": claims.collect::<Vec<_>>(),
        })
    }
}

impl Route {
    fn hit_rate(&self) -> Option<f64> {
        share(self.hits.len() as u64, self.looked)
    }

    fn queries_saved(&self) -> Option<f64> {
        share(
            self.bare_queries.saturating_sub(self.queries),
            self.bare_queries,
        )
    }

    fn is_slow(&self) -> bool {
        quantile(&self.bare, 0.5).is_some_and(|median| median >= SLOW)
    }

    fn speed_up(&self) -> Option<f64> {
        let (bare, hit) = (quantile(&self.bare, 0.5)?, quantile(&self.hits, 0.5)?);
        Some(bare.as_secs_f64() / hit.as_secs_f64())
    }
}

impl Claim {
    fn holds(&self, measured: f64) -> bool {
        match self.figure {
            Figure::QueriesSaved | Figure::HitRate | Figure::SpeedUp => measured >= self.says,
            Figure::HitTime | Figure::WarmUp | Figure::Memory => measured <= self.says,
        }
    }
}

impl Figure {
    fn name(self) -> &'static str {
        match self {
            Self::QueriesSaved => "queries saved",
            Self::HitRate => "hit rate",
            Self::HitTime => "a hit, 95th percentile",
            Self::SpeedUp => "speed-up of slow queries",
            Self::WarmUp => "start with warming",
            Self::Memory => "10,000 keys in Redis",
        }
    }

    /// With a word before it where it is a bound, and its unit.
    fn bound(self, value: f64) -> String {
        match self {
            Self::QueriesSaved | Self::HitRate => format!("{value:.0} %"),
            Self::HitTime => format!("{value:.2} ms"),
            Self::SpeedUp => format!("{value:.0} ×"),
            Self::WarmUp => format!("{value:.1} s"),
            Self::Memory => format!("{value:.0} MB"),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reads, mixed) = (self.all.reads, &self.mixed);
        writeln!(
            f,
            "\n{} on {} with a cache in {}",
            self.plan.service, self.database, self.store
        )?;
        writeln!(
            f,
            "{reads} reads, {} writes; {} answers compared with the database, {} old, {} requests failed\n",
            mixed.writes, mixed.compared, mixed.old, mixed.failed
        )?;
        for example in &mixed.examples {
            writeln!(f, "  OLD: {example}")?;
        }
        writeln!(
            f,
            "{:<40} {:>7} {:>9} {:>12} {:>10} {:>9}",
            "route", "reads", "hit rate", "no cache", "a hit", "speed-up"
        )?;
        let all = self.routes.iter().map(|(name, route)| (*name, route));
        for (name, route) in all.chain([("all", &self.all)]) {
            let time = |times| {
                quantile(times, 0.5).map_or("-".to_owned(), |time| {
                    format!("{:.2} ms", milliseconds(time))
                })
            };
            let (rate, speed) = (route.hit_rate(), route.speed_up());
            let rate = rate.map_or("-".to_owned(), |rate| format!("{rate:.1} %"));
            let speed = speed.map_or("-".to_owned(), |speed| format!("{speed:.1} ×"));
            writeln!(
                f,
                "{name:<40} {:>7} {rate:>9} {:>12} {:>10} {speed:>9}",
                route.reads,
                time(&route.bare),
                time(&route.hits)
            )?;
        }
        if reads < FEW {
            return Ok(());
        }
        writeln!(
            f,
            "\n{:<6} {:<28} {:>14} {:>12}",
            "claim", "figure", "the document", "measured"
        )?;
        for claim in self.plan.claims {
            let figure = claim.figure;
            let Some(measured) = self.measure(figure) else {
                continue;
            };
            let missed = if claim.holds(measured) {
                ""
            } else {
                "  missed"
            };
            let (says, measured) = (figure.bound(claim.says), figure.bound(measured));
            writeln!(
                f,
                "{:<6} {:<28} {says:>14} {measured:>12}{missed}",
                claim.id,
                figure.name()
            )?;
        }
        Ok(())
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

fn quantile(sorted: &[Duration], at: f64) -> Option<Duration> {
    let last = sorted.len().checked_sub(1)?;
    Some(sorted[(last as f64 * at) as usize])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
