//! One line of a mailbox file, without its meaning: which form it has. Knows no domain.

use memchr::memchr;

/// The longest local-part, in octets as written (RFC 5321 section 4.5.3.1.1).
pub(super) const MAX_LOCAL_PART: usize = 64;

/// RFC 5321 `atext`, of ASCII.
const ATEXT: [bool; 128] = {
    let mut table = [false; 128];
    let mut octet = 0;
    while octet < 128 {
        let special = matches!(
            octet as u8,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'/'
                | b'='
                | b'?'
                | b'^'
                | b'_'
                | b'`'
                | b'{'
                | b'|'
                | b'}'
                | b'~'
        );
        table[octet] = special || (octet as u8).is_ascii_alphanumeric();
        octet += 1;
    }
    table
};

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MailboxLine<'a> {
    /// Nothing, or a comment.
    Blank,
    /// A local-part, in every local domain.
    LocalPart(&'a str),
    /// A mailbox.
    Mailbox {
        /// As written.
        local_part: &'a str,
        /// As written.
        domain: &'a str,
    },
    /// `@domain`.
    WholeDomain(&'a str),
}

impl<'a> MailboxLine<'a> {
    /// Reads a line behind whose address stands what it is an alias for, as in Postfix's tables and in `aliases(5)`; a
    /// line that begins with a blank goes on with that.
    pub(super) fn parse_alias(line: &'a str) -> Result<Self, &'static str> {
        if line.starts_with([' ', '\t']) {
            return Ok(Self::Blank);
        }
        Self::parse(before(line, |character| character == ':' || character.is_whitespace()))
    }

    /// Reads a line. An error says what is wrong with it.
    pub(super) fn parse(line: &'a str) -> Result<Self, &'static str> {
        let entry = without_comment(line).trim();
        if entry.is_empty() {
            return Ok(Self::Blank);
        }
        let (local_part, domain) = split(entry)?;
        if domain == Some("") {
            return Err("there is no domain after the @");
        }
        if local_part.is_empty() {
            return domain.map(Self::WholeDomain).ok_or("there is no local-part");
        }
        if local_part.len() > MAX_LOCAL_PART {
            return Err("the local-part is longer than 64 octets");
        }
        if !is_quoted_string(local_part) && !is_dot_string(local_part) {
            return Err("the local-part is not valid in RFC 5321: one address or local-part a line, \
                        unusual characters between quotes");
        }
        Ok(domain.map_or(Self::LocalPart(local_part), |domain| Self::Mailbox { local_part, domain }))
    }
}

/// A `#` begins a comment where a word could begin; elsewhere it is a character of a local-part.
fn without_comment(line: &str) -> &str {
    if memchr(b'#', line.as_bytes()).is_none() {
        return line;
    }
    let mut before_word = true;
    before(line, |character| {
        let begins = character == '#' && before_word;
        before_word = character.is_whitespace();
        begins
    })
}

/// Up to the first character outside of quotes that ends it.
fn before(line: &str, mut ends: impl FnMut(char) -> bool) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in line.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        if !quoted && ends(character) {
            return &line[..at];
        }
    }
    line
}

/// At the `@` that is not quoted, if there is one.
fn split(entry: &str) -> Result<(&str, Option<&str>), &'static str> {
    if !entry.starts_with('"') {
        return Ok(entry
            .rsplit_once('@')
            .map_or((entry, None), |(local_part, domain)| (local_part, Some(domain))));
    }
    let mut escaped = false;
    let closing = entry.char_indices().skip(1).find(|&(_, character)| {
        let closes = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        closes
    });
    let (closing, _) = closing.ok_or("the quoted local-part has no closing quote")?;
    match entry.split_at(closing + 1) {
        (local_part, "") => Ok((local_part, None)),
        (local_part, rest) => match rest.strip_prefix('@') {
            Some(domain) => Ok((local_part, Some(domain))),
            None => Err("something other than @ follows the quoted local-part"),
        },
    }
}

/// RFC 5321 `Quoted-string`, with RFC 6531's characters; `split` saw to the quotes.
fn is_quoted_string(local_part: &str) -> bool {
    local_part.len() > 2 && local_part.starts_with('"') && !local_part.contains(char::is_control)
}

/// RFC 5321 `Dot-string`, with RFC 6531's characters.
fn is_dot_string(local_part: &str) -> bool {
    let atext = |character: char| match u8::try_from(character) {
        Ok(octet) if octet.is_ascii() => ATEXT[usize::from(octet)],
        _ => !character.is_control() && !character.is_whitespace(),
    };
    local_part.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_line() {
        use MailboxLine::*;
        let mailbox = |local_part, domain| Mailbox { local_part, domain };
        for (line, read) in [
            ("", Blank),
            ("  \t ", Blank),
            ("# all of them", Blank),
            ("  # @example.org", Blank),
            ("user", LocalPart("user")),
            ("  user \t", LocalPart("user")),
            ("user # the first", LocalPart("user")),
            ("user#1", LocalPart("user#1")),
            ("user@example.org", mailbox("user", "example.org")),
            (
                "first.last+tag@example.org#not a comment",
                mailbox("first.last+tag", "example.org#not a comment"),
            ),
            ("sales%emea@example.org", mailbox("sales%emea", "example.org")),
            ("bücher@bücher.example", mailbox("bücher", "bücher.example")),
            ("@example.org", WholeDomain("example.org")),
            ("\"john doe\"", LocalPart("\"john doe\"")),
            ("\"a@b\"", LocalPart("\"a@b\"")),
            ("\"a@b\"@example.org", mailbox("\"a@b\"", "example.org")),
            (r#""a\"b # c"@example.org # really"#, mailbox(r#""a\"b # c""#, "example.org")),
            ("\"#1\"", LocalPart("\"#1\"")),
        ] {
            assert_eq!(MailboxLine::parse(line), Ok(read), "{line}");
        }
    }

    #[test]
    fn what_is_no_mailbox_is_refused() {
        let long = "a".repeat(65);
        for line in [
            "user@",
            "@",
            "two words",
            "user, other",
            "user: target",
            "<user@example.org>",
            "a@b@example.org",
            ".user",
            "user.",
            "a..b@example.org",
            "\"open@example.org",
            "\"a\"b@example.org",
            "\"\"@example.org",
            "a\"b\"@example.org",
            "a\u{7f}b",
            "\"a\u{1}b\"",
            "a\u{a0}b",
            &long,
        ] {
            assert!(MailboxLine::parse(line).is_err(), "{line}");
        }
        assert!(MailboxLine::parse(&long[1..]).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(line in "[\\PC\t\"\\\\@#. a]{0,40}") {
            let _ = MailboxLine::parse(&line);
        }
    }
}
