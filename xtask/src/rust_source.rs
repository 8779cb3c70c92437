//! Rust source as far as layers needs it: its code without comments, literals and unit tests, and the paths in it.
//! Not a parser: it knows tokens, not grammar.

/// The code alone: comments and the insides of literals become spaces, so that lines stay where they are.
pub(crate) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_or_comment(bytes, at);
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    // Only whole literals and comments were blanked, which begin and end with ASCII: what is left is UTF-8.
    String::from_utf8_lossy(&code).into_owned()
}

/// Where the literal or comment that begins at `at` ends; `at` itself if none does.
fn literal_or_comment(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let find = |needle: &[u8], from: usize| {
        let from = from.min(rest.len());
        rest[from..]
            .windows(needle.len())
            .position(|window| window == needle)
            .map_or(bytes.len(), |n| at + from + n)
    };
    match rest {
        [b'/', b'/', ..] => find(b"\n", 0),
        [b'/', b'*', ..] => end_of_block_comment(bytes, at),
        [b'r', b'"' | b'#', ..] if !follows_word(bytes, at) => {
            let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
            if rest.get(1 + hashes) != Some(&b'"') {
                return at;
            }
            let closing: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
            (find(&closing, 2 + hashes) + closing.len()).min(bytes.len())
        }
        [b'"', ..] => {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            (end + 1).min(bytes.len())
        }
        [b'\'', b'\\', _, ..] => find(b"'", 3) + 1,
        // A character, and not a lifetime: its quote closes after one character of any width.
        [b'\'', first, ..] => {
            let width = match first {
                0x00..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            if rest.get(1 + width) == Some(&b'\'') { at + 2 + width } else { at }
        }
        _ => at,
    }
}

fn end_of_block_comment(bytes: &[u8], at: usize) -> usize {
    let (mut end, mut depth) = (at, 0);
    while end < bytes.len() {
        match &bytes[end..] {
            [b'/', b'*', ..] => (depth, end) = (depth + 1, end + 2),
            [b'*', b'/', ..] => (depth, end) = (depth - 1, end + 2),
            _ => end += 1,
        }
        if depth == 0 {
            break;
        }
    }
    end
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

/// The code without its `#[cfg(test)]` modules: tests may know more than what they test.
pub(crate) fn without_tests(code: &str) -> String {
    let mut left = code.to_owned();
    while let Some(start) = left.find("#[cfg(test)]") {
        let Some(open) = left[start..].find(['{', ';']).map(|n| start + n) else { break };
        let mut depth = 0;
        let end = left[open..].char_indices().find_map(|(n, character)| {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            (depth == 0).then_some(open + n + 1)
        });
        let end = end.unwrap_or(left.len());
        let blank: String = left[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        left.replace_range(start..end, &blank);
    }
    left
}

/// A path that is named in the code: its first segments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its line, from 1.
    pub(crate) line: usize,
    /// `crate::policy::Facts` as three segments; a group is as many paths.
    pub(crate) segments: Vec<String>,
}

/// Every path of at least two segments, groups taken apart.
pub(crate) fn paths(code: &str) -> Vec<Named> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let continues = at > 0 && tokens[at - 1].text == "::" && at > 1 && is_word(&tokens[at - 2].text);
        if is_word(&tokens[at].text) && !continues && tokens.get(at + 1).is_some_and(|next| next.text == "::")
        {
            at = path(&tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Takes the path at `at` with what its group holds; gives where it ends.
fn path(tokens: &[Token], mut at: usize, before: &[String], found: &mut Vec<Named>) -> usize {
    let mut segments = before.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        if is_word(&token.text) {
            segments.push(token.text.clone());
            at += 1;
        } else if token.text == "{" && !before.is_empty() | (at > 0 && tokens[at - 1].text == "::") {
            at += 1;
            while tokens.get(at).is_some_and(|token| token.text != "}") {
                let next = path(tokens, at, &segments, found);
                at = next.max(at + 1);
            }
            return at + 1;
        } else {
            break;
        }
        if tokens.get(at).is_some_and(|token| token.text == "::") {
            at += 1;
        } else {
            break;
        }
    }
    if segments.len() > before.len() {
        found.push(Named { line, segments });
    }
    at
}

struct Token {
    text: String,
    line: usize,
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Words, `::` and single other characters.
fn tokens(code: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut line = 1;
    let mut characters = code.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\n' {
            line += 1;
        }
        if character.is_whitespace() {
            continue;
        }
        let mut text = String::from(character);
        if character.is_alphanumeric() || character == '_' {
            while let Some(next) = characters.next_if(|next| next.is_alphanumeric() || *next == '_') {
                text.push(next);
            }
        } else if character == ':' && characters.next_if_eq(&':').is_some() {
            text.push(':');
        }
        tokens.push(Token { text, line });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(source: &str) -> Vec<String> {
        paths(&without_tests(&code(source))).into_iter().map(|named| named.segments.join("::")).collect()
    }

    #[test]
    fn paths_are_found_in_groups_and_in_expressions() {
        let rows: [(&str, &[&str]); 7] = [
            ("use crate::policy::Facts;", &["crate::policy::Facts"]),
            (
                "use crate::{a::B, c::{D, self}, e};",
                &["crate::a::B", "crate::c::D", "crate::c::self", "crate::e"],
            ),
            ("fn f() { crate::kernel::load(x::y) }", &["crate::kernel::load", "x::y"]),
            ("use super::super::smtp;", &["super::super::smtp"]),
            ("let t = std::time::Instant::now();", &["std::time::Instant::now"]),
            ("struct S { a: ::metrics::Counter }", &["metrics::Counter"]),
            ("match x { A::B => {} C::D { e } => {} }", &["A::B", "C::D"]),
        ];
        for (source, wanted) in rows {
            assert_eq!(named(source), wanted, "{source}");
        }
    }

    #[test]
    fn comments_literals_and_tests_name_nothing() {
        let rows = [
            "// crate::a::b",
            "/* crate::a::b /* c::d */ e::f */",
            "let s = \"crate::a \\\" c::d\";",
            "let s = r#\"crate::a \" c::d\"#;",
            "let c = '\"'; let d = '\\''; let e = 'é';",
            "#[cfg(test)]\nmod tests { use crate::a::b; fn f() { c::d() } }",
        ];
        for source in rows {
            assert_eq!(named(source), Vec::<String>::new(), "{source}");
        }
        assert_eq!(named("fn f<'a>(x: &'a str) { '\\n'; a::b('\"') }"), ["a::b"]);
        assert_eq!(named("#[cfg(test)] mod tests { }\nuse a::b;"), ["a::b"]);
    }
}
