//! Entries as people and tools look at them.

use std::time::Duration;

use cache_runtime::{
    Cache, Codec, Compression, Entry, EntryValue, Key, Protection, Secrets, cached,
};
use cache_tests::RedisServer;
use serde_json::json;

use crate::world::{World, patient};

#[cached(namespace = "rows", ttl = "1h", key = id, version = 3, cache = world.cache)]
async fn row(world: &World, id: u64) -> Option<u64> {
    (id > 0).then_some(id)
}

#[cached(namespace = "patients", ttl = "1h", key = id, encrypt = on, cache = cache)]
async fn patient_row(cache: &Cache, id: u64) -> String {
    format!("patient {id}")
}

#[tokio::test]
async fn an_entry_tells_what_it_is() {
    for world in World::both().await {
        let key = row::key(7);
        assert_eq!(world.cache.inspect(&key).await, None);
        row(&world, 7).await;
        let entry = world.cache.inspect(&key).await.unwrap();
        assert_eq!(entry.value, EntryValue::Shown(json!(7)));
        assert_eq!((entry.key.as_str(), entry.current), ("rows:7", Some(true)));
        assert!(entry.size > 40 && entry.size < 100, "{entry:?}");
        let hour = Duration::from_secs(3600);
        let ttl = entry.ttl.unwrap();
        assert!(ttl <= hour && ttl > hour.mul_f64(0.89), "{entry:?}");
        assert!(entry.age < Some(Duration::from_secs(60)), "{entry:?}");
        let form = entry.form.unwrap();
        assert_eq!((form.version, form.codec), (3, Codec::Json));
        assert_eq!(form.stored_by, ["it::inspecting::row"]);
        // Looking at it is no look-up.
        assert_eq!(world.cache.stats().total.lookups(), 1);

        world.cache.invalidate([row::pattern(None)]).await;
        // Its origin has tags or not: that is not known.
        assert_eq!(world.cache.inspect(&key).await.unwrap().current, None);
    }
}

#[tokio::test]
async fn what_was_set_by_hand_is_told_too() {
    for world in World::both().await {
        let key = Key::new("sessions", [&7 as _]);
        world.cache.set(&key, &json!({"user": "Ada"}), None).await;
        let entry = world.cache.inspect(&key).await.unwrap();
        assert_eq!(entry.value, EntryValue::Shown(json!({"user": "Ada"})));
        assert_eq!(entry.form.unwrap().stored_by, ["by hand"]);
        world
            .cache
            .invalidate([cache_runtime::Pattern::parse("sessions:*").unwrap()])
            .await;
        assert_eq!(
            world.cache.inspect(&key).await.unwrap().current,
            Some(false)
        );
    }
}

/// What one may not read in Redis one does not read here, from either store, and with the right secrets.
#[tokio::test]
async fn encrypted_values_are_never_shown() {
    let server = RedisServer::start().await;
    let secrets = || Secrets::new(1, [7; 32]);
    let caches = [
        Cache::builder().secrets(secrets()),
        patient(Cache::builder().redis(server.url())).secrets(secrets()),
    ];
    for cache in caches {
        let cache = cache.build().unwrap();
        patient_row(&cache, 7).await;
        let entry = cache.inspect(&patient_row::key(7)).await.unwrap();
        assert_eq!(entry.value, EntryValue::Encrypted);
        let told = format!("{entry:?} {}", serde_json::to_string(&entry).unwrap());
        assert!(!told.contains("patient 7"), "{told}");
    }
    let all = Cache::builder()
        .secrets(secrets())
        .protection(Protection::Encrypted);
    let all = all.build().unwrap();
    let key = Key::new("sessions", [&7 as _]);
    all.set(&key, "Ada", None).await;
    assert_eq!(
        all.inspect(&key).await.unwrap().value,
        EntryValue::Encrypted
    );
}

#[tokio::test]
async fn every_form_is_read() {
    let server = RedisServer::start().await;
    let builder = || patient(Cache::builder().redis(server.url()));
    let long = json!(vec!["the same"; 500]);
    let forms = [
        (
            builder().codec(Codec::MessagePack),
            EntryValue::Shown(long.clone()),
        ),
        (
            builder().compression(Compression::Zstd),
            EntryValue::Shown(long.clone()),
        ),
        (
            builder()
                .secrets(Secrets::new(1, [7; 32]))
                .protection(Protection::Signed),
            EntryValue::Shown(long.clone()),
        ),
        (builder().codec(Codec::Postcard), EntryValue::Opaque),
    ];
    for (at, (builder, value)) in forms.into_iter().enumerate() {
        let cache = builder.prefix(format!("form{at}")).build().unwrap();
        let key = Key::new("rows", [&1 as _]);
        let words: Vec<String> = serde_json::from_value(long.clone()).unwrap();
        assert!(cache.set(&key, &words, None).await);
        assert_eq!(cache.inspect(&key).await.unwrap().value, value);
    }
}

#[tokio::test]
async fn what_is_not_ours_is_told_as_such() {
    let server = RedisServer::start().await;
    let cache = patient(Cache::builder().redis(server.url())).prefix("app");
    let cache = cache.build().unwrap();
    let mut redis = server.connection().await;
    let mut run = async |command: &[&str]| {
        let mut cmd = redis::cmd(command[0]);
        cmd.arg(&command[1..]).exec_async(&mut redis).await.unwrap();
    };
    run(&["SET", "app:rows:1", "hello"]).await;
    run(&["LPUSH", "app:rows:2", "hello"]).await;
    let key = |id: u64| Key::new("rows", [&id as _]);
    let foreign: Entry = cache.inspect(&key(1)).await.unwrap();
    assert_eq!(
        (foreign.value, foreign.form),
        (EntryValue::Unreadable, None)
    );
    assert_eq!((foreign.expires_in, foreign.current), (None, Some(false)));
    let no_string = cache.inspect(&key(2)).await.unwrap();
    assert_eq!(no_string.value, EntryValue::Unreadable);
}
