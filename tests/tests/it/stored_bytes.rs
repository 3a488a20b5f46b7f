//! P6: bytes that are not ours, or not whole, are a miss and a counter, and are replaced.

use cache_runtime::cached;
use redis::AsyncCommands;
use serde::{Deserialize, Serialize};

use crate::world::World;

const KEY: &str = "cache:bytes:1";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    value: u64,
    note: String,
}

#[cached(namespace = "bytes", key = id, cache = world.cache)]
async fn find(world: &World, id: u64) -> Row {
    Row {
        value: world.load(id).await,
        note: "a note".to_owned(),
    }
}

/// Puts something under the key and expects: the right answer by one load, one more counted, and a hit after that.
async fn replaced(world: &World, what: &str) {
    let (loads, before) = (world.loads(), world.cache.stats().total);
    assert_eq!(find(world, 1).await.value, world.row(1), "{what}");
    assert_eq!(world.loads(), loads + 1, "{what} was taken for an answer");
    assert_eq!(
        world.cache.stats().total.undecodable,
        before.undecodable + 1,
        "{what}"
    );
    find(world, 1).await;
    assert_eq!(world.loads(), loads + 1, "{what} was not replaced");
}

#[tokio::test]
async fn what_is_not_an_entry_is_replaced() {
    let world = World::redis().await;
    world.set_row(1, 5);
    find(&world, 1).await;
    let mut redis = world.server().connection().await;
    let entry: Vec<u8> = redis.get(KEY).await.unwrap();

    for length in [0, 1, 42, 43, 44, entry.len() - 1] {
        let _: () = redis.set(KEY, &entry[..length]).await.unwrap();
        replaced(&world, &format!("the first {length} bytes")).await;
    }
    for at in (0..entry.len()).step_by(5) {
        let mut damaged: Vec<u8> = redis.get(KEY).await.unwrap();
        damaged[at] ^= 0x10;
        let _: () = redis.set(KEY, damaged).await.unwrap();
        replaced(&world, &format!("a flipped bit in byte {at}")).await;
    }
    for foreign in ["{\"value\":5,\"note\":\"\"}", "!", "null", "\u{80}"] {
        let _: () = redis.set(KEY, foreign).await.unwrap();
        replaced(&world, foreign).await;
    }
    let _: () = redis.del(KEY).await.unwrap();
    let _: () = redis.lpush(KEY, "a list").await.unwrap();
    replaced(&world, "a list").await;
}

/// E7: a value that does not fit its type is dropped and loaded again.
#[tokio::test]
async fn a_value_of_another_type_is_replaced() {
    let world = World::redis().await;
    {
        // The same function, before its type was changed.
        #[cached(namespace = "bytes", key = id, cache = world.cache)]
        async fn find(world: &World, id: u64) -> Vec<u64> {
            vec![id, world.load(id).await]
        }
        find(&world.instance(), 1).await;
    }
    replaced(
        &world,
        "what the program stored before its type was changed",
    )
    .await;
}

/// A value whose own code fails is answered, and never an error or a panic of the cache.
#[tokio::test]
async fn a_codec_that_fails_or_panics_does_not_show() {
    #[derive(Debug, PartialEq)]
    struct Moody(u64);

    impl Serialize for Moody {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                1 => Err(serde::ser::Error::custom("not today")),
                2 => panic!("not like this"),
                _ => serializer.serialize_u64(self.0),
            }
        }
    }

    impl<'de> Deserialize<'de> for Moody {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            match u64::deserialize(deserializer)? {
                3 => panic!("never"),
                value => Ok(Self(value)),
            }
        }
    }

    #[cached(namespace = "moody", key = id, cache = world.cache)]
    async fn find(world: &World, id: u64) -> Moody {
        world.load(id).await;
        Moody(id)
    }

    for world in World::both().await {
        for id in [1, 2, 3] {
            assert_eq!(find(&world, id).await, Moody(id));
            assert_eq!(find(&world, id).await, Moody(id));
        }
        let counts = world.cache.stats().total;
        assert_eq!(
            (counts.unencodable, counts.undecodable, world.loads()),
            (4, 1, 6)
        );
    }
}

/// `NaN` becomes `null`, which is no number: nobody gets it from the cache, and nobody waits for it for ever.
#[tokio::test]
async fn an_answer_that_does_not_come_back_is_loaded_by_each() {
    #[cached(namespace = "nan", key = (), cache = world.cache)]
    async fn not_a_number(world: &World) -> f64 {
        world.load(0).await;
        tokio::task::yield_now().await;
        f64::NAN
    }

    for world in World::both().await {
        let callers = futures_util::future::join_all((0..20).map(|_| not_a_number(&world)));
        let answers = tokio::time::timeout(std::time::Duration::from_secs(30), callers).await;
        assert!(
            answers
                .expect("callers that spin")
                .iter()
                .all(|answer| answer.is_nan())
        );
        assert!(not_a_number(&world).await.is_nan());
    }
}

/// A hit is the load to the last bit.
#[tokio::test]
async fn numbers_come_back_exactly() {
    #[cached(namespace = "floats", key = bits, cache = world.cache)]
    async fn float(world: &World, bits: u64) -> f64 {
        world.load(0).await;
        f64::from_bits(bits)
    }

    let world = World::memory();
    let mut bits = 0x1234_5678_9abc_def1_u64;
    for _ in 0..5_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if f64::from_bits(bits).is_finite() {
            float(&world, bits).await;
            assert_eq!(float(&world, bits).await.to_bits(), bits);
        }
    }
}
