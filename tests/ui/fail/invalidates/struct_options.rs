use cache_runtime::invalidates;

#[invalidates("users:{id}", on = always, on_unreachable = fail, crash_safe = "30s", hold_off = "1s", cache = cache)]
struct Renamed {
    id: u64,
}

#[invalidates(event = Renamed { id })]
async fn rename(id: u64) {
    let _ = id;
}

fn main() {}
