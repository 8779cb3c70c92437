//! Settings that name directories: what each is, where, and what it is asked about. Opens nothing.

use std::path::PathBuf;
use std::time::Duration;

use super::{DomainName, Item, Kind, Time};
use crate::config::directories::{
    DirectoryItem, DirectorySource, LdapSource, RemoteServer, RemoteSource, Template,
};
use crate::config::stream_address::StreamAddress;

/// Connections of one directory, where the setting does not say.
const CONNECTIONS: usize = 4;
/// The attributes that OpenLDAP's and Active Directory's entries have their addresses in.
const USUAL_FILTER: &str = "(|(mail=%s)(proxyAddresses=smtp:%s))";
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
        "file:PATH [aliases=yes]; or, each with [timeout=TIME] [connections=N], ldap:ldap://HOST or ldap:ldaps://HOST \
         with base=DN [filter=FILTER] [bind-dn=DN password-file=FILE] [starttls=yes] [ca=FILE] [references=ignore], \
         socketmap:unix:PATH or socketmap:inet:HOST:PORT with name=MAP [key=TEMPLATE] [exact=yes], callout:HOST:PORT; each with \
         domain=DOMAIN, repeated, where it is not for every local domain"
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
        let server = RemoteServer::Socketmap {
            at: StreamAddress::parse(at).ok_or("behind socketmap: stands unix:PATH or inet:HOST:PORT")?,
            map: item.option("name")?.filter(|name| is_map_name(name)).ok_or("name= names no map")?,
            key: Template::parse(item.option("key")?.as_deref().unwrap_or("%s"))?,
        };
        remote(server, &mut item)?
    } else if let Some(at) = word.strip_prefix("callout:") {
        let at = StreamAddress::parse_inet(at).ok_or("behind callout: stands HOST:PORT")?;
        remote(RemoteServer::Callout { at }, &mut item)?
    } else if let Some(uri) = word.strip_prefix("ldap:") {
        let server = RemoteServer::Ldap(ldap(uri, &mut item)?);
        remote(server, &mut item)?
    } else {
        return Err(format!("{word:?} is no directory"));
    };
    let domain = |text: String| DomainName.parse(&text).ok_or_else(|| format!("domain={text} is no domain"));
    let domains = item.options("domain").into_iter().map(domain).collect::<Result<_, _>>()?;
    item.end()?;
    Ok(DirectoryItem { source, domains })
}

fn remote(server: RemoteServer, item: &mut Item) -> Result<DirectorySource, String> {
    let time = |text: String| {
        let bounds = Time { from: Duration::from_millis(1), to: Duration::from_secs(3600) };
        bounds.parse(&text).ok_or_else(|| format!("timeout is {}", bounds.expected()))
    };
    let timeout = item.option("timeout")?.map(time).transpose()?;
    let exact = match &server {
        RemoteServer::Ldap(_) => true,
        RemoteServer::Socketmap { .. } => truth(item, "exact")?,
        RemoteServer::Callout { .. } => false,
    };
    Ok(DirectorySource::Remote(RemoteSource { server, connections: connections(item)?, timeout, exact }))
}

fn ldap(uri: &str, item: &mut Item) -> Result<LdapSource, String> {
    let (scheme, place) = uri.split_once("://").ok_or("behind ldap: stands ldap://HOST or ldaps://HOST")?;
    let port = match scheme {
        "ldap" => "389",
        "ldaps" => "636",
        _ => return Err(format!("{scheme}:// is neither ldap:// nor ldaps://")),
    };
    let place = place.trim_end_matches('/');
    let with_port = if place.ends_with(']') || !place.contains(':') {
        format!("{place}:{port}")
    } else {
        place.to_owned()
    };
    if StreamAddress::parse_inet(&with_port).is_none() {
        return Err(format!("{place:?} is no host, and no host and port"));
    }
    let starttls = truth(item, "starttls")?;
    if starttls && scheme == "ldaps" {
        return Err("ldaps:// is TLS from the begin, so starttls=yes cannot be".to_owned());
    }
    let authorities: Option<PathBuf> = item.option("ca")?.map(PathBuf::from);
    if authorities.is_some() && !starttls && scheme == "ldap" {
        return Err("ca= needs ldaps:// or starttls=yes".to_owned());
    }
    let bind_dn = item.option("bind-dn")?;
    let password_file: Option<PathBuf> = item.option("password-file")?.map(PathBuf::from);
    if bind_dn.is_some() != password_file.is_some() {
        return Err("bind-dn and password-file go together".to_owned());
    }
    Ok(LdapSource {
        uri: format!("{scheme}://{with_port}"),
        starttls,
        authorities,
        base: item.option("base")?.ok_or("base= does not say below which entry to search")?,
        filter: item.option("filter")?.unwrap_or_else(|| USUAL_FILTER.to_owned()),
        bind_dn,
        password_file,
        ignore_references: match item.option("references")?.as_deref() {
            None => false,
            Some("ignore") => true,
            Some(_) => return Err("references can only be ignore".to_owned()),
        },
    })
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
        for (text, uri) in [
            ("ldap:ldap://dc.example base=dc=x", "ldap://dc.example:389"),
            ("ldap:ldaps://[::1]/ base=dc=x", "ldaps://[::1]:636"),
            ("ldap:ldap://dc.example:3268 base=dc=x starttls=yes ca=/f", "ldap://dc.example:3268"),
        ] {
            assert_eq!(read(text).unwrap().source.to_string(), format!("ldap:{uri} base=\"dc=x\""));
        }
        let item = read("callout:mail.example:25 timeout=3s connections=2").unwrap();
        assert_eq!(item.source.to_string(), "callout:mail.example:25");
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
            ("callout:", "behind callout: stands HOST:PORT"),
            (
                "callout:mail.example:25 timeout=1",
                "timeout is a time with its unit, such as 5s, 10m or 24h, from 1ms to 1h",
            ),
            ("ldap:dc.example", "behind ldap: stands ldap://HOST or ldaps://HOST"),
            ("ldap:http://dc.example", "http:// is neither ldap:// nor ldaps://"),
            ("ldap:ldap://", "\"\" is no host, and no host and port"),
            ("ldap:ldap://dc.example", "base= does not say below which entry to search"),
            ("ldap:ldap://dc.example base=dc=x bind-dn=cn=y", "bind-dn and password-file go together"),
            ("ldap:ldap://dc.example base=dc=x ca=/f", "ca= needs ldaps:// or starttls=yes"),
            (
                "ldap:ldaps://dc.example base=dc=x starttls=yes",
                "ldaps:// is TLS from the begin, so starttls=yes cannot be",
            ),
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
