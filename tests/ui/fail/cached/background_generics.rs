use cache_runtime::cached;

#[cached("users", stale_while_revalidate = "1m", key = id.to_string())]
async fn user<T: ToString>(id: T) -> usize {
    id.to_string().len()
}

#[cached("names", stale_while_revalidate = "1m", key = (id, std::any::type_name::<T>()))]
async fn name<T: serde::Serialize + serde::de::DeserializeOwned + From<u64>>(id: u64) -> T {
    T::from(id)
}

#[cached("ages", stale_while_revalidate = "1m", key = age.to_string())]
async fn age<T: ToString + Clone + Send + Sync>(age: &T) -> usize {
    age.to_string().len()
}

fn main() {}
