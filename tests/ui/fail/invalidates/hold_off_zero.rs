use cache_runtime::invalidates;

#[invalidates("users:*", hold_off = 0)]
async fn rename(id: u64) -> Result<(), String> {
    Err(id.to_string())
}

fn main() {}
