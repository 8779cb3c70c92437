//! Domains as they compare: A-labels, case-folded. Knows nothing of what a domain is for.

use std::borrow::Cow;
use std::cmp::Ordering;

use idna::AsciiDenyList;

/// Some domains, each known by its place in the set.
#[derive(Clone, Debug, Default)]
pub struct DomainSet {
    /// Canonical, and sorted by [`compare`].
    sorted: Vec<Box<str>>,
}

impl DomainSet {
    /// A set of these domains, each as A-labels or U-labels in any case. A name that has no A-label form is taken as it
    /// is: no address of that domain can be written either, so it never matches.
    #[must_use]
    pub fn new<S: AsRef<str>>(domains: &[S]) -> Self {
        let canonical = domains.iter().map(|domain| {
            let domain = domain.as_ref();
            canonical(domain).map_or_else(|| Box::from(domain), |name| name.into_owned().into_boxed_str())
        });
        let mut sorted: Vec<Box<str>> = canonical.collect();
        sorted.sort_by(|a, b| compare(a, b));
        sorted.dedup();
        Self { sorted }
    }

    /// The number of this domain, from 0 to [`len`](Self::len), if it is in the set. Allocates only for U-labels.
    #[must_use]
    pub fn index_of(&self, domain: &str) -> Option<usize> {
        if domain.is_ascii() {
            return self.sorted.binary_search_by(|ours| compare(ours, domain)).ok();
        }
        let canonical = canonical(domain)?;
        self.sorted.binary_search_by(|ours| compare(ours, &canonical)).ok()
    }

    /// Whether this domain is in the set.
    #[must_use]
    pub fn contains(&self, domain: &str) -> bool {
        self.index_of(domain).is_some()
    }

    /// How many domains there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }
}

/// A domain as A-labels in lower case; nothing if it has U-labels that cannot become A-labels.
#[must_use]
pub fn canonical(domain: &str) -> Option<Cow<'_, str>> {
    if domain.is_ascii() {
        let folded = domain.bytes().any(|byte| byte.is_ascii_uppercase());
        return Some(if folded { domain.to_ascii_lowercase().into() } else { domain.into() });
    }
    idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::URL).ok()
}

/// Any order would do; by length first, most comparisons end at once.
fn compare(ours: &str, other: &str) -> Ordering {
    ours.len()
        .cmp(&other.len())
        .then_with(|| ours.bytes().cmp(other.bytes().map(|byte| byte.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_compare_by_a_label_and_without_case() {
        let set = DomainSet::new(&["Example.ORG", "bücher.example", "xn--fsqu00a.example", "example.org"]);
        assert_eq!(set.len(), 3);
        for domain in [
            "example.org",
            "EXAMPLE.org",
            "xn--bcher-kva.example",
            "XN--BCHER-KVA.example",
            "BÜCHER.example",
            "bücher。example",
            "例子.example",
            "ｅxample.org",
        ] {
            assert!(set.contains(domain), "{domain}");
        }
        for domain in
            ["example.org.", "sub.example.org", "example.or", "", "bucher.example", "b\u{fffd}.example"]
        {
            assert!(!set.contains(domain), "{domain}");
        }
    }

    #[test]
    fn an_empty_set_holds_nothing() {
        let set = DomainSet::new::<&str>(&[]);
        assert!(set.is_empty() && !set.contains("") && !set.contains("example.org"));
    }
}
