use cache_runtime::cached;

#[cached("users", stale_while_revalidate = "1m", cache_if = |user| *user > least, skip(least))]
async fn user(id: u64, least: &u64) -> u64 {
    id + least
}

struct Users(u64);

fn late(name: &str) -> String {
    name.to_owned()
}

impl Users {
    #[cached(
        "names",
        refresh_ahead = on,
        key = id,
        ttl_with = |_| std::time::Duration::from_secs(self.0),
        load_timeout = "1s",
        on_timeout = || late(id),
        skip(self),
    )]
    async fn name(&self, id: &str) -> Result<String, String> {
        Ok(id.to_owned())
    }
}

fn main() {}
