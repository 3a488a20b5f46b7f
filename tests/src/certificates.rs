use std::fmt;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// Somebody who certifies, of one's own.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// A new one, which nobody trusts yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        let mut parameters = named("an authority", &[]);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = key();
        let certificate = parameters.self_signed(&key).expect("a certificate").pem();
        Self {
            certificate,
            issuer: Issuer::new(parameters, key),
        }
    }

    /// What those who trust it are given.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Certifies whoever goes by these names and addresses.
    #[must_use]
    pub fn certify(&self, names: &[&str]) -> Certified {
        self.sign(&named("somebody", names))
    }

    /// The same, and it has ended long ago.
    #[must_use]
    pub fn certify_expired(&self, names: &[&str]) -> Certified {
        let mut parameters = named("somebody", names);
        parameters.not_after = date_time_ymd(2000, 1, 1);
        self.sign(&parameters)
    }

    fn sign(&self, parameters: &CertificateParams) -> Certified {
        let key = key();
        let signed = parameters.signed_by(&key, &self.issuer);
        Certified {
            certificate: signed.expect("a certificate").pem(),
            key: key.serialize_pem(),
        }
    }
}

fn named(name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut parameters = CertificateParams::new(names).expect("names of hosts");
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}
