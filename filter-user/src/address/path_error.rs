//! What can be wrong with a path. Names the fault; the reply that it is put into belongs to `smtp`.

use thiserror::Error;

/// Why a path is not one of RFC 5321 (or RFC 6531, where SMTPUTF8 was given).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{}", self.text())]
pub enum PathError {
    /// It does not begin with `<`.
    NoOpeningBracket,
    /// Its `>` is missing, or something else stands where it should.
    NoClosingBracket,
    /// `<>` where a recipient is needed.
    EmptyForwardPath,
    /// More than 256 octets, brackets included (RFC 5321 section 4.5.3.1.3).
    PathTooLong,
    /// Not `@a,@b:` before the mailbox.
    BadSourceRoute,
    /// Nothing before the `@`.
    EmptyLocalPart,
    /// More than 64 octets (RFC 5321 section 4.5.3.1.1).
    LocalPartTooLong,
    /// An octet that needs quotes, or may not stand there at all.
    BadLocalPart,
    /// A dot at its begin or end, or two in a row.
    MisplacedDot,
    /// A quoted string without its end.
    OpenQuote,
    /// No `@` and domain, and it is not `<postmaster>`.
    NoDomain,
    /// Nothing behind the `@`.
    EmptyDomain,
    /// More than 255 octets (RFC 5321 section 4.5.3.1.2).
    DomainTooLong,
    /// A dot at its end.
    TrailingDot,
    /// A dot at its begin, or two in a row.
    EmptyLabel,
    /// A label of more than 63 octets (RFC 1035 section 2.3.4).
    LabelTooLong,
    /// A label that is not letters, digits and inner hyphens.
    BadLabel,
    /// Characters outside ASCII that IDNA (UTS 46) makes others of, or does not take: what such a domain is depends on
    /// whether its reader maps it.
    NotNormalDomain,
    /// Brackets around something that is no address (RFC 5321 section 4.1.3).
    BadLiteral,
    /// A control character.
    ControlCharacter,
    /// An octet above 127 without SMTPUTF8.
    NotAscii,
    /// Octets above 127 that are not UTF-8.
    NotUtf8,
}

impl PathError {
    /// Every error, for documents and tests.
    pub const ALL: &'static [Self] = &[
        Self::NoOpeningBracket,
        Self::NoClosingBracket,
        Self::EmptyForwardPath,
        Self::PathTooLong,
        Self::BadSourceRoute,
        Self::EmptyLocalPart,
        Self::LocalPartTooLong,
        Self::BadLocalPart,
        Self::MisplacedDot,
        Self::OpenQuote,
        Self::NoDomain,
        Self::EmptyDomain,
        Self::DomainTooLong,
        Self::TrailingDot,
        Self::EmptyLabel,
        Self::LabelTooLong,
        Self::BadLabel,
        Self::NotNormalDomain,
        Self::BadLiteral,
        Self::ControlCharacter,
        Self::NotAscii,
        Self::NotUtf8,
    ];

    /// What is wrong, fit for a reply: printable ASCII, lower case, no full stop.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NoOpeningBracket => "path must begin with <",
            Self::NoClosingBracket => "path must end with > behind its domain",
            Self::EmptyForwardPath => "recipient is empty",
            Self::PathTooLong => "path is longer than 256 octets",
            Self::BadSourceRoute => "source route is not @domain,@domain:",
            Self::EmptyLocalPart => "local-part is empty",
            Self::LocalPartTooLong => "local-part is longer than 64 octets",
            Self::BadLocalPart => "local-part has a character that it may not have outside quotes",
            Self::MisplacedDot => "local-part begins or ends with a dot or has two in a row",
            Self::OpenQuote => "quoted local-part has no end",
            Self::NoDomain => "domain is missing",
            Self::EmptyDomain => "domain is empty",
            Self::DomainTooLong => "domain is longer than 255 octets",
            Self::TrailingDot => "domain ends with a dot",
            Self::EmptyLabel => "domain begins with a dot or has two in a row",
            Self::LabelTooLong => "domain has a label longer than 63 octets",
            Self::BadLabel => "domain has a label that is not letters, digits and inner hyphens",
            Self::NotNormalDomain => "domain is not in its normal form, write its A-labels or U-labels",
            Self::BadLiteral => "address literal is not [IPv4], [IPv6:address] or [tag:content]",
            Self::ControlCharacter => "path has a control character",
            Self::NotAscii => "path is not ASCII and SMTPUTF8 was not given",
            Self::NotUtf8 => "path is not valid UTF-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_fits_into_one_reply_line() {
        for error in PathError::ALL {
            let text = error.text();
            assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{text}");
            assert!(text.len() <= 80 && !text.ends_with('.'), "{text}");
            assert_eq!(error.to_string(), text);
        }
    }
}
