//! What only a build with TLS has.

use std::sync::Arc;

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, RedisResult, TlsCertificates,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::Certificates;
use crate::store::redis::server::is_tls;

/// Sees to it that there is cryptography for a connection to `address`.
///
/// The client takes the process' default provider, and panics when there is none and the program's crates bring several. Only then
/// it is chosen here, and as late as possible: a program that installs its own wins, even after its cache was built.
pub(in crate::store::redis) fn provide(address: &ConnectionAddr) {
    if is_tls(address) && CryptoProvider::get_default().is_none() {
        // Whoever was quicker has installed one.
        let _ = ring::default_provider().install_default();
    }
}

impl Certificates {
    /// What cannot be used, by the names under which CA, certificate and key were given. Nothing of their content is in it.
    pub(crate) fn problems(&self, [ca, certificate, key]: [&str; 3]) -> Vec<String> {
        let mut problems = Vec::new();
        if self.ca.as_ref().is_some_and(|pem| roots(pem).is_none()) {
            problems.push(format!("{ca} must be certificates of authorities in PEM"));
        }
        let Some([certificate_pem, key_pem]) = &self.client else {
            return problems;
        };
        let chain = chain(certificate_pem);
        if chain.is_none() {
            problems.push(format!("{certificate} must be a certificate in PEM"));
        }
        let private = PrivateKeyDer::from_pem_slice(key_pem).ok();
        if private.is_none() {
            problems.push(format!("{key} must be a private key in PEM, not encrypted"));
        }
        if let (Some(chain), Some(private)) = (chain, private)
            && !belong_together(chain, private)
        {
            problems.push(format!(
                "{key} is not the key of {certificate}, or of a kind that cannot be used"
            ));
        }
        problems
    }

    pub(super) fn client_over_tls(&self, info: ConnectionInfo) -> RedisResult<Client> {
        let client_tls = self
            .client
            .clone()
            .map(|[client_cert, client_key]| ClientTlsConfig {
                client_cert,
                client_key,
            });
        let certificates = TlsCertificates {
            client_tls,
            root_cert: self.ca.clone(),
        };
        Client::build_with_tls(info, certificates)
    }
}

fn chain(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .ok()?;
    (!chain.is_empty()).then_some(chain)
}

fn roots(pem: &[u8]) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(pem)? {
        roots.add(certificate).ok()?;
    }
    Some(roots)
}

/// The program's cryptography decides, if it has chosen one already.
fn belong_together(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> bool {
    let chosen = CryptoProvider::get_default().cloned();
    let provider = chosen.unwrap_or_else(|| Arc::new(ring::default_provider()));
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    config.is_ok_and(|config| {
        let config = config.with_root_certificates(RootCertStore::empty());
        config.with_client_auth_cert(chain, key).is_ok()
    })
}
