//! Local-parts as they are written, of local-parts as they are: the other direction of [`unquoted`](super::disguise::unquoted).

use std::borrow::Cow;

/// A local-part as RFC 5321 section 4.1.2 writes it: as it is where it is a dot-string, else between quotes.
#[must_use]
pub fn quoted(local_part: &str) -> Cow<'_, str> {
    let is_dot_string =
        local_part.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(super::path::is_atext));
    if is_dot_string {
        return Cow::Borrowed(local_part);
    }
    let mut quoted = String::with_capacity(local_part.len() + 2);
    quoted.push('"');
    for character in local_part.chars() {
        if character == '"' || character == '\\' {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::disguise::unquoted;
    use crate::address::{ForwardPath, Mailbox};

    #[test]
    fn only_what_is_no_dot_string_is_quoted() {
        for (local_part, written) in [
            ("user", "user"),
            ("first.last+tag", "first.last+tag"),
            ("\u{fc}ni", "\u{fc}ni"),
            ("john doe", "\"john doe\""),
            ("a@b", "\"a@b\""),
            (".a", "\".a\""),
            ("a\"\\b", r#""a\"\\b""#),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(local_part), written);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_quoted_and_read_is_what_it_was(local_part in "[ -~]{1,20}") {
            let path = format!("<{}@example.org>", quoted(&local_part));
            let (read, rest) = ForwardPath::parse(path.as_bytes(), false).unwrap();
            proptest::prop_assert!(rest.is_empty());
            let ForwardPath::Mailbox(Mailbox { local_part: read, .. }) = read else { panic!("{path}") };
            proptest::prop_assert_eq!(unquoted(read).collect::<String>(), local_part);
        }
    }
}
