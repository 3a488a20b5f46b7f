use cache_runtime::cached;

#[cached("users")]
async fn user(id: u64) -> Result<(), String> {
    let _ = id;
    Ok(())
}

fn main() {}
