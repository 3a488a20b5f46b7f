use cache_runtime::cached;

#[cached("users", load_timeot = "2s", on_timeout = String::new)]
async fn user(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
