//! What starts and stops a service.

use std::env;
use std::net::SocketAddr;

use axum::Router;
use cache_runtime::http::{Management, Scope, Token};
use cache_runtime::{Builder, Cache, CacheLayer};
use tokio::net::TcpListener;
use tracing::level_filters::LevelFilter;

use crate::database::Db;
use crate::error::Error;

/// Serves what `app` makes at `HOST:PORT` (`127.0.0.1:3000`) until Ctrl-C.
///
/// The cache and the database are as the environment says: `REDIS_URL` and its like, `DATABASE_URL`. With `ADMIN_TOKEN` set there is a console at
/// `/admin/cache/console/`.
///
/// # Errors
/// When the configuration is wrong, the database cannot be opened or seeded, or the address is taken.
pub async fn serve(
    name: &'static str,
    schema: &'static str,
    app: impl AsyncFnOnce(Db) -> Result<Router, Error>,
) -> Result<(), Error> {
    tracing_subscriber::fmt()
        .with_max_level(env_or("LOG_LEVEL", LevelFilter::INFO)?)
        .with_writer(std::io::stderr)
        .init();
    let mut cache = Builder::from_env()?;
    if env::var_os("CACHE_PREFIX").is_none() {
        cache = cache.prefix(name);
    }
    let cache = cache.install()?;
    let db = Db::open(name, schema).await?;
    // Of what is asked while it starts, no request's headers tell.
    let router = app(db.clone()).await?.layer(CacheLayer::new());
    let router = router.nest("/admin/cache", management(&cache).router());

    let address = (
        env_or("HOST", "127.0.0.1".to_owned())?,
        env_or("PORT", 3000_u16)?,
    );
    let listener = TcpListener::bind(address).await.map_err(Error::start)?;
    let address = listener.local_addr().map_err(Error::start)?;
    say(&format!(
        "{name} at http://{address}, with {} and a cache in {}",
        db.kind(),
        cache.store_name()
    ));
    let stopped = async {
        // Where signals cannot be heard it is stopped by force.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, router).with_graceful_shutdown(stopped);
    served.await.map_err(Error::start)
}

#[expect(clippy::print_stdout, reason = "a program that says where it serves")]
fn say(line: &str) {
    println!("{line}");
}

/// Closed, but for who knows the token.
pub(crate) fn management(cache: &Cache) -> Management {
    let management = Management::new(cache);
    let all = [
        Scope::Statistics,
        Scope::Keys,
        Scope::Values,
        Scope::Clear,
        Scope::Operate,
    ];
    match env::var("ADMIN_TOKEN") {
        Ok(secret) => management.token(Token::new("admin", secret).may(all)),
        Err(_) => management,
    }
}

pub(crate) fn env_or<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    default: T,
) -> Result<T, Error> {
    match env::var(name) {
        Ok(value) => value
            .parse()
            .map_err(|error| Error::Start(format!("{name}: {error}"))),
        Err(_) => Ok(default),
    }
}
