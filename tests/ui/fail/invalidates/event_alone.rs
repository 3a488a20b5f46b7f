use cache_runtime::invalidates;

#[invalidates(event)]
async fn rename(id: u64) -> Result<(), String> {
    Err(id.to_string())
}

fn main() {}
