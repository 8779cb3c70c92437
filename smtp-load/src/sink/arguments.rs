//! What stands behind a verb: paths, parameters, attributes. Says what is there, judges no address.

use super::behaviour::SinkBehaviour;

/// The first parameter behind `path` whose extension `behaviour` does not offer.
pub(super) fn not_offered(path: &str, behaviour: &SinkBehaviour) -> Option<String> {
    let parameters = path.rsplit_once('>').map_or("", |(_, rest)| rest);
    parameters.split_ascii_whitespace().find_map(|parameter| {
        let name = parameter.split('=').next().unwrap_or("").to_ascii_uppercase();
        let extension = match name.as_str() {
            "BODY" => "8BITMIME",
            "RET" | "ENVID" | "NOTIFY" | "ORCPT" => "DSN",
            other => other,
        };
        (!behaviour.offers(extension)).then_some(name)
    })
}

/// What follows `keyword`, in any case of its letters.
pub(super) fn after_keyword<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, rest) = argument.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then_some(rest.trim_start())
}

/// The value of an XCLIENT attribute: `+XX` stands for the octet XX (RFC 3461 section 4).
pub(super) fn decode_xtext(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, hex) {
            (b'+', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_decoded_and_what_is_none_stays() {
        let rows =
            [("a+2Bb", "a+b"), ("+E2+82+AC", "\u{20ac}"), ("plain", "plain"), ("+", "+"), ("+zz+4", "+zz+4")];
        for (value, expected) in rows {
            assert_eq!(decode_xtext(value), expected);
        }
    }

    #[test]
    fn keywords_are_found_in_any_case() {
        assert_eq!(after_keyword("from: <a@b>", "FROM:"), Some("<a@b>"));
        assert_eq!(after_keyword("FRO", "FROM:"), None);
        assert_eq!(after_keyword("\u{20ac}\u{20ac}", "FROM:"), None);
    }
}
