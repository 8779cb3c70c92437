//! What the server keeps of a password for SCRAM (RFC 5803): enough to check a proof, not enough to make one. Keeps no
//! password.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsasl::mechanisms::scram::tools::{derive_keys, hash_password};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// RFC 7677 section 4: no fewer than this.
const FEWEST_ITERATIONS: u32 = 4096;

/// More would let a file keep a client busy for minutes.
const MOST_ITERATIONS: u32 = 10_000_000;

const KEY: usize = 32;

/// Salt, iteration count and keys of one login.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ScramVerifier {
    pub(super) iterations: u32,
    pub(super) salt: Box<[u8]>,
    pub(super) stored_key: Zeroizing<[u8; KEY]>,
    pub(super) server_key: Zeroizing<[u8; KEY]>,
}

impl ScramVerifier {
    /// Of a prepared password.
    pub(crate) fn derive(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let mut salted = Default::default();
        hash_password::<Sha256>(password, iterations, salt, &mut salted);
        let (client_key, server_key) = derive_keys::<Sha256>(&salted);
        let stored_key = Sha256::digest(client_key);
        Self {
            iterations,
            salt: salt.into(),
            stored_key: Zeroizing::new(stored_key.into()),
            server_key: Zeroizing::new(server_key.into()),
        }
    }

    /// Of somebody who does not exist: always the same salt for the same login, as somebody who does would have, and a
    /// key that no password has.
    pub(crate) fn imitation(secret: &[u8; KEY], login: &str, iterations: u32) -> Self {
        let made = |of: &[u8]| {
            Sha256::new().chain_update(secret).chain_update(of).chain_update(login.as_bytes()).finalize()
        };
        Self {
            iterations,
            salt: made(b"salt\0")[..16].into(),
            stored_key: Zeroizing::new(made(b"stored key\0").into()),
            server_key: Zeroizing::new(made(b"server key\0").into()),
        }
    }

    /// Reads `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`; an error says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text
            .strip_prefix("SCRAM-SHA-256$")
            .ok_or("what follows the hash is no SCRAM-SHA-256 verifier")?;
        let form = "a SCRAM verifier is SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey";
        let (work, keys) = rest.split_once('$').ok_or(form)?;
        let (iterations, salt) = work.split_once(':').ok_or(form)?;
        let (stored, server) = keys.split_once(':').ok_or(form)?;
        let iterations = iterations
            .parse()
            .ok()
            .filter(|count| (FEWEST_ITERATIONS..=MOST_ITERATIONS).contains(count))
            .ok_or("SCRAM takes from 4096 to 10000000 iterations")?;
        let salt = STANDARD.decode(salt).ok().filter(|salt| (8..=64).contains(&salt.len()));
        let key = |text| {
            let octets = STANDARD.decode(text).ok()?;
            octets.try_into().ok().map(Zeroizing::new)
        };
        Ok(Self {
            iterations,
            salt: salt.ok_or("a salt of SCRAM is 8 to 64 octets in base64")?.into(),
            stored_key: key(stored).ok_or("the StoredKey is not 32 octets in base64")?,
            server_key: key(server).ok_or("the ServerKey is not 32 octets in base64")?,
        })
    }

    /// How often the password was hashed.
    pub(crate) fn iterations(&self) -> u32 {
        self.iterations
    }
}

/// As it stands in the password file.
impl fmt::Display for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, stored) = (STANDARD.encode(&self.salt), STANDARD.encode(*self.stored_key));
        write!(f, "SCRAM-SHA-256${}:{salt}${stored}:{}", self.iterations, STANDARD.encode(*self.server_key))
    }
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramVerifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_read_as_it_is_written() {
        let verifier = ScramVerifier::derive(b"secret", b"0123456789abcdef", 4096);
        let text = verifier.to_string();
        assert_eq!(ScramVerifier::parse(&text).unwrap(), verifier);
        assert!(!format!("{verifier:?}").contains(&text[60..70]), "{verifier:?}");
        for (from, to, fault) in [
            ("SCRAM-SHA-256$", "SCRAM-SHA-1$", "no SCRAM-SHA-256 verifier"),
            ("4096", "4095", "4096 to"),
            ("4096:", "4096", "a SCRAM verifier is"),
            ("MDEy", "!!!!", "a salt"),
            ("=:", ":", "StoredKey"),
        ] {
            let fault_found = ScramVerifier::parse(&text.replacen(from, to, 1)).unwrap_err();
            assert!(fault_found.contains(fault), "{from}: {fault_found}");
        }
    }

    #[test]
    fn who_does_not_exist_has_the_same_salt_every_time_and_nobody_elses() {
        let salt = |secret, login| ScramVerifier::imitation(&[secret; KEY], login, 4096).salt;
        assert_eq!(salt(1, "a"), salt(1, "a"));
        assert_ne!(salt(1, "a"), salt(1, "b"));
        assert_ne!(salt(1, "a"), salt(2, "a"));
    }
}
