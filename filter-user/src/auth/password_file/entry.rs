//! A line of the password file. Opens nothing.

use std::sync::Arc;

use super::hash::PasswordHash;
use crate::auth::credentials::prepared_login;
use crate::auth::scram::ScramVerifier;

/// A login and what is kept of its password.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Prepared.
    pub(crate) login: Box<str>,
    pub(crate) hash: Arc<PasswordHash>,
    pub(crate) scram: Option<Arc<ScramVerifier>>,
}

/// A line.
#[derive(Debug)]
pub(crate) enum Line {
    /// Nothing, or a comment.
    Blank,
    /// A login.
    Entry(Entry),
}

impl Line {
    /// Reads a line; an error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim_end_matches(['\n', '\r', ' ', '\t']);
        if text.is_empty() || text.starts_with('#') {
            return Ok(Self::Blank);
        }
        let (login, rest) = text.split_once(':').ok_or("the form is login:hash, or login:hash:verifier")?;
        let login = login_of(login).ok_or("a login has 1 to 255 octets and no control characters")?;
        let (hash, scram) = match rest.split_once(':') {
            Some((hash, scram)) => (hash, Some(ScramVerifier::parse(scram)?)),
            None => (rest, None),
        };
        let hash = Arc::new(PasswordHash::parse(hash)?);
        Ok(Self::Entry(Entry { login, hash, scram: scram.map(Arc::new) }))
    }
}

/// A login as a line may begin with, prepared.
pub(crate) fn login_of(text: &str) -> Option<Box<str>> {
    let prepared = prepared_login(text)?;
    (!prepared.starts_with('#') && !prepared.contains(':')).then(|| prepared.into())
}
