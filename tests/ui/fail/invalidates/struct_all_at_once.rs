use cache_runtime::invalidates;

#[invalidates("users:{idd}", on = always, crash_safe = "30s", "*", self.user(id))]
struct Renamed {
    id: u64,
}

#[invalidates(event = Renamed { id })]
async fn rename(id: u64) {
    let _ = id;
}

fn main() {}
