use cache_runtime::cached;

use std::borrow::Cow;
use std::pin::Pin;

#[derive(Clone)]
struct Users;

impl Users {
    #[cached("users", stale_while_revalidate = "1m", skip(self))]
    async fn user(self: Pin<&Self>, id: Option<&str>) -> usize {
        let _ = self;
        id.map_or(0, str::len)
    }
}

#[cached("names", stale_if_error = "1h", soft_timeout = "200ms")]
async fn names<'a>(ids: &[&str], name: Cow<'_, str>, more: (u64, &'a u64)) -> Result<usize, String> {
    Ok(ids.len() + name.len() + more.0 as usize)
}

fn main() {}
