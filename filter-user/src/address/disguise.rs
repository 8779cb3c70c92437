//! Local-parts that carry another address: percent hacks, bang paths, quoted addresses, routes, IMCEA encapsulation and
//! the names of other mail systems.
//! Says what a local-part could mean to a server that reads more into it than RFC 5321 does; whether a mailbox is
//! nevertheless called so, the directory knows.

use std::fmt::{self, Write as _};
use std::iter;
use std::str::Chars;

use icu_normalizer::DecomposingNormalizerBorrowed;

/// How an address is hidden in a local-part. A later variant goes before an earlier one where both fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DisguiseKind {
    /// `/O=FAR/CN=VICTIM` or `"c=us;p=far;s=victim"`, as X.400 (RFC 2156) and Exchange write names.
    OrName,
    /// `far.example!victim` (RFC 976).
    BangPath,
    /// `victim%far.example` (RFC 1123 section 5.2.16).
    PercentHack,
    /// `"victim@far.example"`.
    QuotedAddress,
    /// `"@hop.example:victim@far.example"`, or an address type as in `"smtp:victim@far.example"`.
    Route,
    /// `IMCEASMTP-victim+40far+2Eexample` (Microsoft KB Q237927).
    Encapsulation,
}

impl DisguiseKind {
    /// The word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrName => "X.400 or Exchange name",
            Self::BangPath => "bang path",
            Self::PercentHack => "percent hack",
            Self::QuotedAddress => "quoted address",
            Self::Route => "route in the local-part",
            Self::Encapsulation => "IMCEA encapsulation",
        }
    }
}

impl fmt::Display for DisguiseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A local-part that carries another address. Displayed, it is that address, decoded by one layer, with control
/// characters escaped: it goes into logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disguise<'a> {
    kind: DisguiseKind,
    local_part: &'a str,
}

impl Disguise<'_> {
    /// How the address is hidden.
    #[must_use]
    pub const fn kind(&self) -> DisguiseKind {
        self.kind
    }
}

/// What `local_part` (as it was written, quotes and all) hides, if anything. Looks at each character once or twice and
/// allocates nothing.
#[must_use]
pub fn decode(local_part: &str) -> Option<Disguise<'_>> {
    let mut kind = encapsulated(local_part).map(|_| DisguiseKind::Encapsulation);
    let mut name = NameParts::default();
    for character in local_part.chars() {
        fold(character, |one| {
            name.read(one);
            kind = kind.max(match one {
                '!' => Some(DisguiseKind::BangPath),
                '%' => Some(DisguiseKind::PercentHack),
                '@' => Some(DisguiseKind::QuotedAddress),
                ':' => Some(DisguiseKind::Route),
                _ => None,
            });
        });
    }
    kind = kind.max(name.are_some().then_some(DisguiseKind::OrName));
    kind.map(|kind| Disguise { kind, local_part })
}

/// The parts of an X.400 or Exchange name, each a letter or more, `=` and a value: behind slashes, or between
/// semicolons.
#[derive(Debug, Default)]
struct NameParts {
    begun: bool,
    slash_first: bool,
    equals: bool,
    semicolon: bool,
}

impl NameParts {
    fn read(&mut self, character: char) {
        match character {
            // What a quoted-string may have around the name.
            '"' | '\\' | ' ' => return,
            '/' if !self.begun => self.slash_first = true,
            '=' => self.equals = true,
            ';' => self.semicolon = true,
            _ => {}
        }
        self.begun = true;
    }

    fn are_some(&self) -> bool {
        self.equals && (self.slash_first || self.semicolon)
    }
}

/// The characters that a local-part stands for: without the quotes and backslashes of a quoted-string (RFC 5321
/// section 4.1.2), so that both forms of one mailbox compare equal.
#[must_use]
pub fn unquoted(local_part: &str) -> Unquoted<'_> {
    let (content, quoted) = content(local_part);
    Unquoted { characters: content.chars(), quoted }
}

/// The characters of a local-part; see [`unquoted`].
#[derive(Clone, Debug)]
pub struct Unquoted<'a> {
    characters: Chars<'a>,
    quoted: bool,
}

impl Iterator for Unquoted<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self.characters.next() {
            Some('\\') if self.quoted => self.characters.next(),
            other => other,
        }
    }
}

/// What stands between the quotes, if there are any, and whether there are.
fn content(local_part: &str) -> (&str, bool) {
    let between = local_part.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    (between.unwrap_or(local_part), between.is_some())
}

/// Gives what a character becomes in a server that applies compatibility normalisation (Unicode NFKC) before it looks
/// for an address: with SMTPUTF8, a fullwidth `％` would otherwise be a percent hack that we do not see. Decomposed and
/// not composed again: none of the characters that we look for composes with another to something harmless, save a
/// letter with an accent, and to see a disguise in that is the safe side.
fn fold(character: char, mut each: impl FnMut(char)) {
    const NFKD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();
    if character.is_ascii() {
        each(character);
    } else {
        NFKD.normalize_iter(iter::once(character)).for_each(each);
    }
}

/// Whether `character` is `mark`, or becomes it, alone or with others.
fn becomes(character: char, mark: char) -> bool {
    let mut found = false;
    fold(character, |one| found |= one == mark);
    found
}

/// What follows `IMCEA<type>-`, still encoded. A character may become several of its letters.
fn encapsulated(local_part: &str) -> Option<Unquoted<'_>> {
    const BEGIN: &[u8] = b"IMCEA";
    let mut characters = unquoted(local_part);
    let (mut matched, mut other, mut hyphen) = (0, false, false);
    while let Some(character) = characters.next() {
        fold(character, |one| match BEGIN.get(matched) {
            None => hyphen |= one == '-',
            Some(letter) if one.eq_ignore_ascii_case(&char::from(*letter)) => matched += 1,
            Some(_) => other |= matched > 0 || (one != ' ' && one != '\t'),
        });
        if hyphen {
            return Some(characters);
        }
        if other {
            return None;
        }
    }
    None
}

impl fmt::Display for Disguise<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (content, quoted) = content(self.local_part);
        let write = |f: &mut fmt::Formatter<'_>, piece: &str| {
            Unquoted { characters: piece.chars(), quoted }
                .try_for_each(|character| write_visible(f, character))
        };
        let marked = |mark: char| move |&(_, character): &(usize, char)| becomes(character, mark);
        // The two sides of the mark that decides, as a server that obeys it would split them.
        let mut positions = content.char_indices();
        let mark = match self.kind {
            DisguiseKind::BangPath => positions.find(marked('!')),
            DisguiseKind::PercentHack => positions.rev().find(marked('%')),
            DisguiseKind::Route => positions.rev().find(marked(':')),
            DisguiseKind::QuotedAddress | DisguiseKind::Encapsulation | DisguiseKind::OrName => None,
        };
        let sides = mark.map(|(at, mark)| (&content[..at], &content[at + mark.len_utf8()..]));
        match (self.kind, sides) {
            (DisguiseKind::Encapsulation, _) => match encapsulated(self.local_part) {
                Some(encoded) => write_decapsulated(f, encoded),
                None => write(f, content),
            },
            (DisguiseKind::BangPath, Some((host, user)))
            | (DisguiseKind::PercentHack, Some((user, host))) => {
                write(f, user)?;
                f.write_char('@')?;
                write(f, host)
            }
            (DisguiseKind::Route, Some((_, target))) => write(f, target),
            _ => write(f, content),
        }
    }
}

/// Undoes the encoding of an encapsulated address: `+40` is `@`, `_` is `/`.
fn write_decapsulated(f: &mut fmt::Formatter<'_>, mut encoded: Unquoted<'_>) -> fmt::Result {
    while let Some(character) = encoded.next() {
        match character {
            _ if becomes(character, '+') => {
                let mut ahead = encoded.clone();
                let digits = (ahead.next().and_then(hex_digit), ahead.next().and_then(hex_digit));
                match digits {
                    (Some(high), Some(low)) => {
                        encoded = ahead;
                        // The octets of a character outside ASCII come one by one, so they are shown as octets.
                        match u8::try_from(high * 16 + low) {
                            Ok(octet) if octet.is_ascii_graphic() || octet == b' ' => {
                                f.write_char(char::from(octet))?;
                            }
                            Ok(octet) => write!(f, "\\x{octet:02x}")?,
                            Err(_) => {}
                        }
                    }
                    _ => f.write_char('+')?,
                }
            }
            _ if becomes(character, '_') => f.write_char('/')?,
            _ => write_visible(f, character)?,
        }
    }
    Ok(())
}

fn hex_digit(character: char) -> Option<u32> {
    let mut digit = None;
    fold(character, |one| digit = one.to_digit(16));
    digit
}

/// Writes a character, or its escape if it would not be seen as itself.
fn write_visible(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    if character.is_ascii_graphic() || character == ' ' {
        f.write_char(character)
    } else {
        write!(f, "{}", character.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_disguise_is_seen_and_the_address_inside_is_decoded() {
        use DisguiseKind::*;
        let table: &[(&str, DisguiseKind, &str)] = &[
            ("victim%far.example", PercentHack, "victim@far.example"),
            ("victim%far.example%hop.example", PercentHack, "victim%far.example@hop.example"),
            ("\"victim%far.example\"", PercentHack, "victim@far.example"),
            (r#""victim\%far.example""#, PercentHack, "victim@far.example"),
            ("far.example!victim", BangPath, "victim@far.example"),
            ("hop.example!far.example!victim", BangPath, "far.example!victim@hop.example"),
            ("far.example!victim%hop.example", PercentHack, "far.example!victim@hop.example"),
            ("\"victim@far.example\"", QuotedAddress, "victim@far.example"),
            (r#""victim\@far.example""#, QuotedAddress, "victim@far.example"),
            ("\"@hop.example:victim@far.example\"", Route, "victim@far.example"),
            ("\"smtp:victim@far.example\"", Route, "victim@far.example"),
            ("IMCEASMTP-victim+40far+2Eexample", Encapsulation, "victim@far.example"),
            ("imceasmtp-victim+40far+2eexample", Encapsulation, "victim@far.example"),
            ("\"IMCEASMTP-victim+40far+2Eexample\"", Encapsulation, "victim@far.example"),
            (r#""\I\M\C\E\ASMTP-victim+40far+2Eexample""#, Encapsulation, "victim@far.example"),
            ("\" IMCEASMTP-victim+40far+2Eexample\"", Encapsulation, "victim@far.example"),
            ("IMCEAEX-_O=FAR_OU=SITE_CN=VICTIM", Encapsulation, "/O=FAR/OU=SITE/CN=VICTIM"),
            ("IMCEASMTP-victim%far.example", Encapsulation, "victim%far.example"),
            ("IMCEA-victim+40far+2Eexample", Encapsulation, "victim@far.example"),
            ("IMCEASMTP-a+0D+0Ab+4", Encapsulation, r"a\x0d\x0ab+4"),
            ("victim％far.example", PercentHack, "victim@far.example"),
            ("victim﹪far.example", PercentHack, "victim@far.example"),
            ("victim＠far.example", QuotedAddress, "victim＠far.example"),
            ("far.example！victim", BangPath, "victim@far.example"),
            ("ＩＭＣＥＡSMTP－victim＋40far", Encapsulation, "victim@far"),
            ("Ⓘⓜⓒⓔⓐsmtp-victim+40far+2Eexample", Encapsulation, "victim@far.example"),
            ("ℐMCEASMTP-victim+40far+2Eexample", Encapsulation, "victim@far.example"),
            ("ⅠⅯCEASMTP-victim+40far+2Eexample", Encapsulation, "victim@far.example"),
            ("𝕀𝐌𝒞𝔈𝖠SMTP-victim+40far+2Eexample", Encapsulation, "victim@far.example"),
            ("I\u{1f16a}EASMTP-victim⁺⁴⁰far", Encapsulation, "victim@far"),
            ("\"\u{a0}IMCEASMTP﹣victim+40far\"", Encapsulation, "victim@far"),
            ("far.example‼victim", BangPath, "victim@far.example"),
            ("a⩴b", Route, "b"),
            ("/O=FAR/OU=SITE/CN=RECIPIENTS/CN=VICTIM", OrName, "/O=FAR/OU=SITE/CN=RECIPIENTS/CN=VICTIM"),
            ("\"/c=us/admd= /prmd=far/s=victim/\"", OrName, "/c=us/admd= /prmd=far/s=victim/"),
            ("\" \\/s=victim\"", OrName, " /s=victim"),
            ("\"c=us;a= ;p=far;s=victim\"", OrName, "c=us;a= ;p=far;s=victim"),
            ("\"/RFC-822=victim(a)far.example/\"", OrName, "/RFC-822=victim(a)far.example/"),
            ("／o＝far", OrName, "／o＝far"),
            ("\"/RFC-822=victim@far.example/\"", QuotedAddress, "/RFC-822=victim@far.example/"),
            ("%", PercentHack, "@"),
            ("!", BangPath, "@"),
            ("\":\"", Route, ""),
        ];
        for &(local_part, kind, inner) in table {
            let disguise = decode(local_part).unwrap_or_else(|| panic!("{local_part} was not seen"));
            assert_eq!((disguise.kind(), disguise.to_string().as_str()), (kind, inner), "{local_part}");
        }
    }

    #[test]
    fn an_ordinary_local_part_is_no_disguise() {
        let table = [
            "user",
            "first.last",
            "user+tag",
            "user-40far",
            "\"john doe\"",
            "bücher",
            "imcea",
            "imceasmtp",
            "ximceasmtp-a",
            "im ceasmtp-a",
            "ІMCEASMTP-a",
            "①②③",
            "ﷺ",
            "o'neil",
            "a=b",
            "a/b",
            "/a",
            "a/b=c",
            "\"a;b\"",
            "",
            "\"\"",
            "\"",
            "\\",
        ];
        for local_part in table {
            assert_eq!(decode(local_part), None, "{local_part}");
        }
    }

    #[test]
    fn quotes_and_backslashes_do_not_make_another_mailbox() {
        let plain = |local_part| unquoted(local_part).collect::<String>();
        assert_eq!(plain("\"user\""), "user");
        assert_eq!(plain(r#""u\ser""#), "user");
        assert_eq!(plain(r#""a\\b\"c""#), "a\\b\"c");
        assert_eq!(plain("user"), "user");
        assert_eq!(plain("\""), "\"");
    }

    proptest::proptest! {
        #[test]
        fn no_local_part_panics_and_none_puts_a_control_character_into_the_log(local_part in "(IMCEA[a-z]{0,3}-)?[\\PC\r\n\\\\\"%!@:+0-9A-F_]{0,40}") {
            if let Some(disguise) = decode(&local_part) {
                proptest::prop_assert!(!disguise.to_string().contains(char::is_control));
            }
        }
    }
}
