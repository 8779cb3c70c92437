//! Senders, and the sets of senders that a grant may be narrowed to. A sender is what the client says that it is: it
//! can take a grant away, and never gives one.

use std::fmt;

use super::DomainSet;
use crate::address::disguise::unquoted;
use crate::address::{Mailbox, ReversePath, fold_case};

/// The reverse-path of a transaction, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender<'a> {
    /// `<>`
    Null,
    /// A mailbox.
    Mailbox {
        /// With its quotes, if it has some.
        local_part: &'a str,
        /// A domain name, or an address literal in its brackets.
        domain: &'a str,
    },
}

impl<'a> Sender<'a> {
    /// The sender that a reverse-path names.
    #[must_use]
    pub fn of(path: &ReversePath<'a>) -> Self {
        match path {
            ReversePath::Null => Self::Null,
            ReversePath::Mailbox(Mailbox { local_part, text, .. }) => {
                // Behind the local-part stands the one `@` that parts it from the domain.
                let domain = text.get(local_part.len() + 1..).unwrap_or_default();
                Self::Mailbox { local_part, domain }
            }
        }
    }
}

impl fmt::Display for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox { local_part, domain } => write!(f, "<{local_part}@{domain}>"),
        }
    }
}

/// Senders that a grant is given for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderPattern {
    /// `<>`, which stands for nobody and so has to be named.
    Null,
    /// Every mailbox of exactly this domain.
    Domain(String),
    /// One mailbox.
    Mailbox {
        /// With or without quotes.
        local_part: String,
        /// A domain name.
        domain: String,
    },
}

/// Some senders.
#[derive(Clone, Debug, Default)]
pub(super) struct SenderSet {
    null: bool,
    domains: DomainSet,
    mailboxes: Vec<(Box<str>, DomainSet)>,
    case_sensitive: bool,
}

impl SenderSet {
    /// These senders; whether local-parts differ by case is a setting.
    pub(super) fn new(patterns: &[SenderPattern], case_sensitive: bool) -> Self {
        let mut set = Self { case_sensitive, ..Self::default() };
        let mut domains = Vec::new();
        for pattern in patterns {
            match pattern {
                SenderPattern::Null => set.null = true,
                SenderPattern::Domain(domain) => domains.push(domain),
                SenderPattern::Mailbox { local_part, domain } => {
                    let local_part: String = compared(local_part, case_sensitive).collect();
                    set.mailboxes.push((local_part.into(), DomainSet::new(&[domain])));
                }
            }
        }
        set.domains = DomainSet::new(&domains);
        set
    }

    /// Whether this sender is one of them. Allocates only for U-labels.
    pub(super) fn contains(&self, sender: &Sender<'_>) -> bool {
        match *sender {
            Sender::Null => self.null,
            Sender::Mailbox { local_part, domain } => {
                self.domains.contains(domain)
                    || self.mailboxes.iter().any(|(ours, ours_at)| {
                        compared(local_part, self.case_sensitive).eq(ours.chars()) && ours_at.contains(domain)
                    })
            }
        }
    }
}

/// The characters of a local-part as they are compared.
fn compared(local_part: &str, case_sensitive: bool) -> impl Iterator<Item = char> {
    unquoted(local_part).map(move |character| if case_sensitive { character } else { fold_case(character) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(case_sensitive: bool) -> SenderSet {
        let mailbox = |local_part: &str, domain: &str| SenderPattern::Mailbox {
            local_part: local_part.to_owned(),
            domain: domain.to_owned(),
        };
        SenderSet::new(
            &[
                mailbox("Alice", "example.org"),
                mailbox("\"first last\"", "b\u{fc}cher.example"),
                SenderPattern::Domain("all.example".to_owned()),
            ],
            case_sensitive,
        )
    }

    fn asked(set: &SenderSet, path: &str) -> bool {
        let (path, rest) = ReversePath::parse(path.as_bytes(), true).unwrap();
        assert!(rest.is_empty());
        set.contains(&Sender::of(&path))
    }

    #[test]
    fn senders_compare_as_recipients_do() {
        for (path, folded, by_case) in [
            ("<Alice@example.org>", true, true),
            ("<alice@EXAMPLE.org>", true, false),
            ("<\"Al\\ice\"@example.org>", true, true),
            ("<@hop.example:Alice@example.org>", true, true),
            ("<\"first last\"@xn--bcher-kva.example>", true, true),
            ("<\"First Last\"@B\u{dc}CHER.example>", true, false),
            ("<anybody@All.example>", true, true),
            ("<anybody@sub.all.example>", false, false),
            ("<bob@example.org>", false, false),
            ("<alice%far.example@example.org>", false, false),
            ("<alice@[192.0.2.1]>", false, false),
            ("<alice@[x:y@all.example]>", false, false),
            ("<>", false, false),
        ] {
            assert_eq!(asked(&set(false), path), folded, "{path}");
            assert_eq!(asked(&set(true), path), by_case, "{path}");
        }
    }

    #[test]
    fn the_null_sender_has_to_be_named() {
        let null = SenderSet::new(&[SenderPattern::Null], false);
        assert!(asked(&null, "<>") && !asked(&null, "<alice@example.org>"));
        assert!(!asked(&SenderSet::default(), "<>"));
    }
}
