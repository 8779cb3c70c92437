//! Settings that are words: yes or no, one of a few, a file, an interface, a log filter.

use std::path::PathBuf;

use super::Kind;

/// Yes or no.
#[derive(Debug)]
pub struct Truth;

impl Kind for Truth {
    type Value = bool;

    fn parse(&self, text: &str) -> Option<bool> {
        text.parse().ok()
    }

    fn placeholder(&self) -> &'static str {
        "BOOL"
    }

    fn expected(&self) -> String {
        "true or false".to_owned()
    }

    fn choices(&self) -> &'static [&'static str] {
        &["true", "false"]
    }
}

/// One of a few words, each with what it means.
#[derive(Debug)]
pub struct Choice<T: 'static> {
    /// How it is called in `--help`.
    pub placeholder: &'static str,
    /// The words.
    pub words: &'static [&'static str],
    /// What each means, in the same order.
    pub values: &'static [T],
}

impl<T: Copy + Sync> Kind for Choice<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Option<T> {
        let index = self.words.iter().position(|word| *word == text)?;
        self.values.get(index).copied()
    }

    fn placeholder(&self) -> &'static str {
        self.placeholder
    }

    fn expected(&self) -> String {
        format!("one of {}", self.words.join(", "))
    }

    fn choices(&self) -> &'static [&'static str] {
        self.words
    }
}

/// A file.
#[derive(Debug)]
pub struct File;

impl Kind for File {
    type Value = PathBuf;

    fn parse(&self, text: &str) -> Option<PathBuf> {
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    fn placeholder(&self) -> &'static str {
        "FILE"
    }

    fn expected(&self) -> String {
        "the path of a file".to_owned()
    }
}

/// A network interface of this host.
#[derive(Debug)]
pub struct Interface;

impl Kind for Interface {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        // What the kernel takes for a name (dev_valid_name): at most 15 octets, no slash, no colon, no space.
        let valid = (1..=15).contains(&text.len())
            && text != "."
            && text != ".."
            && !text.bytes().any(|byte| byte == b'/' || byte == b':' || byte.is_ascii_whitespace());
        valid.then(|| text.to_owned())
    }

    fn placeholder(&self) -> &'static str {
        "INTERFACE"
    }

    fn expected(&self) -> String {
        "the name of a network interface, such as eth0".to_owned()
    }
}

/// A filter of `tracing`.
#[derive(Debug)]
pub struct LogFilter;

impl Kind for LogFilter {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        let valid = !text.trim().is_empty() && tracing_subscriber::EnvFilter::try_new(text).is_ok();
        valid.then(|| text.to_owned())
    }

    fn placeholder(&self) -> &'static str {
        "FILTER"
    }

    fn expected(&self) -> String {
        "error, warn, info, debug or trace, or a filter such as info,filter_user::proxy=debug".to_owned()
    }
}
