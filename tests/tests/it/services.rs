//! The five services, each in a process of its own: what their documents say of requests and answers.

mod agents;
mod analytics;
mod content;
mod goals;
mod task_control;

use std::ops::Deref;

use cache_tests::{PostgresServer, RedisServer, Service};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

/// A service, and what it talks to.
struct World {
    instance: Instance,
    redis: RedisServer,
    database: Database,
}

/// A process of a service.
struct Instance {
    service: Service,
    client: Client,
}

enum Database {
    Sqlite(TempDir),
    Postgres(PostgresServer),
}

impl World {
    /// With SQLite in a file and Redis.
    async fn start(name: &str) -> Self {
        Self::with(name, Database::Sqlite(tempfile::tempdir().unwrap()), &[]).await
    }

    /// With PostgreSQL and Redis.
    async fn on_postgres(name: &str) -> Self {
        let database = PostgresServer::start().await;
        Self::with(name, Database::Postgres(database), &[]).await
    }

    async fn with(name: &str, database: Database, settings: &[(&'static str, &str)]) -> Self {
        let redis = RedisServer::start().await;
        let url = match &database {
            Database::Sqlite(folder) => format!("sqlite:{}/db", folder.path().display()),
            Database::Postgres(server) => server.url(),
        };
        let own = [("DATABASE_URL", url.as_str()), ("REDIS_URL", &redis.url())];
        let settings = own.into_iter().chain(settings.iter().copied());
        Self {
            instance: Instance::start(name, settings).await,
            redis,
            database,
        }
    }
}

impl Deref for World {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.instance
    }
}

impl Instance {
    async fn start<'a>(
        name: &str,
        settings: impl IntoIterator<Item = (&'static str, &'a str)>,
    ) -> Self {
        let patient = [
            // Patient: a loaded machine must not fail a test.
            ("REDIS_SOCKET_TIMEOUT", "20"),
            ("CACHE_BUDGET", "20"),
            ("REDIS_CONNECT_TIMEOUT", "20"),
            ("LOG_LEVEL", "warn"),
        ];
        let settings = patient.into_iter().chain(settings);
        let service = Service::start(env!("CARGO_BIN_EXE_service"), &[name], settings).await;
        Self {
            service,
            client: Client::new(),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.service.url());
        self.client.request(method, url)
    }

    async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path).told().await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.request(method, path).json(body).told().await
    }
}

/// What a client sees.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    /// `HIT`, `MISS` …, and nothing where no cached function was called.
    cache: String,
    /// Queries that the database was asked.
    queries: u64,
    body: Value,
}

trait Told {
    async fn told(self) -> Answer;
}

impl Told for RequestBuilder {
    async fn told(self) -> Answer {
        let response = self.send().await.unwrap();
        let header = |response: &Response, name| {
            let value = response.headers().get(name);
            value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
        };
        let cache = header(&response, "x-cache");
        let queries = header(&response, "x-query-count").parse().unwrap();
        let status = response.status();
        let body = response.text().await.unwrap();
        let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
        Answer {
            status,
            cache,
            queries,
            body,
        }
    }
}

impl Answer {
    fn is_hit(&self) -> bool {
        self.cache == "HIT" && self.queries == 0
    }
}
