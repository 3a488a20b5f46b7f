use cache_runtime::cached;

#[cached("a", stale_while_revalidate = "0s", stale_if_error = |answer| answer.age())]
async fn a(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached("b", stale_while_revalidate = 5min, stale_if_error = "99999999999999999w")]
async fn b(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached("c", stale_if_error = "-1h")]
async fn c(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
