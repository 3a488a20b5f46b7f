use cache_runtime::cached;

#[cached("users", load_timeout = "2s", on_timeout = String::from("late"))]
async fn user(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached("names", load_timeout = "2s", on_timeout = "late")]
async fn name(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached("ages", load_timeout = "2s", on_timeout = |error| error)]
async fn age(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
