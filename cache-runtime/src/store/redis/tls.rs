//! TLS: whom to trust, what to show, and who does the cryptography.

#[cfg(feature = "tls")]
mod rustls;

use std::fmt;

use redis::{Client, ConnectionInfo};

#[cfg(feature = "tls")]
pub(super) use self::rustls::provide;
use super::server::is_tls;

/// What to say where it is missing.
pub(super) const FEATURE: &str = "needs the feature `tls` of cache-runtime";

/// PEM, as it was given.
#[derive(Clone, Default)]
pub(crate) struct Certificates {
    /// Trusted in place of the system's roots.
    pub(crate) ca: Option<Vec<u8>>,
    /// The certificate that is shown to the server, and its key.
    pub(crate) client: Option<[Vec<u8>; 2]>,
}

impl Certificates {
    /// These, and the others where there are none.
    pub(crate) fn or(self, others: Self) -> Self {
        Self {
            ca: self.ca.or(others.ca),
            client: self.client.or(others.client),
        }
    }

    /// What cannot be used, by the names under which CA, certificate and key were given.
    #[cfg(not(feature = "tls"))]
    pub(crate) fn problems(&self, [ca, certificate, key]: [&str; 3]) -> Vec<String> {
        let ca = self.ca.iter().map(|_| ca);
        let client = self.client.iter().flat_map(|_| [certificate, key]);
        ca.chain(client)
            .map(|name| format!("{name} {FEATURE}"))
            .collect()
    }

    /// A client of that server. Certificates with [problems](Self::problems) have been told of before.
    pub(super) fn client(&self, info: ConnectionInfo) -> Result<Client, String> {
        let given = self.ca.is_some() || self.client.is_some();
        let client = match (is_tls(info.addr()), given) {
            #[cfg(not(feature = "tls"))]
            (true, _) => return Err(format!("Redis over TLS {FEATURE}")),
            #[cfg(feature = "tls")]
            (true, true) => self.client_over_tls(info),
            (false, true) => {
                return Err(
                    "certificates are given, and Redis is not spoken to over TLS: write `rediss://…`, or REDIS_TLS=true beside \
                     REDIS_HOST"
                        .to_owned(),
                );
            }
            (_, false) => Client::open(info),
        };
        client.map_err(|_| {
            "the Redis server cannot be used: its address needs something that is not built in"
                .to_owned()
        })
    }
}

impl fmt::Debug for Certificates {
    /// Whether they are given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("ca", &self.ca.is_some())
            .field("client", &self.client.is_some())
            .finish()
    }
}
