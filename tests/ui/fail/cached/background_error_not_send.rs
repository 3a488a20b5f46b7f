use cache_runtime::cached;

#[cached("users", stale_while_revalidate = "1m")]
async fn user(id: u64) -> Result<u64, Box<dyn std::error::Error>> {
    Ok(id)
}

fn main() {}
