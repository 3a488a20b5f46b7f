//! Generic functions, `impl Trait` arguments, lifetimes, where clauses, const parameters.
#![deny(warnings)]

use std::any::type_name;
use std::borrow::Cow;
use std::fmt::Display;

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
async fn skipped<T: Into<u64> + Serialize + DeserializeOwned + Clone + Send + Sync + 'static>(id: u32, #[skip] seed: T) -> T {
    let _ = id;
    seed
}

#[invalidates(find::<T>(id), by_any(id), text(id.to_owned()))]
async fn forget<T>(id: &str)
where
    T: Serialize + DeserializeOwned + Clone + Default + Send + Sync + 'static,
{
    let _ = id;
}

fn is_send<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
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
    is_send(forget::<u32>("a")).await;
}
