//! Reads a reverse-path or a forward-path (RFC 5321 section 4.1.2, RFC 6531 section 3.3) where it lies. Strict: what
//! the grammar does not allow is an error, so that no two readers of an address can disagree about it.

use super::{Domain, ForwardPath, Mailbox, PathError, ReversePath, usual};

/// RFC 5321 section 4.5.3.1.1.
const LOCAL_PART_LIMIT: usize = 64;
/// RFC 5321 section 4.5.3.1.3, brackets included.
const PATH_LIMIT: usize = 256;

impl<'a> ReversePath<'a> {
    /// Reads the path at the begin of `input`, which is `<`, and gives what stands behind its `>`.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the path.
    pub fn parse(input: &'a [u8], smtputf8: bool) -> Result<(Self, &'a [u8]), PathError> {
        if let Some((mailbox, rest)) = usual_mailbox(input) {
            return Ok((Self::Mailbox(mailbox), rest));
        }
        let (inner, rest) = between_brackets(input, smtputf8)?;
        if inner.is_empty() {
            return Ok((Self::Null, rest));
        }
        Ok((Self::Mailbox(whole_mailbox(behind_route(inner)?)?), rest))
    }

    /// The path as a backend is told it, without its brackets.
    #[must_use]
    pub fn text(&self) -> &'a str {
        match self {
            Self::Null => "",
            Self::Mailbox(mailbox) => mailbox.text,
        }
    }
}

impl<'a> ForwardPath<'a> {
    /// Reads the path at the begin of `input`, which is `<`, and gives what stands behind its `>`.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the path.
    pub fn parse(input: &'a [u8], smtputf8: bool) -> Result<(Self, &'a [u8]), PathError> {
        if let Some((mailbox, rest)) = usual_mailbox(input) {
            return Ok((Self::Mailbox(mailbox), rest));
        }
        let (inner, rest) = between_brackets(input, smtputf8)?;
        if inner.is_empty() {
            return Err(PathError::EmptyForwardPath);
        }
        if inner.eq_ignore_ascii_case("postmaster") {
            return Ok((Self::Postmaster, rest));
        }
        Ok((Self::Mailbox(whole_mailbox(behind_route(inner)?)?), rest))
    }

    /// The path as a backend is told it, without its brackets.
    #[must_use]
    pub fn text(&self) -> &'a str {
        match self {
            Self::Postmaster => "postmaster",
            Self::Mailbox(mailbox) => mailbox.text,
        }
    }
}

fn usual_mailbox(input: &[u8]) -> Option<(Mailbox<'_>, &[u8])> {
    usual::mailbox(input.strip_prefix(b"<")?)
}

/// What `usual` is the short cut to.
#[cfg(test)]
pub(super) fn mailbox_the_long_way(path: &[u8], smtputf8: bool) -> Result<(Mailbox<'_>, &[u8]), PathError> {
    let (inner, rest) = between_brackets(path, smtputf8)?;
    Ok((whole_mailbox(behind_route(inner)?)?, rest))
}

/// Finds the path's `>`, and checks its length and what it is made of.
fn between_brackets(input: &[u8], smtputf8: bool) -> Result<(&str, &[u8]), PathError> {
    let Some(inner) = input.strip_prefix(b"<") else {
        return Err(PathError::NoOpeningBracket);
    };
    let end = closing_bracket(inner)?;
    if end + 2 > PATH_LIMIT {
        return Err(PathError::PathTooLong);
    }
    let text = std::str::from_utf8(&inner[..end])
        .map_err(|_| if smtputf8 { PathError::NotUtf8 } else { PathError::NotAscii })?;
    if !smtputf8 && !text.is_ascii() {
        return Err(PathError::NotAscii);
    }
    // the two separators of Unicode end a line for some readers, as control characters do for others
    if text.chars().any(|c| c.is_control() || c == '\u{2028}' || c == '\u{2029}') {
        return Err(PathError::ControlCharacter);
    }
    Ok((text, &inner[end + 1..]))
}

/// Where the first `>` is that stands neither in a quoted string nor in an address literal.
fn closing_bracket(inner: &[u8]) -> Result<usize, PathError> {
    enum In {
        Plain,
        Quotes,
        Escape,
        Literal,
    }
    let mut place = In::Plain;
    for (at, &b) in inner.iter().enumerate() {
        place = match (place, b) {
            (In::Plain, b'>') => return Ok(at),
            (In::Plain, b'"') | (In::Escape, _) => In::Quotes,
            (In::Plain, b'[') => In::Literal,
            (In::Quotes, b'\\') => In::Escape,
            (In::Quotes, b'"') | (In::Literal, b']') => In::Plain,
            (same, _) => same,
        };
    }
    match place {
        In::Plain => Err(PathError::NoClosingBracket),
        In::Quotes | In::Escape => Err(PathError::OpenQuote),
        In::Literal => Err(PathError::BadLiteral),
    }
}

/// Drops a source route (RFC 5321 appendix F.2): `@a,@b:` before the mailbox. Its domains are read, so that what is
/// dropped was one.
fn behind_route(inner: &str) -> Result<&str, PathError> {
    let mut rest = inner;
    if !rest.starts_with('@') {
        return Ok(rest);
    }
    loop {
        let hop = rest.strip_prefix('@').ok_or(PathError::BadSourceRoute)?;
        let (_, behind) = Domain::parse(hop)?;
        if let Some(mailbox) = behind.strip_prefix(':') {
            return Ok(mailbox);
        }
        rest = behind.strip_prefix(',').ok_or(PathError::BadSourceRoute)?;
    }
}

/// Reads `local-part@domain`, with nothing behind it.
fn whole_mailbox(text: &str) -> Result<Mailbox<'_>, PathError> {
    let local_len = if text.starts_with('"') { quoted_string(text)? } else { dot_string(text)? };
    let (local_part, rest) = text.split_at(local_len);
    if local_part.len() > LOCAL_PART_LIMIT {
        return Err(PathError::LocalPartTooLong);
    }
    let Some(behind) = rest.strip_prefix('@') else {
        return Err(if rest.is_empty() { PathError::NoDomain } else { PathError::BadLocalPart });
    };
    let (domain, rest) = Domain::parse(behind)?;
    if !rest.is_empty() {
        return Err(if matches!(domain, Domain::Name(_)) {
            PathError::BadLabel
        } else {
            PathError::BadLiteral
        });
    }
    Ok(Mailbox { local_part, domain, text })
}

/// How long the dot-string at the begin is.
fn dot_string(text: &str) -> Result<usize, PathError> {
    let end = text.bytes().position(|b| b == b'@').unwrap_or(text.len());
    let local_part = &text[..end];
    if local_part.is_empty() {
        return Err(PathError::EmptyLocalPart);
    }
    if !local_part.bytes().all(|b| b == b'.' || is_atext(b)) {
        return Err(PathError::BadLocalPart);
    }
    if local_part.split('.').any(str::is_empty) {
        return Err(PathError::MisplacedDot);
    }
    Ok(end)
}

/// RFC 5322 section 3.2.3; and the octets of UTF-8, which came this far only if SMTPUTF8 was given.
pub(super) fn is_atext(b: u8) -> bool {
    matches!(b, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?'
        | b'^'..=b'`' | b'{'..=b'~' | 0x80..)
}

/// How long the quoted string at the begin is, quotes included. Control characters were refused before.
fn quoted_string(text: &str) -> Result<usize, PathError> {
    let mut escaped = false;
    for (at, b) in text.bytes().enumerate().skip(1) {
        match b {
            _ if escaped => {
                // a backslash escapes what is printable, and UTF-8 has no place behind it
                if !b.is_ascii() {
                    return Err(PathError::BadLocalPart);
                }
                escaped = false;
            }
            b'\\' => escaped = true,
            // an empty string names nobody, though the grammar allows it
            b'"' if at == 1 => return Err(PathError::EmptyLocalPart),
            b'"' => return Ok(at + 1),
            _ => {}
        }
    }
    Err(PathError::OpenQuote)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn forward(input: &str) -> Result<ForwardPath<'_>, PathError> {
        ForwardPath::parse(input.as_bytes(), false).map(|(path, _)| path)
    }

    #[track_caller]
    fn mailbox_of(input: &str, smtputf8: bool) -> Mailbox<'_> {
        match ForwardPath::parse(input.as_bytes(), smtputf8) {
            Ok((ForwardPath::Mailbox(mailbox), _)) => mailbox,
            other => panic!("{input}: {other:?}"),
        }
    }

    #[test]
    fn atext_is_what_the_grammar_lists() {
        for b in 0..=u8::MAX {
            let listed = b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b) || b >= 0x80;
            assert_eq!(is_atext(b), listed, "{}", b.escape_ascii());
        }
    }

    #[test]
    fn mailboxes_are_views_of_the_line() {
        for (input, local_part, text) in [
            ("<a@example.org>", "a", "a@example.org"),
            ("<a.b@example.org>", "a.b", "a.b@example.org"),
            ("<a+tag=x/y@example.org>", "a+tag=x/y", "a+tag=x/y@example.org"),
            ("<victim%far.example@example.org>", "victim%far.example", "victim%far.example@example.org"),
            ("<far.example!victim@example.org>", "far.example!victim", "far.example!victim@example.org"),
            ("<\"a b\"@example.org>", "\"a b\"", "\"a b\"@example.org"),
            ("<\"a>b\"@example.org>", "\"a>b\"", "\"a>b\"@example.org"),
            ("<\"v@far.example\"@example.org>", "\"v@far.example\"", "\"v@far.example\"@example.org"),
            ("<\"a\\\"b\\\\\"@example.org>", "\"a\\\"b\\\\\"", "\"a\\\"b\\\\\"@example.org"),
            ("<@a.example:a@example.org>", "a", "a@example.org"),
            ("<@a.example,@[192.0.2.7]:a@example.org>", "a", "a@example.org"),
            ("<a@[192.0.2.7]>", "a", "a@[192.0.2.7]"),
            ("<a@[x:y>z]>", "a", "a@[x:y>z]"),
            ("<postmaster@example.org>", "postmaster", "postmaster@example.org"),
        ] {
            let mailbox = mailbox_of(input, false);
            assert_eq!((mailbox.local_part, mailbox.text), (local_part, text), "{input}");
        }
    }

    #[test]
    fn postmaster_needs_no_domain_in_any_case() {
        for input in ["<postmaster>", "<Postmaster>", "<POSTMASTER>"] {
            assert_eq!(forward(input), Ok(ForwardPath::Postmaster));
        }
        assert_eq!(forward("<@a.example:postmaster>"), Err(PathError::NoDomain));
        assert_eq!(ReversePath::parse(b"<postmaster>", false), Err(PathError::NoDomain));
    }

    #[test]
    fn the_null_path_is_a_sender_and_no_recipient() {
        assert_eq!(ReversePath::parse(b"<> SIZE=1", false), Ok((ReversePath::Null, &b" SIZE=1"[..])));
        assert_eq!(forward("<>"), Err(PathError::EmptyForwardPath));
    }

    #[test]
    fn what_stands_behind_the_path_is_handed_back_unread() {
        let (_, rest) = ReversePath::parse(b"<a@b.example> X=\xff\x00", false).unwrap();
        assert_eq!(rest, b" X=\xff\x00");
    }

    #[test]
    fn faults_are_named() {
        let long_local = format!("<{}@b.example>", "a".repeat(65));
        let long_path = format!("<@{0}.example:a@{0}.{0}.{0}.example>", "b".repeat(63));
        for (input, error) in [
            ("", PathError::NoOpeningBracket),
            ("a@b.example", PathError::NoOpeningBracket),
            (" <a@b.example>", PathError::NoOpeningBracket),
            ("<a@b.example", PathError::NoClosingBracket),
            ("<a", PathError::NoClosingBracket),
            ("<a>", PathError::NoDomain),
            ("<a@>", PathError::EmptyDomain),
            ("<@b.example>", PathError::BadSourceRoute),
            ("<@b.example,a@b.example>", PathError::BadSourceRoute),
            ("<@b.example;@c.example:a@b.example>", PathError::BadLabel),
            ("<@:a@b.example>", PathError::EmptyDomain),
            ("<@b.example:>", PathError::EmptyLocalPart),
            ("<a@b.example.>", PathError::TrailingDot),
            ("<a@.example>", PathError::EmptyLabel),
            ("<a@b@c.example>", PathError::BadLabel),
            ("<a:b@c.example>", PathError::BadLocalPart),
            ("<a b@c.example>", PathError::BadLocalPart),
            ("<<a@b.example>>", PathError::BadLocalPart),
            ("<a\\b@c.example>", PathError::BadLocalPart),
            ("<a\"b\"@c.example>", PathError::BadLocalPart),
            ("<\"a\"b@c.example>", PathError::BadLocalPart),
            ("<\"\"@c.example>", PathError::EmptyLocalPart),
            ("<\"a@c.example>", PathError::OpenQuote),
            ("<\"a\\\"@c.example>", PathError::OpenQuote),
            ("<.a@b.example>", PathError::MisplacedDot),
            ("<a.@b.example>", PathError::MisplacedDot),
            ("<a..b@c.example>", PathError::MisplacedDot),
            ("<a@b.example:25>", PathError::BadLabel),
            ("<a@[192.0.2.7]x>", PathError::BadLiteral),
            ("<a@[192.0.2.7>", PathError::BadLiteral),
            ("<a\0@b.example>", PathError::ControlCharacter),
            ("<a@b\t.example>", PathError::ControlCharacter),
            ("<\"a\x7f\"@b.example>", PathError::ControlCharacter),
            ("<ä@b.example>", PathError::NotAscii),
            ("<a@bücher.example>", PathError::NotAscii),
            (&long_local, PathError::LocalPartTooLong),
            (&long_path, PathError::PathTooLong),
        ] {
            assert_eq!(forward(input), Err(error), "{input:?}");
        }
    }

    #[test]
    fn limits_are_met_and_not_passed() {
        assert!(forward(&format!("<{}@b.example>", "a".repeat(64))).is_ok());
        // 256 octets with brackets: 1 + 64 + 1 + 189 + 1
        let name = format!("{}.{}.{}", "b".repeat(63), "b".repeat(63), "b".repeat(61));
        assert!(forward(&format!("<{}@{name}>", "a".repeat(64))).is_ok());
        assert_eq!(forward(&format!("<{}@{name}b>", "a".repeat(64))), Err(PathError::PathTooLong));
    }

    #[test]
    fn smtputf8_allows_utf8_and_nothing_else() {
        assert_eq!(mailbox_of("<jörg@bücher.example>", true).domain, Domain::Name("bücher.example"));
        assert_eq!(mailbox_of("<\"j ö\"@b.example>", true).local_part, "\"j ö\"");
        assert_eq!(ForwardPath::parse(b"<\xff@b.example>", true), Err(PathError::NotUtf8));
        assert_eq!(ForwardPath::parse(b"<\xff@b.example>", false), Err(PathError::NotAscii));
        for separator in ["\u{85}", "\u{2028}", "\u{2029}"] {
            let input = format!("<a{separator}@b.example>");
            assert_eq!(ForwardPath::parse(input.as_bytes(), true), Err(PathError::ControlCharacter));
        }
    }

    proptest! {
        #[test]
        fn no_octets_panic(input in proptest::collection::vec(any::<u8>(), 0..400), smtputf8: bool) {
            let _ = ReversePath::parse(&input, smtputf8);
            let _ = ForwardPath::parse(&input, smtputf8);
        }

        #[test]
        fn what_is_taken_says_the_same_when_read_again(
            input in r#"<(@[a-z.]{1,9}[,:])?["a-z.\\@%! \[\]äö:]{0,20}@[a-z.\[\]:0-9]{0,12}>"#,
            smtputf8: bool,
        ) {
            if let Ok((ForwardPath::Mailbox(mailbox), _)) = ForwardPath::parse(input.as_bytes(), smtputf8) {
                let again = format!("<{}>", mailbox.text);
                let reread = mailbox_of(&again, smtputf8);
                prop_assert_eq!(reread.local_part, mailbox.local_part);
                prop_assert_eq!(reread.domain, mailbox.domain);
                prop_assert_eq!(format!("{}@", mailbox.local_part), &mailbox.text[..mailbox.local_part.len() + 1]);
                prop_assert!(!mailbox.text.contains(['\r', '\n', '\0']));
            }
        }
    }
}
