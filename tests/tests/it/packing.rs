//! How values are stored: codecs (A1, B1), compression (A15), encryption and signatures (B12), and programs that differ side by side (E8).

use std::sync::Arc;

use cache_runtime::{Builder, Cache, Codec, Compression, Protection, Secrets, cached};
use cache_tests::RedisServer;
use redis::AsyncCommands as _;
use serde::{Deserialize, Serialize};

use crate::heard::Heard;
use crate::world::{World, patient};

const SECRET: &str = "a very personal note";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    id: u64,
    text: String,
    read: Option<bool>,
}

fn note_of(id: u64) -> Note {
    Note {
        id,
        text: SECRET.repeat(100),
        read: None,
    }
}

#[cached(namespace = "notes", ttl = "1h", key = id, cache = world.cache)]
async fn note(world: &World, id: u64) -> Note {
    world.load(id).await;
    note_of(id)
}

#[cached(namespace = "secret", ttl = "1h", none_ttl = "1h", encrypt = on, key = id, cache = world.cache)]
async fn secret(world: &World, id: u64) -> Option<Note> {
    world.load(id).await;
    (id > 0).then(|| note_of(id))
}

#[cached(namespace = "signed", ttl = "1h", sign = on, key = id, cache = world.cache)]
async fn signed(world: &World, id: u64) -> Note {
    world.load(id).await;
    note_of(id)
}

async fn world_of(build: impl FnOnce(Builder) -> Builder) -> World {
    let server = RedisServer::start().await;
    let cache = build(patient(Cache::builder().redis(server.url())));
    World::over(cache.build().unwrap(), Some(server))
}

/// Another program over the same server.
fn beside(world: &World, build: impl FnOnce(Builder) -> Builder) -> World {
    let builder = build(patient(Cache::builder().redis(world.server().url())));
    World::over(builder.build().unwrap(), None)
}

async fn stored(world: &World, key: &str) -> Vec<u8> {
    let mut redis = world.server().connection().await;
    redis.get(format!("cache:{key}")).await.unwrap()
}

fn shows(entry: &[u8], text: &str) -> bool {
    entry
        .windows(text.len())
        .any(|bytes| bytes == text.as_bytes())
}

/// Every codec with every compression: what one program writes the others read, however they write themselves.
#[tokio::test]
async fn what_one_writes_all_read() {
    let codecs = [Codec::Json, Codec::MessagePack, Codec::Postcard];
    let compressions = [Compression::Off, Compression::Lz4, Compression::Zstd];
    let world = World::redis().await;
    let mut sizes = Vec::new();
    for (id, codec) in (1..).zip(codecs) {
        for (more, compression) in (0..).zip(compressions) {
            let id = id + 10 * more;
            let writer = beside(&world, |cache| cache.codec(codec).compression(compression));
            assert_eq!(note(&writer, id).await, note_of(id));
            assert_eq!(note(&writer, id).await, note_of(id));
            assert_eq!(writer.loads(), 1, "{codec:?} {compression:?}");
            assert_eq!(note(&world, id).await, note_of(id));
            sizes.push(stored(&world, &format!("notes:{id}")).await.len());
        }
    }
    assert_eq!(world.loads(), 0);
    let [json, lz4, zstd, msgpack, _, _, postcard, ..] = sizes[..] else {
        unreachable!()
    };
    assert!(json > msgpack && msgpack > postcard, "{sizes:?}");
    assert!(json > 10 * lz4 && json > 10 * zstd, "{sizes:?}");
}

/// By function, by type, by cache; and below the threshold nothing is compressed.
#[tokio::test]
async fn the_nearest_choice_counts() {
    #[cached(namespace = "packed", ttl = "1h", codec = msgpack, compress = zstd, key = id, cache = world.cache)]
    async fn packed(world: &World, id: u64) -> Note {
        note_of(world.load(id).await)
    }
    #[cached(namespace = "plain", ttl = "1h", compress = off, key = id, cache = world.cache)]
    async fn plain(world: &World, id: u64) -> Note {
        note_of(world.load(id).await)
    }
    #[cached(namespace = "short", ttl = "1h", key = id, cache = world.cache)]
    async fn short(world: &World, id: u64) -> Vec<u64> {
        vec![world.load(id).await; 100]
    }

    let world = world_of(|cache| {
        let cache = cache
            .codec(Codec::MessagePack)
            .compression(Compression::Lz4);
        cache.codec_of::<Note>(Codec::Json).compress_above(300)
    })
    .await;
    for _ in 0..2 {
        packed(&world, 1).await;
        plain(&world, 1).await;
        short(&world, 1).await;
        note(&world, 1).await;
    }
    assert_eq!(world.loads(), 4);
    let form = async |key| stored(&world, key).await[1];
    assert_eq!(form("packed:1").await, 2 | 2 << 3);
    assert_eq!(form("plain:1").await, 1);
    assert_eq!(form("short:1").await, 2);
    assert_eq!(form("notes:1").await, 1 | 1 << 3);
    assert!(
        shows(
            &stored(&world, "plain:1").await,
            r#"{"id":0,"text":"a very"#
        ),
        "a person can read it"
    );
}

/// Declared keys say how their values are stored, for functions and by hand.
#[tokio::test]
async fn declared_keys_have_their_way() {
    mod keys {
        cache_runtime::cache_keys! {
            pub kept_note(id: u64) = "kept:notes:{id}", ttl = "1h", codec = postcard, compress = lz4, encrypt = on, max_size = "4KB";
        }
    }
    #[cached(keys::kept_note(id), cache = world.cache)]
    async fn kept(world: &World, id: u64) -> Note {
        note_of(world.load(id).await)
    }

    let world = world_of(|cache| cache.secrets(Secrets::new(1, [1; 32]))).await;
    kept(&world, 0).await;
    assert_eq!(world.cache.get(&keys::kept_note(0)).await, Some(note_of(0)));
    let written = note_of(1);
    assert!(world.cache.set(&keys::kept_note(1), &written, None).await);
    assert_eq!(kept(&world, 1).await, written);
    assert_eq!(world.loads(), 1);
    for key in ["kept:notes:0", "kept:notes:1"] {
        let entry = stored(&world, key).await;
        assert_eq!(entry[1], 3 | 1 << 3 | 2 << 5, "{key}");
    }
    let too_large = "x".repeat(5000);
    assert!(!world.cache.set(&keys::kept_note(2), &too_large, None).await);
}

/// Nobody reads it in Redis, and what is moved to another key, or given another header, is loaded again.
#[tokio::test]
async fn what_is_encrypted_is_seen_by_nobody_and_stays_in_its_place() {
    let heard = Heard::listen();
    let world = world_of(|cache| cache.secrets(Secrets::new(7, [1; 32]))).await;
    for id in [0, 1, 2] {
        assert_eq!(secret(&world, id).await, (id > 0).then(|| note_of(id)));
        assert_eq!(secret(&world, id).await, (id > 0).then(|| note_of(id)));
        signed(&world, id).await;
        signed(&world, id).await;
    }
    assert_eq!(world.loads(), 6);
    assert!(!shows(&stored(&world, "secret:1").await, "personal"));
    assert!(shows(&stored(&world, "signed:1").await, "personal"));

    let mut redis = world.server().connection().await;
    for namespace in ["secret", "signed"] {
        let one = stored(&world, &format!("{namespace}:1")).await;
        let two = format!("cache:{namespace}:2");
        let loads = world.loads();
        let before = world.cache.stats().total.undecodable;
        // Another's value, which is current, whole, and of this function.
        let _: () = redis.set(&two, &one).await.unwrap();
        if namespace == "secret" {
            assert_eq!(secret(&world, 2).await, Some(note_of(2)));
        } else {
            assert_eq!(signed(&world, 2).await, note_of(2));
        }
        assert_eq!(world.loads(), loads + 1, "{namespace} was moved");
        assert_eq!(world.cache.stats().total.undecodable, before + 1);
    }
    assert!(!heard.text().contains("personal"));
}

/// What has less protection than the function asks for may be made up.
#[tokio::test]
async fn what_is_not_protected_is_not_believed() {
    #[cached(namespace = "secret", ttl = "1h", key = id, cache = world.cache)]
    async fn secret(world: &World, id: u64) -> Option<Note> {
        world.load(id).await;
        Some(Note {
            text: "made up".to_owned(),
            ..note_of(id)
        })
    }

    let secrets = || Secrets::new(1, [1; 32]);
    let world = world_of(|cache| cache.secrets(secrets()).protection(Protection::Signed)).await;
    // The same function in a program that knows no secret, and in one that signs with another.
    let careless = beside(&world, |cache| cache);
    let other = beside(&world, |cache| {
        cache
            .secrets(Secrets::new(1, [2; 32]))
            .protection(Protection::Signed)
    });
    for stranger in [&careless, &other] {
        secret(stranger, 5).await;
        let loads = world.loads();
        assert_eq!(self::secret(&world, 5).await, Some(note_of(5)));
        assert_eq!(world.loads(), loads + 1);
        world.cache.invalidate([self::secret::key(5)]).await;
    }
}

/// Without secrets, what is to be encrypted is answered, shared and not stored. In this process it is at home.
#[tokio::test]
async fn without_secrets_nothing_personal_is_stored() {
    let heard = Heard::listen();
    let world = World::redis().await;
    for _ in 0..2 {
        assert_eq!(secret(&world, 1).await, Some(note_of(1)));
    }
    let counts = world.cache.stats().function("packing::secret").unwrap();
    assert_eq!((counts.loads, counts.stores, counts.unprotected), (2, 0, 2));
    assert!(heard.has(tracing::Level::ERROR, &["secret:1", "no secrets"]));
    let mut redis = world.server().connection().await;
    assert!(!redis.exists::<_, bool>("cache:secret:1").await.unwrap());
    let error = Cache::builder()
        .protection(Protection::Encrypted)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("no secrets"), "{error}");

    let here = World::memory();
    for _ in 0..2 {
        assert_eq!(secret(&here, 1).await, Some(note_of(1)));
    }
    assert_eq!(here.loads(), 1);
}

/// A secret is changed while the fleet runs: nothing is loaded anew for it.
#[tokio::test]
async fn secrets_are_changed_without_a_miss() {
    let (old, new) = ([1; 32], [2; 32]);
    let world = world_of(|cache| cache.secrets(Secrets::new(1, old))).await;
    secret(&world, 1).await;
    let ready = beside(&world, |cache| {
        cache.secrets(Secrets::new(1, old).retired(2, new))
    });
    let changed = beside(&world, |cache| {
        cache.secrets(Secrets::new(2, new).retired(1, old))
    });
    secret(&changed, 2).await;
    for instance in [&ready, &changed] {
        for id in [1, 2] {
            assert_eq!(secret(instance, id).await, Some(note_of(id)));
        }
    }
    assert_eq!((ready.loads(), changed.loads()), (0, 1));
    // One that was forgotten loads for itself.
    assert_eq!(secret(&world, 2).await, Some(note_of(2)));
    assert_eq!(world.loads(), 2);
}

/// As an older build had it.
async fn older(world: &World) -> String {
    #[derive(Serialize, Deserialize)]
    struct Row {
        id: u64,
        name: String,
    }

    #[cached(namespace = "sides", ttl = "1h", key = id, cache = world.cache)]
    async fn row(world: &World, id: u64) -> Row {
        Row {
            id: world.load(id).await,
            name: "old".to_owned(),
        }
    }

    row(world, 1).await.name
}

/// The same function in a newer build, which writes other names.
async fn newer(world: &World) -> Vec<String> {
    #[derive(Serialize, Deserialize)]
    struct Row {
        names: Vec<String>,
        id: u64,
    }

    #[cached(namespace = "sides", ttl = "1h", key = id, cache = world.cache)]
    async fn row(world: &World, id: u64) -> Row {
        Row {
            id: world.load(id).await,
            names: vec!["new".to_owned()],
        }
    }

    row(world, 1).await.names
}

/// The function of the older build, moved to another module.
async fn moved(world: &World) -> Vec<String> {
    #[cached(namespace = "sides", ttl = "1h", key = id, cache = world.cache)]
    async fn moved_row(world: &World, id: u64) -> Vec<String> {
        world.load(id).await;
        vec!["new".to_owned()]
    }

    moved_row(world, 1).await
}

/// Two builds of one program whose types differ, with and without names in the stored bytes, or one of whose functions was moved: both answer rightly, and neither
/// replaces the other's entries again and again.
#[tokio::test]
async fn programs_that_differ_do_not_fight() {
    for codec in [Codec::Json, Codec::MessagePack, Codec::Postcard] {
        for is_moved in [false, true] {
            let old = world_of(|cache| cache.codec(codec)).await;
            let new = beside(&old, |cache| cache.codec(codec));
            for _ in 0..20 {
                assert_eq!(older(&old).await, "old");
                let names = match is_moved {
                    true => moved(&new).await,
                    false => newer(&new).await,
                };
                assert_eq!(names, ["new"]);
            }
            let [old, new] = [&old, &new].map(|world| world.cache.stats().total);
            assert!(old.stores + new.stores <= 3, "{codec:?}: {old:?} {new:?}");
            assert!(old.contested + new.contested >= 18, "{old:?} {new:?}");
        }
    }
}

/// The same of functions of many keys.
#[tokio::test]
async fn batches_that_differ_do_not_fight() {
    #[derive(Clone, Serialize, Deserialize)]
    struct Older {
        name: String,
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct Newer {
        names: Vec<String>,
    }

    async fn older(world: &World) -> Option<Older> {
        #[cached(namespace = "batches", ttl = "1h", key = ids, batch = ids, cache = world.cache)]
        async fn rows(world: &World, ids: Vec<u64>) -> Vec<Option<Older>> {
            world.load(ids[0]).await;
            let name = "old".to_owned();
            vec![Some(Older { name }); ids.len()]
        }
        rows(world, vec![1]).await.pop().flatten()
    }

    async fn newer(world: &World) -> Option<Newer> {
        #[cached(namespace = "batches", ttl = "1h", key = ids, batch = ids, cache = world.cache)]
        async fn rows(world: &World, ids: Vec<u64>) -> Vec<Option<Newer>> {
            world.load(ids[0]).await;
            let names = vec!["new".to_owned()];
            vec![Some(Newer { names }); ids.len()]
        }
        rows(world, vec![1]).await.pop().flatten()
    }

    let old = world_of(|cache| cache).await;
    let new = beside(&old, |cache| cache);
    for _ in 0..20 {
        assert_eq!(older(&old).await.unwrap().name, "old");
        assert_eq!(newer(&new).await.unwrap().names, ["new"]);
    }
    let [old, new] = [&old, &new].map(|world| world.cache.stats().total);
    assert!(old.stores + new.stores <= 3, "{old:?} {new:?}");
    assert!(old.contested + new.contested >= 18, "{old:?} {new:?}");
}

/// MessagePack writes more than it can read: what does not come back is stored as JSON.
#[tokio::test]
async fn what_messagepack_cannot_read_is_json() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Host {
        Address(std::net::IpAddr),
        Name(String),
    }

    #[cached(namespace = "hosts", ttl = "1h", codec = msgpack, key = id, cache = world.cache)]
    async fn host(world: &World, id: u64) -> Host {
        world.load(id).await;
        Host::Address([127, 0, 0, 1].into())
    }

    for world in World::both().await {
        for _ in 0..3 {
            assert_eq!(host(&world, 1).await, Host::Address([127, 0, 0, 1].into()));
        }
        let counts = world.cache.stats().total;
        let told = (counts.loads, counts.hits, counts.undecodable);
        assert_eq!((told, counts.fallback_codec), ((1, 2, 0), 1));
    }
}

/// A value that its codec would spoil is stored as JSON, and the log says so once.
#[tokio::test]
async fn what_a_codec_cannot_write_is_json() {
    #[cached(namespace = "any", ttl = "1h", codec = postcard, key = id, cache = world.cache)]
    async fn any(world: &World, id: u64) -> serde_json::Value {
        serde_json::json!({ "id": world.load(id).await })
    }

    let heard = Heard::listen();
    for world in World::both().await {
        for id in [1, 2, 1, 2] {
            assert_eq!(any(&world, id).await, serde_json::json!({ "id": 0 }));
        }
        let counts = world.cache.stats().total;
        assert_eq!(
            (counts.loads, counts.hits, counts.fallback_codec),
            (2, 2, 2)
        );
    }
    assert_eq!(
        heard.text().matches("stored as JSON").count(),
        2,
        "once a cache"
    );
}

/// Those that wait for a load get its value, whatever is done to what is stored.
#[tokio::test]
async fn packed_answers_are_shared_while_they_are_loaded() {
    let world = world_of(|cache| {
        let cache = cache.codec(Codec::Postcard).compression(Compression::Zstd);
        cache.secrets(Secrets::new(1, [1; 32]))
    })
    .await;
    let world = Arc::new(world);
    world.close_gate();
    let calls: Vec<_> = (0..10)
        .map(|_| {
            tokio::spawn({
                let world = world.clone();
                async move { secret(&world, 1).await }
            })
        })
        .collect();
    world.arrival().await;
    cache_tests::eventually("all have missed", async || {
        world.cache.stats().total.misses == 10
    })
    .await;
    world.open_gate();
    for call in calls {
        assert_eq!(call.await.unwrap(), Some(note_of(1)));
    }
    assert_eq!(world.loads(), 1);
}
