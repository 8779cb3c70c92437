//! The filter that an LDAP directory is asked with, and what in an entry proves that the entry is what was asked for: a
//! server that gives any entry for any name is not believed.

use std::collections::HashMap;

use ldap3::{ldap_escape, parse_filter};

use super::error::DirectoryError;
use super::question::Question;
use crate::address::fold_case;
use crate::config::Template;

/// A filter with places for the recipient.
#[derive(Debug)]
pub(super) struct LdapFilter {
    whole: Template,
    /// Its comparisons that name the recipient: an entry that is found must have one of these values.
    comparisons: Vec<Comparison>,
}

/// `attribute=value`.
#[derive(Debug)]
struct Comparison {
    attribute: String,
    value: Template,
}

impl LdapFilter {
    /// Reads a filter (RFC 4515) that names the recipient.
    pub(super) fn parse(text: &str) -> Result<Self, DirectoryError> {
        let wrong = |what: &str| DirectoryError::Filter { filter: text.to_owned(), wrong: what.to_owned() };
        let whole = Template::parse(text).map_err(|fault| wrong(&fault))?;
        // Whatever stands for the recipient is escaped, so what can be parsed now can be parsed then.
        parse_filter(whole.fill("user", "example.org", str::to_owned))
            .map_err(|_| wrong("it is not RFC 4515"))?;
        let comparisons: Vec<Comparison> = text.split('(').filter_map(Comparison::parse).collect();
        if comparisons.is_empty() {
            return Err(wrong("no attribute is compared with %s or %u as a whole"));
        }
        Ok(Self { whole, comparisons })
    }

    /// For this recipient; what a client has sent cannot be anything but a value in it.
    pub(super) fn about(&self, question: &Question) -> String {
        self.whole.fill(&question.local_part, &question.domain, |part| ldap_escape(part).into_owned())
    }

    /// For anybody at all: finds an entry where base, schema and rights are as they should be.
    pub(super) fn about_anybody(&self) -> String {
        let present = self.attributes().map(|attribute| format!("({attribute}=*)"));
        format!("(|{})", present.collect::<String>())
    }

    /// The attributes that it compares.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &str> {
        self.comparisons.iter().map(|comparison| comparison.attribute.as_str())
    }

    /// Whether an entry with these attributes is what was asked for.
    pub(super) fn is_met(&self, question: &Question, entry: &HashMap<String, Vec<String>>) -> bool {
        self.comparisons.iter().any(|comparison| {
            let wanted = comparison.value.fill(&question.local_part, &question.domain, str::to_owned);
            let is_wanted = |value: &String| value.chars().map(fold_case).eq(wanted.chars().map(fold_case));
            entry
                .iter()
                .filter(|(attribute, _)| attribute.eq_ignore_ascii_case(&comparison.attribute))
                .any(|(_, values)| values.iter().any(is_wanted))
        })
    }
}

impl Comparison {
    /// Reads what stands behind an opening bracket, if it is one that names the recipient.
    fn parse(text: &str) -> Option<Self> {
        let (text, _) = text.split_once(')')?;
        let (attribute, value) = text.split_once('=')?;
        let plain = !attribute.is_empty()
            && attribute.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
        // A value that holds escapes or asterisks is compared by rules that only the server knows.
        if !plain || value.contains(['*', '\\']) {
            return None;
        }
        Some(Self { attribute: attribute.to_owned(), value: Template::parse(value).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(local_part: &str) -> Question {
        Question { local_part: local_part.to_owned(), domain: "example.org".to_owned() }
    }

    fn entry(attribute: &str, value: &str) -> HashMap<String, Vec<String>> {
        HashMap::from([(attribute.to_owned(), vec!["other".to_owned(), value.to_owned()])])
    }

    const USUAL: &str = "(|(mail=%s)(proxyAddresses=smtp:%s))";

    #[test]
    fn what_a_client_sends_stays_a_value() {
        let filter = LdapFilter::parse(USUAL).unwrap();
        for (local_part, written) in [
            ("user", "(|(mail=user@example.org)(proxyAddresses=smtp:user@example.org))"),
            ("*", r"(|(mail=\2a@example.org)(proxyAddresses=smtp:\2a@example.org))"),
            (
                r#""a)(mail=b""#,
                r#"(|(mail="a\29\28mail=b"@example.org)(proxyAddresses=smtp:"a\29\28mail=b"@example.org))"#,
            ),
            (
                "\"\\\\\u{0}\"",
                r#"(|(mail="\5c\5c\00"@example.org)(proxyAddresses=smtp:"\5c\5c\00"@example.org))"#,
            ),
        ] {
            let text = filter.about(&question(local_part));
            assert_eq!(text, written);
            assert!(parse_filter(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_entry_must_have_what_was_asked_for() {
        let filter = LdapFilter::parse(USUAL).unwrap();
        for (entry, met) in [
            (entry("mail", "User@Example.ORG"), true),
            (entry("MAIL", "user@example.org"), true),
            (entry("proxyAddresses", "SMTP:user@example.org"), true),
            (entry("mail", "smtp:user@example.org"), false),
            (entry("mail", "other@example.org"), false),
            (entry("cn", "user@example.org"), false),
            (HashMap::new(), false),
        ] {
            assert_eq!(filter.is_met(&question("user"), &entry), met, "{entry:?}");
        }
    }

    #[test]
    fn anybody_has_one_of_the_attributes() {
        let filter = LdapFilter::parse("(&(objectClass=person)(|(uid=%u)(mail=%s)(mail=*%s)))").unwrap();
        assert_eq!(filter.about_anybody(), "(|(uid=*)(mail=*))");
    }

    #[test]
    fn a_filter_that_proves_nothing_is_refused() {
        for (text, wrong) in [
            ("(mail=*)", "neither %s"),
            ("(mail=%s", "it is not RFC 4515"),
            ("(mail=%s*)", "compared with %s or %u as a whole"),
            ("(!(mail=%x))", "behind a % stands"),
            ("", "neither %s"),
        ] {
            let error = LdapFilter::parse(text).unwrap_err().to_string();
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_local_part_breaks_the_filter(local_part in "\\PC{0,64}") {
            let filter = LdapFilter::parse(USUAL).unwrap();
            proptest::prop_assert!(parse_filter(filter.about(&question(&local_part))).is_ok());
        }
    }
}
