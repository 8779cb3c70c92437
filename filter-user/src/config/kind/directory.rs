//! Settings that name directories: what each is, where, and what it is asked about. Opens nothing.

use super::{DomainName, Item, Kind};
use crate::config::directories::{DirectoryItem, DirectorySource, RemoteSource, Template};
use crate::config::stream_address::StreamAddress;

/// Connections of one directory, where the setting does not say.
const CONNECTIONS: usize = 4;
/// The most that it may say.
const MOST_CONNECTIONS: usize = 256;

/// A directory.
#[derive(Debug)]
pub struct Directory;

impl Kind for Directory {
    type Value = DirectoryItem;

    fn parse(&self, text: &str) -> Option<DirectoryItem> {
        read(text).ok()
    }

    fn placeholder(&self) -> &'static str {
        "DIRECTORY"
    }

    fn expected(&self) -> String {
        "file:PATH [aliases=yes], or socketmap:unix:PATH or socketmap:inet:HOST:PORT with name=MAP [key=TEMPLATE] \
         [connections=N]; each with domain=DOMAIN, repeated, where it is not for every local domain"
            .to_owned()
    }

    fn fault(&self, text: &str) -> Option<String> {
        read(text).err()
    }
}

fn read(text: &str) -> Result<DirectoryItem, String> {
    let mut item = Item::parse(text)?;
    let word = item.word().unwrap_or_default();
    let source = if let Some(path) = word.strip_prefix("file:") {
        if path.is_empty() {
            return Err("behind file: stands the path of a file".to_owned());
        }
        DirectorySource::File { path: path.into(), aliases: truth(&mut item, "aliases")? }
    } else if let Some(at) = word.strip_prefix("socketmap:") {
        DirectorySource::Remote(RemoteSource::Socketmap {
            at: StreamAddress::parse(at).ok_or("behind socketmap: stands unix:PATH or inet:HOST:PORT")?,
            map: item.option("name")?.filter(|name| is_map_name(name)).ok_or("name= names no map")?,
            key: Template::parse(item.option("key")?.as_deref().unwrap_or("%s"))?,
            connections: connections(&mut item)?,
        })
    } else {
        return Err(format!("{word:?} is no directory"));
    };
    let domain = |text: String| DomainName.parse(&text).ok_or_else(|| format!("domain={text} is no domain"));
    let domains = item.options("domain").into_iter().map(domain).collect::<Result<_, _>>()?;
    item.end()?;
    Ok(DirectoryItem { source, domains })
}

fn truth(item: &mut Item, key: &str) -> Result<bool, String> {
    match item.option(key)?.as_deref() {
        None | Some("no") => Ok(false),
        Some("yes") => Ok(true),
        Some(_) => Err(format!("{key} is yes or no")),
    }
}

fn connections(item: &mut Item) -> Result<usize, String> {
    let Some(text) = item.option("connections")? else { return Ok(CONNECTIONS) };
    let number = text.parse().ok().filter(|number| (1..=MOST_CONNECTIONS).contains(number));
    number.ok_or_else(|| format!("connections is a number from 1 to {MOST_CONNECTIONS}"))
}

/// What Postfix's socketmap tables can be called: their name stands before a blank.
fn is_map_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|character: char| character.is_whitespace() || character.is_control())
}

/// The characters that divide a mailbox from its extension.
#[derive(Debug)]
pub struct Delimiters;

impl Kind for Delimiters {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        // What may stand in an atom, and is neither a letter nor a digit (RFC 5321 section 4.1.2).
        let valid = (1..=8).contains(&text.len()) && text.chars().all(|c| "!#$&'*+-/=?^_`{|}~".contains(c));
        valid.then(|| text.to_owned())
    }

    fn placeholder(&self) -> &'static str {
        "CHARACTERS"
    }

    fn expected(&self) -> String {
        "one to eight characters that may stand in a local-part, such as + or +-".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_as_it_is_written() {
        let item = read(
            "socketmap:unix:/run/maps name=virtual key=%u domain=Example.ORG domain=b\u{fc}cher.example",
        )
        .unwrap();
        assert_eq!(item.domains, ["example.org", "xn--bcher-kva.example"]);
        assert_eq!(item.source.to_string(), "socketmap:unix:/run/maps name=virtual");
        let item = read("file:/etc/aliases aliases=yes").unwrap();
        assert_eq!(item.source, DirectorySource::File { path: "/etc/aliases".into(), aliases: true });
    }

    #[test]
    fn a_fault_is_named() {
        for (text, fault) in [
            ("", "\"\" is no directory"),
            ("/etc/mailboxes", "\"/etc/mailboxes\" is no directory"),
            ("file:", "behind file: stands the path of a file"),
            ("file:/f aliases=maybe", "aliases is yes or no"),
            ("file:/f name=x", "there is no option \"name\" here"),
            ("file:/f domain=a..b", "domain=a..b is no domain"),
            ("socketmap:unix:/s", "name= names no map"),
            ("socketmap:unix:/s name=\"a b\"", "name= names no map"),
            ("socketmap:/s name=x", "behind socketmap: stands unix:PATH or inet:HOST:PORT"),
            ("socketmap:unix:/s name=x connections=0", "connections is a number from 1 to 256"),
            (
                "socketmap:unix:/s name=x key=%d",
                "neither %s, the recipient's address, nor %u, its local-part, is in it",
            ),
        ] {
            assert_eq!(Directory.fault(text).as_deref(), Some(fault), "{text}");
        }
    }

    #[test]
    fn delimiters_are_what_may_divide_an_atom() {
        for (text, taken) in
            [("+", true), ("+-", true), ("", false), ("@", false), ("a", false), ("%", false), (".", false)]
        {
            assert_eq!(Delimiters.parse(text).is_some(), taken, "{text}");
        }
    }
}
