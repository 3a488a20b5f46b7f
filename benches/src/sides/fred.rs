use std::sync::OnceLock;

use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::config::{Config, ReconnectPolicy};
use fred::types::{Builder, Expiration};

use super::{EXPIRY, Failed, Side};
use crate::row::Row;
use crate::source;

static CLIENT: OnceLock<Client> = OnceLock::new();

fn client() -> &'static Client {
    CLIENT.get().expect("it is started")
}

/// By hand, as with redis-rs.
pub(crate) struct Fred;

impl Side for Fred {
    const NAME: &'static str = "fred by hand";

    async fn start(url: String) {
        let client = Builder::from_config(Config::from_url(&url).expect("a url"))
            .set_policy(ReconnectPolicy::new_exponential(0, 100, 30_000, 2))
            .build();
        let client = CLIENT.get_or_init(|| client.expect("a client"));
        client.init().await.expect("it is up");
    }

    async fn read(id: u64) -> Result<Row, Failed> {
        let key = format!("fred:{id}");
        if let Ok(Some(json)) = client().get::<Option<Vec<u8>>, _>(&key).await
            && let Ok(row) = serde_json::from_slice(&json)
        {
            return Ok(row);
        }
        let row = source::load(id).await;
        let json = serde_json::to_vec(&row).expect("it is plain");
        let expiry = Expiration::EX(EXPIRY.as_secs() as i64);
        let _: Result<(), _> = client()
            .set(&key, json.as_slice(), Some(expiry), None, false)
            .await;
        Ok(row)
    }

    async fn invalidate(id: u64) -> Result<(), Failed> {
        let done = client().unlink::<(), _>(format!("fred:{id}")).await;
        done.map_err(|_| Failed)
    }
}
