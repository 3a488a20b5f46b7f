use cache_runtime::invalidates;

#[invalidates("users:*", hold_off = 500ms)]
async fn rename(id: u64) -> Result<(), String> {
    Err(id.to_string())
}

fn main() {}
