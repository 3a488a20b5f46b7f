//! P5: what a caller passes cannot leave its segment; and a person can read the keys.

use std::collections::BTreeSet;

use cache_runtime::{cached, invalidates};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use redis::AsyncCommands;
use serde::Serialize;
use uuid::Uuid;

use crate::world::World;

/// Texts that were made to be confusing.
fn hostile() -> Vec<String> {
    let mut texts: BTreeSet<String> = [
        "", " ", ":", "*", "%", "a", "a:b", "a:*", "*:*", "%empty", "%none", "%2A", "a%3Ab", "\n",
        "\0", "\r\n", "{a}", "?", "[a]", "\\", "'", "list", "ä", "a\u{308}", "\u{202e}",
        "\u{feff}", "日本", "🦀", "null", "1", "01", "1.0", "-0",
    ]
    .map(str::to_owned)
    .into();
    texts.insert("x".repeat(1 << 20));
    texts.insert(format!("{}y", "x".repeat((1 << 20) - 1)));
    texts.extend((90..100).map(|n| "x".repeat(n)));
    let mut runner = TestRunner::deterministic();
    let random = prop_oneof![any::<String>(), "[:*%a]{0,6}"];
    texts.extend((0..200).map(|_| random.new_tree(&mut runner).unwrap().current()));
    texts.into_iter().collect()
}

#[tokio::test]
async fn no_argument_reaches_another_key() {
    #[cached(namespace = "names", key = (name, other), cache = world.cache)]
    async fn find(world: &World, name: &str, other: &str) -> (String, String) {
        world.load(0).await;
        (name.to_owned(), other.to_owned())
    }

    #[invalidates("names:{name}:*", cache = world.cache)]
    async fn rename(world: &World, name: &str) {
        world.set_row(0, 0);
    }

    for world in World::both().await {
        let names = hostile();
        for name in &names {
            assert_eq!(
                find(&world, name, "a").await,
                (name.clone(), "a".to_owned())
            );
            assert_eq!(
                find(&world, "a", name).await,
                ("a".to_owned(), name.clone())
            );
        }
        let stored = world.loads();
        assert_eq!(
            stored,
            2 * names.len() as u64 - 1,
            "two arguments shared a key"
        );
        for (index, name) in names.iter().enumerate().step_by(7) {
            rename(&world, name).await;
            let before = world.loads();
            let neighbour = &names[(index + 1) % names.len()];
            find(&world, neighbour, "a").await;
            assert_eq!(
                world.loads(),
                before,
                "{name:?} has invalidated {neighbour:?}"
            );
            find(&world, name, "a").await;
            assert_eq!(
                world.loads(),
                before + 1,
                "{name:?} has not invalidated itself"
            );
        }
    }
}

/// A3, B8: `<prefix>:<namespace>:<key>`, readable, and hashed where it is long.
#[tokio::test]
async fn a_person_can_read_the_keys() {
    #[derive(Debug, Serialize)]
    struct Page {
        limit: u32,
        after: Option<u64>,
    }

    #[cached(namespace = "exec:dashboard", key = (workspace, days), cache = world.cache)]
    async fn dashboard(world: &World, workspace: &str, days: u8) -> u64 {
        world.load(0).await
    }

    #[cached(namespace = "agents", key = id, cache = world.cache)]
    async fn by_uuid(world: &World, id: Uuid) -> u64 {
        world.load(0).await
    }

    #[cached(namespace = "runs", key = "{workspace}:latest:v{version}", cache = world.cache)]
    async fn latest(world: &World, workspace: &str, version: u8) -> u64 {
        world.load(0).await
    }

    #[cached(namespace = "pages", cache = world.cache)]
    async fn page(world: &World, page: &Page) -> u64 {
        world.load(0).await
    }

    #[cached(namespace = "query:result", key = query, cache = world.cache)]
    async fn query(world: &World, query: &str) -> u64 {
        world.load(0).await
    }

    let world = World::redis().await;
    dashboard(&world, "ws123", 7).await;
    by_uuid(&world, Uuid::nil()).await;
    latest(&world, "ws 1", 2).await;
    page(
        &world,
        &Page {
            limit: 10,
            after: None,
        },
    )
    .await;
    query(&world, &"select ".repeat(100)).await;

    let mut redis = world.server().connection().await;
    let mut keys: Vec<String> = redis.keys("cache:[^%]*").await.unwrap();
    keys.sort();
    let hashed = keys
        .pop_if(|key| key.starts_with("cache:runs"))
        .into_iter()
        .chain(keys)
        .collect::<BTreeSet<_>>();
    let hash = hashed
        .iter()
        .find_map(|key| key.strip_prefix("cache:query:result:%h"))
        .expect("a hashed key");
    assert!(
        hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{hash}"
    );
    for key in [
        "cache:exec:dashboard:ws123:7",
        "cache:agents:00000000-0000-0000-0000-000000000000",
        "cache:runs:ws%201:latest:v2",
        "cache:pages:(limit=10,after=%25none)"
            .replace("%25", "%")
            .as_str(),
    ] {
        assert!(hashed.contains(key), "{key} is not among {hashed:?}");
    }
}

/// B12, C4: prefixes isolate, by key and by pattern.
#[tokio::test]
async fn prefixes_isolate() {
    #[cached(namespace = "isolated", key = id, cache = world.cache)]
    async fn find(world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    let home = World::redis().await;
    let url = home.server().url();
    let world = |prefix: &str| {
        World::over(
            crate::world::patient(cache_runtime::Cache::builder().redis(&url).prefix(prefix))
                .build()
                .unwrap(),
            None,
        )
    };
    let (red, blue, bare) = (world("red"), world("blue:staging"), world(""));
    for world in [&red, &blue, &bare] {
        find(world, 1).await;
        assert_eq!(world.loads(), 1);
    }
    red.cache
        .invalidate([cache_runtime::Pattern::parse("isolated:*").unwrap()])
        .await;
    red.cache
        .invalidate([cache_runtime::Pattern::parse("isolated:1*").unwrap()])
        .await;
    for (world, loads) in [(&red, 2), (&blue, 1), (&bare, 1)] {
        find(world, 1).await;
        assert_eq!(world.loads(), loads);
    }
    let mut redis = home.server().connection().await;
    for key in ["red:isolated:1", "blue:staging:isolated:1", "isolated:1"] {
        assert!(redis.exists::<_, bool>(key).await.unwrap(), "{key}");
    }
}
