//! A15: what the cache is worth, and what is recommended.

use std::time::Duration;

use cache_runtime::{Advice, Cache, Report, Severity, cached, invalidates};
use cache_tests::eventually;
use futures_util::future::join_all;

use crate::world::World;

#[derive(Debug, Clone)]
struct Failed;

#[cached(namespace = "rows:good", ttl = "1h", key = id, stale_if_error = "1h", local = "1h", cache = world.cache)]
async fn good(world: &World, id: u64) -> Result<String, Failed> {
    let row = world.load(id).await;
    // Longer than a look-up on a busy machine.
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(row.to_string())
}

/// The answer says what the key says; the secret stands in neither.
#[cached(namespace = "rows:short", ttl = "50ms", key = id, cache = world.cache)]
async fn short_lived(world: &World, id: u64) -> String {
    format!("secret {}", world.load(id).await)
}

#[cached(namespace = "rows:large", ttl = "1h", key = id, max_size = "1KB", cache = world.cache)]
async fn large(world: &World, id: u64) -> String {
    "x".repeat(2_000 + world.load(id).await as usize)
}

#[cached(namespace = "rows:failing", ttl = "1h", key = id, cache = world.cache)]
async fn failing(world: &World, id: u64) -> Result<u64, Failed> {
    world.load(id).await;
    Err(Failed)
}

#[cached(namespace = "rows:broad", ttl = "1h", key = id, cache = world.cache)]
async fn broadly_cleared(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[invalidates("rows:broad:*", cache = world.cache)]
async fn clear_broadly(world: &World) {
    let _ = world;
}

/// What is recommended for one function.
fn advice(report: &Report, function: &str) -> Vec<Advice> {
    let path = report.function(function).unwrap().function;
    let recommendations = report.recommendations.iter();
    recommendations
        .filter(|recommendation| recommendation.function == Some(path))
        .map(|recommendation| recommendation.advice)
        .collect()
}

/// Times, keys, bytes and hottest keys are as they were.
#[tokio::test]
async fn figures_are_those_of_the_calls() {
    for world in World::both().await {
        for _ in 0..9 {
            join_all((0..10).map(|id| good(&world, id))).await;
        }
        for _ in 0..9 {
            good(&world, 3).await.unwrap();
        }
        let report = world.cache.report();
        let function = report.function("reports::good").unwrap();
        let usage = &function.usage;
        assert_eq!((usage.calls, usage.loads, usage.keys), (99, 10, Some(10)));
        assert!((usage.hit_rate.unwrap() - 89.0 / 99.0).abs() < 0.001);
        assert!(usage.mean_load.unwrap() >= Duration::from_millis(50));
        assert!(usage.mean_lookup.unwrap() < usage.mean_load.unwrap());
        assert!(usage.saved.unwrap() >= Duration::from_millis(89 * 50));
        assert!(usage.stored_bytes.unwrap() > 10 * 40);
        let (hottest, next) = (&function.hottest[0], &function.hottest[1]);
        assert_eq!((hottest.key.as_str(), hottest.calls), ("rows:good:3", 18));
        assert_eq!((function.hottest.len(), next.calls), (10, 9));
        assert_eq!(usage.unused, None, "none has expired yet");
        assert_eq!(&report.total, usage);
    }
}

/// What is hit is used, and what comes back as it was is unchanged.
#[tokio::test]
async fn what_becomes_of_answers_is_followed() {
    for world in World::both().await {
        join_all((0..100).map(|id| broadly_cleared(&world, id))).await;
        join_all((0..50).map(|id| broadly_cleared(&world, id))).await;
        (0..20).for_each(|id| world.set_row(id, 7));
        clear_broadly(&world).await;
        join_all((0..100).map(|id| broadly_cleared(&world, id))).await;

        let report = world.cache.report();
        let usage = &report.function("broadly_cleared").unwrap().usage;
        assert_eq!((usage.unused, usage.unchanged), (Some(0.5), Some(0.8)));
    }
}

/// A function that does well gets no recommendation.
#[tokio::test]
async fn nothing_is_recommended_where_nothing_is_wrong() {
    for world in World::both().await {
        for _ in 0..25 {
            let calls = join_all((0..100).map(|id| good(&world, id))).await;
            assert!(calls.iter().all(Result::is_ok));
        }
        let report = world.cache.report();
        assert_eq!(report.recommendations, [], "{report}");
    }
}

/// Reloads that bring the same, answers that nobody asks for, that are too large, that fail, and that are cleared for nothing.
#[tokio::test]
async fn what_is_wrong_is_recommended_against() {
    for world in World::both().await {
        // Each answer expires, and is loaded again as it was.
        for _ in 0..3 {
            join_all((0..100).map(|id| short_lived(&world, id))).await;
            eventually("all have expired", async || {
                let keys = (0..100).map(|id| short_lived::peek(&world, id));
                join_all(keys).await.iter().all(Option::is_none)
            })
            .await;
        }
        join_all((0..20).map(|id| large(&world, id))).await;
        join_all((0..100).map(|id| failing(&world, id))).await;
        for _ in 0..2 {
            join_all((0..150).map(|id| broadly_cleared(&world, id))).await;
            clear_broadly(&world).await;
        }

        let report = world.cache.report();
        let [short, large, failing, broad] = ["short_lived", "large", "failing", "broadly_cleared"]
            .map(|name| advice(&report, name));
        assert!(short.contains(&Advice::LongerTtl), "{report}");
        assert!(short.contains(&Advice::KeepLess), "{report}");
        assert!(large.contains(&Advice::TooLarge), "{report}");
        assert!(failing.contains(&Advice::StaleIfError), "{report}");
        assert!(broad.contains(&Advice::BroadInvalidation), "{report}");

        let text = report.to_string();
        assert!(
            text.contains("reloads brought what was there before"),
            "{text}"
        );
        assert!(!text.contains("secret"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["recommendations"][0]["severity"], "medium");
        assert!(json["functions"][0]["mean_load"].is_number(), "{json}");
        assert!(json["total"]["loads"].as_u64().unwrap() >= 720, "{json}");
    }
}

/// Redis away: most urgent, and said first.
#[tokio::test]
async fn a_store_that_is_away_is_urgent() {
    let mut world = World::redis().await;
    broadly_cleared(&world, 0).await;
    world.server.as_mut().unwrap().kill();
    for id in 0..20 {
        broadly_cleared(&world, id).await;
    }
    let report = world.cache.report();
    let first = &report.recommendations[0];
    assert_eq!(
        (first.advice, first.severity),
        (Advice::Degraded, Severity::High),
        "{report}"
    );
}

/// Switched off, counters alone are told.
#[tokio::test]
async fn without_analytics_there_are_counters() {
    let cache = Cache::builder().analytics(false).build().unwrap();
    let world = World::over(cache, None);
    for _ in 0..2 {
        broadly_cleared(&world, 7).await;
    }
    let report = world.cache.report();
    let function = report.function("broadly_cleared").unwrap();
    assert_eq!(function.usage.hit_rate, Some(0.5));
    assert_eq!(
        (function.usage.keys, function.usage.mean_load),
        (None, None)
    );
    assert!(function.hottest.is_empty());
}
