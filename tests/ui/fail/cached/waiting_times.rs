use cache_runtime::cached;

#[cached("a", lock = "5", stale_if_error = "1h", soft_timeout = "0ms", load_timeout = "2 seconds", on_timeout = String::new)]
async fn a(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached("b", lock = |key| 5, stale_if_error = "1h", soft_timeout = "200", load_timeout = "soon", on_timeout = String::new)]
async fn b(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached("c", lock = 0, load_timeout = 0, on_timeout = String::new)]
async fn c(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
