use cache_runtime::invalidates;

#[invalidates("users:*", crash_safe = "0s")]
async fn rename(id: u64) -> Result<(), String> {
    Err(id.to_string())
}

fn main() {}
