use cache_runtime::cached;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cached("rows", key = id)]
async fn row<T: Serialize + DeserializeOwned + Default>(id: u64) -> Result<T, String> {
    let _ = id;
    Ok(T::default())
}

fn main() {}
