//! Whether values are encrypted is said where their key is declared.

use cache_runtime::cached;

mod keys {
    cache_runtime::cache_keys! {
        pub note(id: u64) = "notes:{id}", ttl = "1m", encrypt = on;
    }
}

#[cached(keys::note(id), encrypt = off)]
async fn note(id: u64) -> u64 {
    id
}

fn main() {}
