use cache_runtime::invalidates;

#[invalidates("users:*", on_unreachable = error)]
async fn rename(id: u64) -> Result<(), String> {
    Err(id.to_string())
}

fn main() {}
