use cache_runtime::invalidates;

#[invalidates("users:*", delay = "1s", grace = "1s", cooldown = "1s", lease = "1s", on_error = fail, events = [Renamed])]
async fn rename(id: u64) -> Result<(), String> {
    Err(id.to_string())
}

fn main() {}
