use cache_runtime::cached;

use std::borrow::Cow;

#[cached("users", stale_while_revalidate = "1m")]
async fn user(id: &str) -> Cow<'_, str> {
    Cow::Borrowed(id)
}

#[cached("names", stale_while_revalidate = "1m")]
async fn name<'a>(id: &'a str) -> Result<Cow<'a, str>, String> {
    Ok(Cow::Borrowed(id))
}

fn main() {}
