use cache_runtime::cached;

#[cached("users")]
async fn user(id: u64) -> Option<&'static str> {
    (id > 0).then_some("user")
}

fn main() {}
