//! Settings of the kernel's part: a local address, where things are pinned, whom the process becomes. Looks nothing up.

use std::net::IpAddr;
use std::path::PathBuf;

use super::Kind;

/// An address of this host.
#[derive(Debug)]
pub struct OwnAddress;

impl Kind for OwnAddress {
    type Value = IpAddr;

    fn parse(&self, text: &str) -> Option<IpAddr> {
        let address = text.parse::<IpAddr>().ok()?.to_canonical();
        // No packet is addressed to these, so nothing would be protected.
        (!address.is_unspecified() && !address.is_multicast()).then_some(address)
    }

    fn placeholder(&self) -> &'static str {
        "ADDRESS"
    }

    fn expected(&self) -> String {
        "a single IP address, such as 192.0.2.1 or 2001:db8::1".to_owned()
    }
}

/// A folder for pins, or none.
#[derive(Debug)]
pub struct PinFolder;

impl Kind for PinFolder {
    type Value = Option<PathBuf>;

    fn parse(&self, text: &str) -> Option<Option<PathBuf>> {
        if text == "none" {
            return Some(None);
        }
        // Of two daemons that are started in different places, both must mean the same folder.
        let path = PathBuf::from(text);
        path.is_absolute().then_some(Some(path))
    }

    fn placeholder(&self) -> &'static str {
        "FOLDER"
    }

    fn expected(&self) -> String {
        "the absolute path of a folder, such as /sys/fs/bpf/relaygate, or none".to_owned()
    }
}

/// A user of this system.
#[derive(Debug)]
pub struct SystemUser;

impl Kind for SystemUser {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        // What can stand in passwd(5) and is no number, which could mean another user's.
        let valid = (1..=32).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':' && byte != b'/')
            && !text.bytes().all(|byte| byte.is_ascii_digit());
        valid.then(|| text.to_owned())
    }

    fn placeholder(&self) -> &'static str {
        "USER"
    }

    fn expected(&self) -> String {
        "the name of a user of this system, such as relaygate".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken<K: Kind<Value: std::fmt::Debug>>(kind: &K, text: &str) -> String {
        kind.parse(text).map_or("-".to_owned(), |value| format!("{value:?}"))
    }

    #[test]
    fn each_takes_what_it_says_and_nothing_else() {
        for (got, wanted) in [
            (taken(&OwnAddress, "192.0.2.1"), "192.0.2.1"),
            (taken(&OwnAddress, "::ffff:192.0.2.1"), "192.0.2.1"),
            (taken(&OwnAddress, "2001:db8::1"), "2001:db8::1"),
            (taken(&OwnAddress, "0.0.0.0"), "-"),
            (taken(&OwnAddress, "::"), "-"),
            (taken(&OwnAddress, "ff02::1"), "-"),
            (taken(&OwnAddress, "192.0.2.0/24"), "-"),
            (taken(&PinFolder, "none"), "None"),
            (taken(&PinFolder, "/sys/fs/bpf/a"), r#"Some("/sys/fs/bpf/a")"#),
            (taken(&PinFolder, "pins"), "-"),
            (taken(&PinFolder, ""), "-"),
            (taken(&SystemUser, "relaygate"), r#""relaygate""#),
            (taken(&SystemUser, "_mail$"), r#""_mail$""#),
            (taken(&SystemUser, "0"), "-"),
            (taken(&SystemUser, "-u"), "-"),
            (taken(&SystemUser, "a:b"), "-"),
            (taken(&SystemUser, "two words"), "-"),
            (taken(&SystemUser, ""), "-"),
        ] {
            assert_eq!(got, wanted);
        }
    }
}
