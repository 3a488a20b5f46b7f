//! The hottest keys beside functions, methods and declarations of every shape.
#![deny(warnings, missing_docs, clippy::all)]

use std::borrow::Cow;
use std::fmt::Display;

use cache_runtime::{Hottest, Warming, cached};
use serde::Serialize;
use serde::de::DeserializeOwned;

mod keys {
    cache_runtime::cache_keys! {
        pub part(id: u64, name: &str) = "parts:{name}:v{id}", ttl = "1h";
        pub all() = "all", ttl = "1h";
    }
}

#[derive(Clone, Serialize)]
struct User {
    id: u64,
}

#[cached("one", "1m")]
async fn one(id: u64) -> u64 {
    id
}

#[cached("several", "1m", key = (name, *id, flag))]
async fn several(name: &str, id: &u64, flag: Option<bool>) -> u64 {
    *id + name.len() as u64 + u64::from(flag.is_some())
}

#[cached("plain", "1m", key = (flag, name))]
async fn plain(name: &str, flag: &Option<bool>) -> usize {
    name.len() + usize::from(flag.is_some())
}

#[cached("field", "1m", key = user.id)]
async fn field(user: &User) -> u64 {
    user.id
}

#[cached("borrows", "1m")]
async fn borrows(name: Cow<'_, str>, ids: &[u64]) -> usize {
    name.len() + ids.len()
}

#[cached("generic", "1m")]
async fn generic<T: Serialize + Display + Sync>(value: &T, more: impl Serialize) -> String {
    let _ = more;
    value.to_string()
}

#[cached(keys::part(id, name))]
async fn part(id: u64, name: &str) -> u64 {
    id + name.len() as u64
}

struct Goals;

impl Goals {
    #[cached("goals", "1m", key = id)]
    pub(crate) async fn goal(#[skip] &self, id: u64) -> u64 {
        let _ = self;
        id
    }
}

struct Of<T>(T);

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Of<T> {
    #[cached("of", "1m", key = (std::any::type_name::<T>(), value))]
    pub(crate) async fn of(#[skip] &self, value: T) -> T {
        let _ = &self.0;
        value
    }
}

#[test]
fn works() {
    let _: Hottest<u64> = one::hottest(9);
    let _: Hottest<(Option<bool>, String)> = plain::hottest(9);
    let _: Hottest<(String, u64)> = keys::part::hottest(9);
    let _: Hottest<()> = keys::all::hottest(9);
    let _: Hottest<u64> = Goals::goal_hottest(9);
    // What stands in the key is not what the parameters are.
    let _: Hottest<(String, u64, Option<bool>)> = several::hottest(9);
    let _ = field::hottest::<u64>(9);
    let _ = borrows::hottest::<(String, Vec<u64>)>(9);
    let _ = generic::hottest::<(String, String)>(9);
    let _ = part::hottest::<(String, u64)>(9);
    let _ = Of::<u64>::of_hottest::<(String, u64)>(9);
    let _ = Warming::new().hottest("fields", field::hottest(9), |id| async move {
        field(&User { id }).await;
    });
    let _ = (
        several("", &1, None),
        borrows("".into(), &[]),
        generic(&1, 2),
        part(1, ""),
    );
    let _ = (plain("", &None), Goals.goal(1), Of(1_u64).of(1));
}
