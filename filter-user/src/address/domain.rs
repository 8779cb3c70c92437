//! Domains and address literals (RFC 5321 sections 4.1.2 and 4.1.3, RFC 6531 section 3.3). Resolves and compares
//! nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use idna::AsciiDenyList;

use super::{Domain, PathError, fold_case};

/// RFC 5321 section 4.5.3.1.2.
const DOMAIN_LIMIT: usize = 255;
/// RFC 1035 section 2.3.4.
const LABEL_LIMIT: usize = 63;

/// Characters that IDNA takes for a dot. A domain with one of them would have other labels for whoever maps it than
/// for whoever does not: none of them may stand in a U-label (RFC 5892), so none is taken.
const OTHER_DOTS: [char; 3] = ['\u{3002}', '\u{ff0e}', '\u{ff61}'];

impl<'a> Domain<'a> {
    /// Reads a domain or an address literal at the begin of `text`, and gives what stands behind it.
    pub(super) fn parse(text: &'a str) -> Result<(Self, &'a str), PathError> {
        if let Some(inner) = text.strip_prefix('[') {
            let end = inner.find(']').ok_or(PathError::BadLiteral)?;
            if end + 2 > DOMAIN_LIMIT {
                return Err(PathError::DomainTooLong);
            }
            return Ok((literal(&inner[..end])?, &inner[end + 1..]));
        }
        let end = text.bytes().position(ends_name).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        check_name(name)?;
        Ok((Domain::Name(name), rest))
    }
}

/// Whether a domain name ends before `b`: what follows is the path's matter.
fn ends_name(b: u8) -> bool {
    matches!(b, b'>' | b',' | b':')
}

fn check_name(name: &str) -> Result<(), PathError> {
    if name.is_empty() {
        return Err(PathError::EmptyDomain);
    }
    if name.len() > DOMAIN_LIMIT {
        return Err(PathError::DomainTooLong);
    }
    if name.len() > 1 && name.ends_with('.') && !name.ends_with("..") {
        return Err(PathError::TrailingDot);
    }
    name.split('.').try_for_each(check_label)?;
    if !name.is_ascii() && !is_normal(name) {
        return Err(PathError::NotNormalDomain);
    }
    Ok(())
}

/// Whether mapping the U-labels of a domain (UTS 46) changes nothing but the case. If it did more, one server would
/// read our domain where another, which maps nothing or maps more, reads a foreign one. Allocates, but is asked only about names that are not ASCII.
fn is_normal(name: &str) -> bool {
    let Ok(a_labels) = idna::domain_to_ascii_cow(name.as_bytes(), AsciiDenyList::URL) else {
        return false;
    };
    let (u_labels, valid) = idna::domain_to_unicode(&a_labels);
    let mapped = u_labels.split('.').zip(a_labels.split('.'));
    valid.is_ok()
        && u_labels.split('.').count() == name.split('.').count()
        && name.split('.').zip(mapped).all(|(label, (u_label, a_label))| {
            // An A-label beside a U-label is what it is.
            let label = || label.chars().map(fold_case);
            label().eq(u_label.chars()) || label().eq(a_label.chars())
        })
}

fn check_label(label: &str) -> Result<(), PathError> {
    let bytes = label.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Err(PathError::EmptyLabel);
    };
    if bytes.len() > LABEL_LIMIT {
        return Err(PathError::LabelTooLong);
    }
    if *first == b'-' || *last == b'-' || !bytes.iter().all(|&b| in_label(b)) {
        return Err(PathError::BadLabel);
    }
    if !label.is_ascii() && label.contains(OTHER_DOTS) {
        return Err(PathError::BadLabel);
    }
    Ok(())
}

/// Letters, digits, hyphen; and the octets of UTF-8, which came this far only if SMTPUTF8 was given.
fn in_label(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b >= 0x80
}

/// What stands between the brackets.
fn literal(inner: &str) -> Result<Domain<'_>, PathError> {
    let Some((tag, content)) = inner.split_once(':') else {
        // std takes no leading zeros, which some would read as octal: one reading only
        let address: Ipv4Addr = inner.parse().map_err(|_| PathError::BadLiteral)?;
        return Ok(Domain::Literal(IpAddr::V4(address)));
    };
    if tag.eq_ignore_ascii_case("IPv6") {
        let address: Ipv6Addr = content.parse().map_err(|_| PathError::BadLiteral)?;
        return Ok(Domain::Literal(IpAddr::V6(address)));
    }
    let tag_ok =
        !tag.is_empty() && !tag.ends_with('-') && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    // dcontent: printable ASCII without the brackets and the backslash; `]` ended it already
    let content_ok =
        !content.is_empty() && content.bytes().all(|b| b.is_ascii_graphic() && b != b'[' && b != b'\\');
    if tag_ok && content_ok { Ok(Domain::General(inner)) } else { Err(PathError::BadLiteral) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Domain<'_>, PathError> {
        Domain::parse(text).map(|(domain, rest)| {
            assert_eq!(rest, "", "{text}");
            domain
        })
    }

    #[test]
    fn names() {
        let long_label = format!("{}.example", "a".repeat(63));
        let too_long_label = format!("{}.example", "a".repeat(64));
        let long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "a".repeat(63));
        let too_long = format!("{long}a");
        let table: &[(&str, Option<PathError>)] = &[
            ("example.org", None),
            ("EXAMPLE.org", None),
            ("xn--exmple-cua.org", None),
            ("exämple.org", None),
            ("EXÄMPLE.org", None),
            ("例子.example", None),
            ("xn--bcher-kva.例子", None),
            ("faß.example", None),
            ("localhost", None),
            ("3com.example", None),
            ("192.0.2.7", None),
            (&long_label, None),
            (&long, None),
            ("", Some(PathError::EmptyDomain)),
            (".", Some(PathError::EmptyLabel)),
            (".example.org", Some(PathError::EmptyLabel)),
            ("example..org", Some(PathError::EmptyLabel)),
            ("example.org.", Some(PathError::TrailingDot)),
            ("example.org..", Some(PathError::EmptyLabel)),
            ("-example.org", Some(PathError::BadLabel)),
            ("example-.org", Some(PathError::BadLabel)),
            ("ex_ample.org", Some(PathError::BadLabel)),
            ("ex ample.org", Some(PathError::BadLabel)),
            ("a@example.org", Some(PathError::BadLabel)),
            ("example。org", Some(PathError::BadLabel)),
            ("example．org", Some(PathError::BadLabel)),
            ("ｅxample.org", Some(PathError::NotNormalDomain)),
            ("exampⅼe.org", Some(PathError::NotNormalDomain)),
            ("ex\u{ad}ample.org", Some(PathError::NotNormalDomain)),
            ("ex\u{200b}ample.org", Some(PathError::NotNormalDomain)),
            ("exa\u{308}mple.org", Some(PathError::NotNormalDomain)),
            ("boo\u{212a}s.example", Some(PathError::NotNormalDomain)),
            ("b\u{212a}ü.example", Some(PathError::NotNormalDomain)),
            ("\u{130}stanbul.example", Some(PathError::NotNormalDomain)),
            ("１92.0.2.7", Some(PathError::NotNormalDomain)),
            ("b\u{fffd}.example", Some(PathError::NotNormalDomain)),
            ("\u{301}a.example", Some(PathError::NotNormalDomain)),
            (&too_long_label, Some(PathError::LabelTooLong)),
            (&too_long, Some(PathError::DomainTooLong)),
        ];
        for (text, error) in table {
            match error {
                None => assert_eq!(parsed(text), Ok(Domain::Name(text)), "{text}"),
                Some(error) => assert_eq!(parsed(text), Err(*error), "{text}"),
            }
        }
    }

    #[test]
    fn literals() {
        let ok: &[(&str, Domain<'_>)] = &[
            ("[192.0.2.7]", Domain::Literal(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)))),
            ("[IPv6:::1]", Domain::Literal(IpAddr::V6(Ipv6Addr::LOCALHOST))),
            ("[ipv6:::1]", Domain::Literal(IpAddr::V6(Ipv6Addr::LOCALHOST))),
            ("[X400:c=DE;a=x>y]", Domain::General("X400:c=DE;a=x>y")),
        ];
        for (text, domain) in ok {
            assert_eq!(parsed(text), Ok(*domain), "{text}");
        }
        for text in [
            "[]",
            "[",
            "[192.0.2]",
            "[192.0.2.256]",
            "[192.0.2.07]",
            "[192.0.2.7.1]",
            "[example.org]",
            "[IPv6:]",
            "[IPv6:1]",
            "[IPv6:192.0.2.7]",
            "[::1]",
            "[:x]",
            "[tag-:x]",
            "[tag:]",
            "[tag:a b]",
            "[tag:a\\b]",
            "[tag:ä]",
        ] {
            assert_eq!(Domain::parse(text), Err(PathError::BadLiteral), "{text}");
        }
    }
}
