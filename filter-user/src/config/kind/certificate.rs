//! Settings about certificates: the files of one, a name in one. Opens no file.

use std::path::PathBuf;

use super::{Item, Kind};
use crate::config::CertificateFiles;

/// A certificate and its key.
#[derive(Debug)]
pub struct Certificate;

impl Certificate {
    fn read(text: &str) -> Result<CertificateFiles, String> {
        let mut item = Item::parse(text)?;
        let chain = item.word().filter(|file| !file.is_empty()).ok_or("no file is named")?;
        let key = item.option("key")?;
        item.end()?;
        if key.as_deref() == Some("") {
            return Err("key= names no file".to_owned());
        }
        let key = PathBuf::from(key.as_ref().unwrap_or(&chain));
        Ok(CertificateFiles { chain: PathBuf::from(chain), key })
    }
}

impl Kind for Certificate {
    type Value = CertificateFiles;

    fn parse(&self, text: &str) -> Option<CertificateFiles> {
        Self::read(text).ok()
    }

    fn placeholder(&self) -> &'static str {
        "FILE [key=FILE]"
    }

    fn expected(&self) -> String {
        "a PEM file with a certificate and the chain to its authority, and one with its private key, such as \
         /etc/ssl/mail.pem key=/etc/ssl/mail.key; without key= the key is in the same file"
            .to_owned()
    }

    fn fault(&self, text: &str) -> Option<String> {
        Self::read(text).err()
    }
}

/// A name in a certificate.
#[derive(Debug)]
pub struct CertificateName;

impl Kind for CertificateName {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        let fits = !text.trim().is_empty() && !text.chars().any(char::is_control);
        fits.then(|| text.trim().to_lowercase())
    }

    fn placeholder(&self) -> &'static str {
        "NAME"
    }

    fn expected(&self) -> String {
        "a host name, a mail address or a common name, as it stands in the certificate, such as client.example.org"
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_beside_its_certificate_or_in_the_same_file() {
        let files = |chain: &str, key: &str| Some(CertificateFiles { chain: chain.into(), key: key.into() });
        let rows = [
            ("/a.pem", files("/a.pem", "/a.pem")),
            ("/a.pem key=/a.key", files("/a.pem", "/a.key")),
            (r#""/a b.pem" key="/a b.key""#, files("/a b.pem", "/a b.key")),
            ("", None),
            ("/a.pem /a.key", None),
            ("/a.pem key=", None),
            ("/a.pem key=/a key=/b", None),
            ("key=/a.key", None),
        ];
        for (text, wanted) in rows {
            assert_eq!(Certificate.parse(text), wanted, "{text}");
            assert_eq!(Certificate.fault(text).is_some(), wanted.is_none(), "{text}");
        }
    }

    #[test]
    fn a_name_is_any_text() {
        for (text, wanted) in
            [("Client.Example", Some("client.example")), ("a b", Some("a b")), (" ", None), ("a\n", None)]
        {
            assert_eq!(CertificateName.parse(text).as_deref(), wanted, "{text:?}");
        }
    }
}
