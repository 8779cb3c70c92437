//! A mailbox as remote directories are asked about it: in one spelling, whatever the client's was, so that who asks
//! twice is answered the same. Borrows nothing, because an answer takes time.

use super::key::Key;
use crate::address::quoted::quoted;
use crate::address::{Domain, Mailbox};
use crate::policy::domain_set::canonical;

/// A mailbox that a directory is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    /// Quoted only where it must be; in lower case unless case counts.
    pub(super) local_part: String,
    /// As A-labels in lower case.
    pub(super) domain: String,
}

impl Question {
    /// About this mailbox; nothing where no directory can hold it.
    pub(super) fn new(mailbox: &Mailbox<'_>, case_sensitive: bool) -> Option<Self> {
        let Domain::Name(domain) = mailbox.domain else { return None };
        Self::of(&Key::new(mailbox.local_part, case_sensitive)?, domain)
    }

    /// About the mailbox that this one is an extension of.
    pub(super) fn base(mailbox: &Mailbox<'_>, case_sensitive: bool, delimiters: &str) -> Option<Self> {
        let Domain::Name(domain) = mailbox.domain else { return None };
        Self::of(&Key::new(mailbox.local_part, case_sensitive)?.base(delimiters)?, domain)
    }

    fn of(key: &Key, domain: &str) -> Option<Self> {
        Some(Self {
            local_part: quoted(key.local_part()).into_owned(),
            domain: canonical(domain)?.into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox<'a>(local_part: &'a str, domain: &'a str) -> Mailbox<'a> {
        Mailbox { local_part, domain: Domain::Name(domain), text: local_part }
    }

    #[test]
    fn every_spelling_of_a_mailbox_is_one_question() {
        for (local_part, domain, question) in [
            ("User", "Example.ORG", "user@example.org"),
            ("\"user\"", "example.org", "user@example.org"),
            ("\"John\\ Doe\"", "example.org", "\"john doe\"@example.org"),
            (r#""a\"b""#, "b\u{fc}cher.example", r#""a\"b"@xn--bcher-kva.example"#),
        ] {
            let asked = Question::new(&mailbox(local_part, domain), false).unwrap();
            assert_eq!(format!("{}@{}", asked.local_part, asked.domain), question);
        }
        let asked = Question::new(&mailbox("User", "example.org"), true).unwrap();
        assert_eq!(asked.local_part, "User");
    }

    #[test]
    fn the_base_of_an_extension_is_another_question() {
        let base = |local_part| Question::base(&mailbox(local_part, "example.org"), false, "+-");
        assert_eq!(base("User+Tag").unwrap().local_part, "user");
        assert_eq!(base("user"), None);
    }
}
