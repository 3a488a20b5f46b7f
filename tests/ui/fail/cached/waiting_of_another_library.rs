use cache_runtime::cached;

#[cached("users", swr = "1m", stale = "1m", grace = "1m", result_fallback = true, early_refresh = 0.5, sync_writes = true, lease = "5s", deadline = "1s", timeout = "1s")]
async fn user(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
