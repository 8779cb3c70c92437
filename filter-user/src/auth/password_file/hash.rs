//! Hashes of passwords: argon2id, which we make, and bcrypt and SHA-crypt, which others have made. Each holds the work
//! that it costs in itself, so this is not called where anything else waits.

use std::fmt;

use argon2::Argon2;
use argon2::password_hash::phc;
use sha_crypt::{PasswordHashRef, PasswordHasher as _, PasswordVerifier as _, ShaCrypt};

use super::error::PasswordFileError;

/// Octets of a SHA-256 and of a SHA-512 in crypt's base64.
const SHA_CRYPT_OCTETS: [usize; 2] = [43, 86];

/// The hash of one password.
pub(crate) enum PasswordHash {
    /// `$argon2id$…`, in PHC's form.
    Argon2id(Box<phc::PasswordHash>),
    /// `$2b$…`, `$2a$…` or `$2y$…`.
    Bcrypt(Box<str>),
    /// `$5$…` or `$6$…`.
    ShaCrypt(Box<str>),
}

impl PasswordHash {
    /// Reads one; an error says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let kind = text.strip_prefix('$').and_then(|rest| rest.split('$').next());
        match kind {
            Some("argon2id") => {
                let hash = phc::PasswordHash::new(text).map_err(|_| "not an argon2id hash")?;
                let whole = hash.salt.is_some() && hash.hash.is_some();
                argon2::Params::try_from(&hash)
                    .ok()
                    .filter(|_| whole)
                    .map(|_| Self::Argon2id(Box::new(hash)))
                    .ok_or("not an argon2id hash")
            }
            Some("2a" | "2b" | "2y") => {
                text.parse::<bcrypt::HashParts>().map_err(|_| "not a bcrypt hash")?;
                Ok(Self::Bcrypt(text.into()))
            }
            Some("5" | "6") => {
                let hash = PasswordHashRef::new(text).map_err(|_| "not a SHA-crypt hash")?;
                let whole = (2..=3).contains(&hash.fields().count())
                    && hash
                        .fields()
                        .last()
                        .is_some_and(|last| SHA_CRYPT_OCTETS.contains(&last.as_str().len()));
                whole.then(|| Self::ShaCrypt(text.into())).ok_or("not a SHA-crypt hash")
            }
            _ => Err("the hash is none of $argon2id$, $2b$ (bcrypt), $5$ and $6$ (SHA-crypt)"),
        }
    }

    /// Makes one of a prepared password, with a salt of its own.
    pub(crate) fn new(password: &[u8]) -> Result<Self, PasswordFileError> {
        let hash: phc::PasswordHash = Argon2::default()
            .hash_password(password)
            .map_err(|error| PasswordFileError::Hash(error.to_string()))?;
        Ok(Self::Argon2id(Box::new(hash)))
    }

    /// One that costs what those that we make cost, and that no password has.
    pub(crate) fn stand_in() -> Self {
        let text = format!("$argon2id$v=19$m=19456,t=2,p=1${}${}", "A".repeat(22), "A".repeat(43));
        Self::parse(&text).expect("it has the form that `parse` takes: a test makes one")
    }

    /// Whether it is of this prepared password.
    pub(crate) fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2id(hash) => Argon2::default().verify_password(password, &**hash).is_ok(),
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::ShaCrypt(hash) => ShaCrypt::default().verify_password(password, &**hash).is_ok(),
        }
    }
}

/// As it stands in the password file.
impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argon2id(hash) => hash.fmt(f),
            Self::Bcrypt(hash) | Self::ShaCrypt(hash) => f.write_str(hash),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Argon2id(_) => "Argon2id(..)",
            Self::Bcrypt(_) => "Bcrypt(..)",
            Self::ShaCrypt(_) => "ShaCrypt(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_of_each_kind_fits_its_password_alone() {
        let ours = PasswordHash::new(b"secret").unwrap().to_string();
        let rows = [
            ours.as_str(),
            // made by crypt(3) and openssl passwd
            "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
            "$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2",
            "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
        ];
        for text in rows {
            let hash = PasswordHash::parse(text).unwrap();
            assert_eq!(hash.to_string(), text);
            assert!(hash.verify(b"secret"), "{text}");
            assert!(!hash.verify(b"secret "), "{text}");
            assert!(!hash.verify(b""), "{text}");
            assert!(format!("{hash:?}").ends_with("(..)"));
        }
        assert!(ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{ours}");
        assert!(!PasswordHash::stand_in().verify(b"secret"));
    }
}
