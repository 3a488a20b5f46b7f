use cache_runtime::invalidates;

#[invalidates("users:{id}")]
struct Renamed<T> {
    id: T,
}

fn main() {}
