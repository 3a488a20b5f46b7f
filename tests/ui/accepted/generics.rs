//! Generic functions, `impl Trait` arguments, lifetimes, where clauses, const parameters.
#![deny(warnings)]

use std::any::type_name;
use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use cache_runtime::{cached, invalidates};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cached("find", key = (id, type_name::<T>()))]
async fn find<T>(id: &str) -> Result<T, String>
where
    T: Serialize + DeserializeOwned + Clone + Default + Send + Sync + 'static,
{
    if id.is_empty() {
        return Err("empty".to_owned());
    }
    Ok(T::default())
}

#[cached("by_any", key = id.to_string())]
async fn by_any<I: Display + Sync>(id: I) -> u32 {
    u32::try_from(id.to_string().len()).unwrap_or_default()
}

#[cached("text", key = id.as_ref())]
async fn text(id: impl AsRef<str> + Send) -> String {
    id.as_ref().to_owned()
}

#[cached("lengths", key = (id, N))]
async fn lengths<'a, const N: usize>(id: &'a str) -> Vec<usize> {
    vec![id.len(); N]
}

#[cached("cow", skip(loader))]
async fn cow<'a, F>(loader: F, id: &'a str, other: &str) -> Cow<'a, str>
where
    F: Fn(&str) -> String + Send + Sync,
{
    let _ = other;
    Cow::Owned(loader(id))
}

#[cached("elided", key = id)]
async fn elided(id: &str) -> Result<Cow<'_, str>, String> {
    Ok(Cow::Borrowed(id))
}

#[cached("skipped", skip(T))]
async fn skipped<T: Into<u64> + Serialize + DeserializeOwned + Clone + Send + Sync + 'static>(
    id: u32,
    #[skip] seed: T,
) -> T {
    let _ = id;
    seed
}

/// What rows stand in.
trait Table {
    fn rows() -> u64;
}

struct Users;

impl Table for Users {
    fn rows() -> u64 {
        1
    }
}

#[cached("count", key = (org, type_name::<T>()))]
async fn count<T: Table>(org: u32) -> u64 {
    u64::from(org) + T::rows()
}

#[cached("skipped:constant", skip(N, T))]
async fn skipped_constant<T: Table, const N: usize>(id: u32) -> u64 {
    u64::from(id) + T::rows() + N as u64
}

#[cached("by_parameter", key = (one, &all[..]))]
async fn by_parameter<K: Serialize + Sync, const N: usize>(
    one: K,
    all: [u8; N],
    #[skip] _: &Vec<K>,
) -> usize {
    let _ = one;
    all.len()
}

#[cached("by_loader", key = id)]
async fn by_loader<F, Fut, E>(id: u32, #[skip] load: F) -> Result<u32, E>
where
    F: FnOnce(u32) -> Fut + Send,
    Fut: Future<Output = Result<u32, E>> + Send,
    E: Send,
{
    load(id).await
}

#[cached("loaded", key = (id, type_name::<T>()))]
async fn loaded<T, F, Fut>(id: u32, #[skip] load: F) -> Option<T>
where
    T: Serialize + DeserializeOwned + Clone + Send + Sync,
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = Option<T>> + Send,
{
    let _ = id;
    load().await
}

#[cached("unbound", key = (id, type_name::<T>()))]
async fn unbound<T: Serialize + DeserializeOwned + Clone + Default + Send + Sync>(
    id: String,
) -> Option<T> {
    (!id.is_empty()).then(T::default)
}

#[invalidates(find::<T>(id), by_any(id), text(id.to_owned()))]
async fn forget<T>(id: &str)
where
    T: Serialize + DeserializeOwned + Clone + Default + Send + Sync + 'static,
{
    let _ = id;
}

trait Rule {
    const TTL: Duration;

    fn keep(value: &u64) -> bool;
}

impl Rule for Users {
    const TTL: Duration = Duration::from_secs(60);

    fn keep(value: &u64) -> bool {
        *value > 0
    }
}

#[cached("ruled", ttl = T::TTL, key = id, skip(T), cache_if = |value| T::keep(value))]
async fn ruled<T: Rule>(id: u64) -> u64 {
    id
}

fn is_send<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test]
async fn works() {
    let _ = is_send(find::<u32>("a")).await;
    let _ = find::key::<u32>("a");
    let _ = find::pattern::<u32>(None);
    let _: Option<Result<u32, String>> = is_send(find::peek::<u32>("a")).await;
    is_send(find::put::<u32>("a", 1_u32)).await;
    let _ = is_send(find::refresh::<u32>("a")).await;
    let _ = is_send(by_any(1)).await;
    let _ = (by_any::key(1), by_any::pattern(Some("a")));
    let _ = is_send(text("a")).await;
    let _ = (text::key("a"), text::pattern(Some(String::new())));
    let _ = lengths::<3>("a").await;
    let _ = (lengths::key::<3>("a"), lengths::uncached::<3>("a").await);
    let _ = is_send(cow(|id| id.to_owned(), "a", "b")).await;
    let _: Option<Cow<'static, str>> = cow::peek("a", "b").await;
    let _ = elided("a").await;
    let _: Option<Result<Cow<'static, str>, String>> = elided::peek("a").await;
    elided::put("a", Cow::Borrowed("b")).await;
    let _ = elided::refresh("a").await;
    let _ = skipped(1, 2_u32).await;
    let _ = skipped::key(1);
    let _ = (is_send(count::<Users>(1)).await, count::key::<Users>(1));
    let _ = (
        is_send(skipped_constant::<Users, 3>(1)).await,
        skipped_constant::key(1),
    );
    let _ = (
        is_send(by_parameter(1, [1, 2], &vec![1])).await,
        by_parameter::key(1, [1, 2]),
    );
    let _ = by_loader(1, async |id| Ok::<_, String>(id)).await;
    let _ = loaded(1, async || Some(1_u8)).await;
    let _ = (
        loaded::key::<u8>(1),
        loaded::peek::<u8>(1).await,
        loaded::refresh(1, async || Some(1_u8)).await,
    );
    loaded::put::<u8>(1, 1_u8).await;
    let _ = is_send(unbound::<u32>(String::new())).await;
    is_send(unbound::put::<u32>(String::new(), 1_u32)).await;
    let _ = ruled::<Users>(1).await;
    ruled::put::<Users>(1, 2_u64).await;
    let _: Option<u64> = ruled::peek(1).await;
    is_send(text::put("a", String::new())).await;
    is_send(forget::<u32>("a")).await;
}
