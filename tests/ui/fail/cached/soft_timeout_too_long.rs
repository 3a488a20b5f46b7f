use cache_runtime::cached;

#[cached("users", stale_if_error = "1h", soft_timeout = "2s", load_timeout = "2s", on_timeout = String::new)]
async fn user(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
