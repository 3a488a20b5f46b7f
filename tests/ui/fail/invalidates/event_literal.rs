use cache_runtime::invalidates;

#[invalidates(event = "renamed")]
async fn rename(id: u64) -> Result<(), String> {
    Err(id.to_string())
}

fn main() {}
