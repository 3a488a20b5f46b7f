use cache_runtime::updates;

#[updates(crate = cache_runtime)]
async fn rename(id: u64) -> String {
    id.to_string()
}

fn main() {}
