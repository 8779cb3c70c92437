//! Restriction *successfully authenticate*, by AUTH: optionally, each login relays as its own senders alone.

use std::collections::HashMap;

use super::{Asked, Line, Word, sender_shown};
use crate::policy::identity::fold;
use crate::policy::sender::SenderSet;
use crate::policy::{Facts, Login, PolicySettings, SenderPattern};

/// A login and whom it may send as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderLogin {
    /// The login.
    pub login: String,
    /// Its senders.
    pub senders: Vec<SenderPattern>,
}

/// The restriction, compiled.
#[derive(Debug)]
pub(super) struct Logins {
    grants: bool,
    case_sensitive: bool,
    /// Empty: a login may send as anybody.
    own: HashMap<Box<str>, Own>,
}

/// What is a login's own.
#[derive(Debug)]
struct Own {
    /// The first line that says so.
    number: usize,
    senders: SenderSet,
}

impl Logins {
    pub(super) fn new(settings: &PolicySettings) -> Self {
        let case_sensitive = settings.local_part_case_sensitive;
        let mut gathered: HashMap<Box<str>, (usize, Vec<SenderPattern>)> = HashMap::new();
        for (number, row) in settings.sender_logins.iter().enumerate() {
            let login = if case_sensitive { row.login.as_str().into() } else { fold(&row.login) };
            let (_, senders) = gathered.entry(login).or_insert((number, Vec::new()));
            senders.extend_from_slice(&row.senders);
        }
        let compiled = gathered.into_iter().map(|(login, (number, senders))| {
            (login, Own { number, senders: SenderSet::new(&senders, case_sensitive) })
        });
        Self { grants: settings.relay_authenticated, case_sensitive, own: compiled.collect() }
    }

    pub(super) fn word(&self, facts: &Facts<'_>, asked: Asked<'_>) -> Word {
        let Some(login) = facts.login.filter(|_| self.grants) else { return Word::DoesNotFit };
        if self.own.is_empty() {
            return Word::Fits(Line::RelayAuthenticated);
        }
        let name = if self.case_sensitive { login.name() } else { login.folded() };
        match self.own.get(name) {
            Some(own) if asked.is_among(&own.senders) => Word::Fits(Line::SenderLogin(own.number)),
            Some(own) => Word::NotForThisSender(Line::SenderLogin(own.number)),
            // With a map of senders, who is not in it has none.
            None => Word::DoesNotFit,
        }
    }

    pub(super) fn why(facts: &Facts<'_>, word: Word) -> String {
        let Some(login) = facts.login.map(Login::name) else { return "not authenticated".to_owned() };
        match word {
            Word::Fits(Line::SenderLogin(_)) => {
                format!("authenticated as {login}, whose own {} is", sender_shown(facts))
            }
            Word::Fits(_) => format!("authenticated as {login}"),
            Word::NotForThisSender(_) => {
                format!("authenticated as {login}, whose own {} is not", sender_shown(facts))
            }
            Word::DoesNotFit => format!("authenticated as {login}, which grants nothing"),
        }
    }
}
