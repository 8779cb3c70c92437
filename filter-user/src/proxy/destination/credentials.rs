//! What a relay host asks for before it takes our mail: a login and a password, from a file of two lines. Kept in memory
//! that is wiped when it is dropped, and never shown.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// Octets of a login or a password: more does not fit into the line of an AUTH command (RFC 4954 section 4).
const LONGEST: usize = 255;

/// Why credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("{}: the credentials cannot be read: {source}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Anyone could read it.
    #[error("{}: everybody on this host can read these credentials: chmod o= it", .0.display())]
    Open(PathBuf),
    /// It is not two lines.
    #[error("{path}: {what}; the file has two lines, the login and the password", path = .path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
}

/// A login and its password.
pub struct Credentials {
    login: String,
    password: SecretString,
}

impl Credentials {
    /// Reads a file.
    pub fn from_file(path: &Path) -> Result<Self, CredentialsError> {
        let unreadable = |source| CredentialsError::Unreadable { path: path.to_owned(), source };
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
        let mode = std::fs::metadata(path).map_err(unreadable)?.mode();
        if mode & 0o004 != 0 {
            return Err(CredentialsError::Open(path.to_owned()));
        }
        Self::parse(&text).map_err(|what| CredentialsError::Malformed { path: path.to_owned(), what })
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut lines = text.lines();
        let (Some(login), Some(password), None) = (lines.next(), lines.next(), lines.next()) else {
            return Err("there are not two lines");
        };
        for (line, empty, odd) in [
            (login, "the login is empty", "the login has a NUL or is longer than 255 octets"),
            (password, "the password is empty", "the password has a NUL or is longer than 255 octets"),
        ] {
            if line.is_empty() {
                return Err(empty);
            }
            if line.len() > LONGEST || line.contains('\0') {
                return Err(odd);
            }
        }
        Ok(Self { login: login.to_owned(), password: SecretString::from(password) })
    }

    /// The message of PLAIN (RFC 4616), in base64.
    pub(in crate::proxy) fn plain(&self) -> Zeroizing<String> {
        let message = Zeroizing::new(format!("\0{}\0{}", self.login, self.password.expose_secret()));
        Zeroizing::new(STANDARD.encode(message.as_bytes()))
    }

    /// The two answers of LOGIN, in base64.
    pub(in crate::proxy) fn login(&self) -> [Zeroizing<String>; 2] {
        [self.login.as_str(), self.password.expose_secret()].map(|text| Zeroizing::new(STANDARD.encode(text)))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials of {:?}", self.login)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn two_lines_are_login_and_password() {
        for text in ["relay\np\u{e4}ss word\n", "relay\np\u{e4}ss word", "relay\r\np\u{e4}ss word\r\n"] {
            let credentials = Credentials::parse(text).unwrap();
            assert_eq!(STANDARD.decode(&*credentials.plain()).unwrap(), "\0relay\0p\u{e4}ss word".as_bytes());
            assert_eq!(*credentials.login()[0], STANDARD.encode("relay"));
            assert_eq!(*credentials.login()[1], STANDARD.encode("p\u{e4}ss word"));
            assert!(!format!("{credentials:?}").contains("ss word"));
        }
    }

    #[test]
    fn what_is_wrong_is_said_and_no_secret_with_it() {
        let long = format!("a\n{}", "x".repeat(256));
        for (text, fault) in [
            ("", "two lines"),
            ("relay", "two lines"),
            ("relay\nsecret\nmore\n", "two lines"),
            ("\nsecret", "the login is empty"),
            ("relay\n\n", "the password is empty"),
            ("re\0lay\nsecret", "the login has a NUL"),
            (&long, "longer than 255"),
        ] {
            let said = Credentials::parse(text).unwrap_err();
            assert!(said.contains(fault) && !said.contains("secret"), "{text:?}: {said}");
        }
    }

    #[test]
    fn a_file_that_everybody_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        std::fs::write(&path, "relay\nsecret\n").unwrap();
        for (mode, taken) in [(0o600, true), (0o640, true), (0o644, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Credentials::from_file(&path).is_ok(), taken, "{mode:o}");
        }
        let error = Credentials::from_file(&folder.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("none: the credentials cannot be read"), "{error}");
    }
}
