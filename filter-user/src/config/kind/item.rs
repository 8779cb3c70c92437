//! The grammar of settings that have parts: words, then `key=value` options; a value with blanks stands between double
//! quotes, with `\"` and `\\` in it. Knows no setting, no word and no key.

/// One setting's parts, taken one by one; what is left at the end is a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    words: std::collections::VecDeque<String>,
    options: Vec<(String, String)>,
}

impl Item {
    /// Splits a text. A fault says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut item = Self { words: Default::default(), options: Vec::new() };
        let mut rest = text.trim();
        while !rest.is_empty() {
            let key_end =
                rest.find(|c: char| c == '=' || c == '"' || c.is_whitespace()).unwrap_or(rest.len());
            let (key, behind) = rest.split_at(key_end);
            match behind.strip_prefix('=') {
                Some(behind) if is_key(key) => {
                    let (value, behind) = value(behind)?;
                    item.options.push((key.to_owned(), value));
                    rest = behind.trim_start();
                }
                _ => {
                    let (word, behind) = value(rest)?;
                    if let Some((key, _)) = item.options.last() {
                        return Err(format!("{word:?} stands behind the option {key}; options come last"));
                    }
                    item.words.push_back(word);
                    rest = behind.trim_start();
                }
            }
        }
        Ok(item)
    }

    /// The next word.
    pub fn word(&mut self) -> Option<String> {
        self.words.pop_front()
    }

    /// The value of an option that stands at most once.
    pub fn option(&mut self, key: &str) -> Result<Option<String>, String> {
        let mut values = self.options(key);
        if values.len() > 1 {
            return Err(format!("{key} is given {} times", values.len()));
        }
        Ok(values.pop())
    }

    /// All values of an option that may be repeated.
    pub fn options(&mut self, key: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut self.options).into_iter().partition(|(name, _)| name == key);
        self.options = left;
        Vec::into_iter(taken).map(|(_, value): (String, String)| value).collect()
    }

    /// Nothing may be left: neither a word nor an option that nobody asked for.
    pub fn end(self) -> Result<(), String> {
        match (self.words.front(), self.options.first()) {
            (Some(word), _) => Err(format!("{word:?} is one word too many")),
            (None, Some((key, _))) => Err(format!("there is no option {key:?} here")),
            (None, None) => Ok(()),
        }
    }
}

/// Keys are lower case, with hyphens, so that base64 and DNs are no options.
fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Up to the next blank; or between quotes.
fn value(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &quoted[at + 1..])),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    Err("a quote is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_then_options() {
        let mut item =
            Item::parse(r#"ldap:ldaps://a  base="dc=example, dc=org" domain=a.example domain=b.example"#)
                .unwrap();
        assert_eq!(item.word().as_deref(), Some("ldap:ldaps://a"));
        assert_eq!(item.word(), None);
        assert_eq!(item.option("base"), Ok(Some("dc=example, dc=org".to_owned())));
        assert_eq!(item.option("filter"), Ok(None));
        assert_eq!(item.options("domain"), ["a.example", "b.example"]);
        assert_eq!(item.end(), Ok(()));
    }

    #[test]
    fn quotes_hold_blanks_and_escapes() {
        let mut item = Item::parse(r#"x password="a \"b\" \\" empty="" filter=(mail=%s)"#).unwrap();
        assert_eq!(item.option("password"), Ok(Some(r#"a "b" \"#.to_owned())));
        assert_eq!(item.option("empty"), Ok(Some(String::new())));
        assert_eq!(item.option("filter"), Ok(Some("(mail=%s)".to_owned())));
    }

    #[test]
    fn a_fault_is_named() {
        for (text, fault) in [
            (r#"x a="b"#, "a quote is not closed"),
            ("x a=1 y", r#""y" stands behind the option a; options come last"#),
        ] {
            assert_eq!(Item::parse(text).unwrap_err(), fault, "{text}");
        }
        let mut item = Item::parse("x y a=1 a=2 b=3").unwrap();
        assert_eq!(item.option("a").unwrap_err(), "a is given 2 times");
        assert_eq!(item.clone().end().unwrap_err(), r#""x" is one word too many"#);
        item.word();
        item.word();
        assert_eq!(item.end().unwrap_err(), r#"there is no option "b" here"#);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[ -~\t\u{e4}]{0,40}") {
            let _ = Item::parse(&text);
        }
    }
}
