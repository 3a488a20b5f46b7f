use cache_runtime::cached;

#[cached("users", load_timeout = "2s")]
async fn user(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
