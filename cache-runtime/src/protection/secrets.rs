//! Closing and opening entries.
//!
//! | bytes | signed | | bytes | encrypted |
//! |---|---|---|---|---|
//! | 4 | number of the secret | | 4 | number of the secret |
//! | 16 | HMAC | | 24 | nonce, at random |
//! | | the value | | | the value, encrypted, and 16 bytes of its tag |
//!
//! Both are bound to the key's whole name and to the entry's header: one that was moved to another key, or given the stamp of a later one, is refused. The
//! secret itself is used for neither; what is used is derived from it, each for one purpose (HMAC-SHA256 as a pseudo-random function, as in HKDF,
//! RFC 5869).

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Protection;
use crate::error::ConfigError;

const NUMBER: usize = 4;
const MAC: usize = 16;
const NONCE: usize = 24;

/// The secrets that entries are closed and opened with: the first one closes, all of them open.
///
/// A secret is 32 bytes that nobody can guess (`openssl rand -hex 32`), and has a number, which stands in each entry. To change it, give a new one
/// with another number to all instances, as [retired](Self::retired) first, so that each can open what another closes; then as the first one; and take the old one
/// away when its entries have expired.
///
/// ```
/// use cache_runtime::{Cache, Protection, Secrets};
///
/// # fn main() -> Result<(), cache_runtime::ConfigError> {
/// let (new, old) = ([7; 32], [3; 32]); // from where the program keeps its secrets
/// let cache = Cache::builder()
///     .secrets(Secrets::new(2, new).retired(1, old))
///     .protection(Protection::Encrypted)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Secrets {
    all: Vec<Secret>,
}

#[derive(Clone)]
struct Secret {
    number: u32,
    signs: Zeroizing<[u8; 32]>,
    encrypts: XChaCha20Poly1305,
}

impl Secrets {
    /// One secret that closes and opens.
    pub fn new(number: u32, secret: [u8; 32]) -> Self {
        Self { all: Vec::new() }.retired(number, secret)
    }

    /// One more that opens. Of two with one number the first counts.
    #[must_use]
    pub fn retired(mut self, number: u32, secret: [u8; 32]) -> Self {
        let secret = Zeroizing::new(secret);
        self.all.push(Secret {
            number,
            signs: derived(&secret, b"cache-runtime 1: signs"),
            encrypts: XChaCha20Poly1305::new(
                (&*derived(&secret, b"cache-runtime 1: encrypts")).into(),
            ),
        });
        self
    }

    /// Reads `number:secret`, several joined by commas, each secret as 64 hexadecimal digits: `2:9f86…,1:60303…`. The first one closes.
    ///
    /// # Errors
    /// Anything else; what was given is not told.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut all = text.split(',').map(|one| {
            let (number, secret) = one.trim().split_once(':')?;
            Some((number.parse::<u32>().ok()?, hex(secret)?))
        });
        let read = all.next().flatten().and_then(|(number, secret)| {
            all.try_fold(Self::new(number, secret), |secrets, more| {
                let (number, secret) = more?;
                let is_new = secrets.all.iter().all(|known| known.number != number);
                is_new.then(|| secrets.retired(number, secret))
            })
        });
        read.ok_or_else(|| {
            ConfigError::of(
                "secrets must be `number:secret`, joined by commas, each number once, each secret 64 hexadecimal digits"
                    .to_owned(),
            )
        })
    }

    /// Closes `value`, bound to these bytes and to the key's whole name; `None` when there are no random numbers.
    pub(crate) fn close(
        &self,
        protection: Protection,
        bound: &[u8],
        name: &str,
        value: &[u8],
    ) -> Option<Vec<u8>> {
        let secret = self.all.first()?;
        let number = &secret.number.to_le_bytes();
        Some(match protection {
            Protection::Off => value.to_vec(),
            Protection::Signed => {
                let mac = secret.mac(bound, name, value).finalize().into_bytes();
                [&number[..], &mac[..MAC], value].concat()
            }
            Protection::Encrypted => {
                let mut nonce = [0; NONCE];
                getrandom::fill(&mut nonce).ok()?;
                let aad = &aad(bound, name);
                let payload = Payload { msg: value, aad };
                let sealed = secret.encrypts.encrypt(&XNonce::from(nonce), payload);
                [&number[..], &nonce, &sealed.ok()?].concat()
            }
        })
    }

    /// What [`close`](Self::close) has closed; `None` when somebody else did, or with a secret that is not known here.
    pub(crate) fn open(
        &self,
        protection: Protection,
        bound: &[u8],
        name: &str,
        closed: &[u8],
    ) -> Option<Vec<u8>> {
        let (number, closed) = closed.split_first_chunk::<NUMBER>()?;
        let number = u32::from_le_bytes(*number);
        let secret = self.all.iter().find(|secret| secret.number == number)?;
        match protection {
            Protection::Off => None,
            Protection::Signed => {
                let (mac, value) = closed.split_at_checked(MAC)?;
                let expected = secret.mac(bound, name, value);
                // In constant time.
                expected.verify_truncated_left(mac).ok()?;
                Some(value.to_vec())
            }
            Protection::Encrypted => {
                let (nonce, sealed) = closed.split_first_chunk::<NONCE>()?;
                let aad = &aad(bound, name);
                let payload = Payload { msg: sealed, aad };
                let opened = secret.encrypts.decrypt(&XNonce::from(*nonce), payload);
                opened.ok()
            }
        }
    }
}

impl Secret {
    fn mac(&self, bound: &[u8], name: &str, value: &[u8]) -> Hmac<Sha256> {
        let mut mac = keyed(&self.signs);
        mac.update(&aad(bound, name));
        mac.update(value);
        mac
    }
}

/// What is bound to the value: the header, and the name with its length, so that none can be taken for another.
fn aad(bound: &[u8], name: &str) -> Vec<u8> {
    let length = (name.len() as u64).to_le_bytes();
    [bound, &length, name.as_bytes()].concat()
}

fn derived(secret: &[u8; 32], purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut mac = keyed(secret);
    mac.update(purpose);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // What is shorter than a block is filled up with zeros.
    let mut block = Zeroizing::new([0; 64]);
    block[..key.len()].copy_from_slice(key);
    <Hmac<Sha256> as KeyInit>::new((&*block).into())
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

impl fmt::Debug for Secrets {
    /// Their numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.all.iter().map(|secret| secret.number);
        f.debug_tuple("Secrets")
            .field(&numbers.collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(secrets: &Secrets, protection: Protection, name: &str) -> Vec<u8> {
        let closed = secrets.close(protection, b"head", name, b"value");
        closed.expect("random numbers")
    }

    #[test]
    fn what_was_closed_is_opened_under_its_name_alone() {
        let secrets = Secrets::new(1, [1; 32]);
        for protection in [Protection::Signed, Protection::Encrypted] {
            let whole = closed(&secrets, protection, "p:a:1");
            let open =
                |bound: &[u8], name, closed: &[u8]| secrets.open(protection, bound, name, closed);
            let value = open(b"head", "p:a:1", &whole);
            assert_eq!(value.as_deref(), Some(&b"value"[..]));
            assert_eq!(open(b"head", "p:a:2", &whole), None, "moved to another key");
            assert_eq!(open(b"heap", "p:a:1", &whole), None, "with another header");
            assert_eq!(open(b"hea", "dp:a:1", &whole), None, "cut elsewhere");
            for at in 0..whole.len() {
                let mut changed = whole.clone();
                changed[at] ^= 1;
                assert_eq!(open(b"head", "p:a:1", &changed), None, "byte {at}");
                assert_eq!(open(b"head", "p:a:1", &whole[..at]), None, "cut at {at}");
            }
        }
    }

    #[test]
    fn only_what_is_encrypted_is_hidden() {
        let secrets = Secrets::new(1, [1; 32]);
        let shows = |closed: &[u8]| closed.windows(5).any(|bytes| bytes == b"value");
        let signed = closed(&secrets, Protection::Signed, "a");
        let encrypted = closed(&secrets, Protection::Encrypted, "a");
        assert!(shows(&signed) && !shows(&encrypted));
        assert_ne!(encrypted, closed(&secrets, Protection::Encrypted, "a"));
        // One cannot stand for the other.
        assert_eq!(
            secrets.open(Protection::Signed, b"head", "a", &encrypted),
            None
        );
    }

    #[test]
    fn a_secret_is_changed_in_three_steps() {
        let old = Secrets::new(1, [1; 32]);
        let both = Secrets::new(1, [1; 32]).retired(2, [2; 32]);
        let new = Secrets::new(2, [2; 32]).retired(1, [1; 32]);
        let made = closed(&new, Protection::Encrypted, "a");
        let opens = |secrets: &Secrets| {
            secrets
                .open(Protection::Encrypted, b"head", "a", &made)
                .is_some()
        };
        assert!(opens(&both) && opens(&new) && !opens(&old));
        // Another secret with the same number.
        assert!(!opens(&Secrets::new(2, [3; 32])));
    }

    #[test]
    fn secrets_are_read_and_never_told() {
        let one = "ab".repeat(32);
        let secrets = Secrets::parse(&format!("2:{one}, 1:{}", "cd".repeat(32))).expect("right");
        assert_eq!(format!("{secrets:?}"), "Secrets([2, 1])");
        let not_ascii = format!("1:{}\u{e9}", &one[2..]);
        for wrong in [
            "",
            "1",
            &one,
            &format!("1:{one},1:{one}"),
            &not_ascii,
            "1:ab",
        ] {
            let error = Secrets::parse(wrong).expect_err(wrong);
            assert!(!error.to_string().contains("abab"), "{error}");
        }
    }
}
