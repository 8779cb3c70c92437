//! Settings: directories: who the local recipients are.

use super::{DAY, MOMENT, YEAR, count, time};
use crate::config::kind::{Count, Delimiters, Directory, DomainName, File, Time};
use crate::config::setting::DefaultValue::{Is, Nothing};

settings! { "Directories":
    MAILBOXES: File = "mailboxes", Nothing, File,
        "The mailbox file: one address or local-part a line, `@domain` for all of a domain, `#` for comments. Read again at SIGHUP. It is the first directory, for every local domain. Without any directory the backend's own answer to RCPT decides.";
    DIRECTORY: Directory = "directory" many, Nothing, Directory,
        "A directory of local recipients. They are asked in the order given; the first that is for the recipient's domain answers, and says yes, no, or that it cannot say now, which is told the client as 451. `file:` is a mailbox file; with `aliases=yes` what stands behind each address is skipped, as in Postfix's tables and `/etc/aliases`. `ldap:` is OpenLDAP, Active Directory or another server of that protocol; it is searched below `base` for `filter`, in which `%s` is the recipient's address, `%u` its local-part and `%d` its domain, and exactly one entry that shows the address is a yes. `callout:` is a mail server that is asked whether it would take mail for the recipient, from the null sender. `socketmap:` is a server of Postfix's protocol of that name, asked for `key`, with the same places. An address that carries another one is asked only of a directory that holds exactly what it knows: a file, LDAP, and a socketmap with `exact=yes`, which says that its map is no map of patterns.";
    RECIPIENT_DELIMITER: Delimiters = "recipient-delimiter", Nothing, Delimiters,
        "Where one of these characters stands in a local-part that is not known, what stands before it decides: `user+tag` is known if `user` is. Never for an address that carries another.";
    CATCH_ALL: DomainName = "catch-all" many, Nothing, DomainName,
        "A local domain of which every recipient is taken, known or not. An address that carries another needs a directory that holds exactly it, even here.";
    DIRECTORY_TIMEOUT: Time = "directory-timeout", Is("10s"), time(MOMENT, DAY),
        "How long a directory may take for an answer, all waits for it included; then the client is told to try later.";
    DIRECTORY_CACHE_SIZE: Count = "directory-cache-size", Is("100000"), count("recipients", 2, 100_000_000),
        "How many answers of remote directories are remembered: so many of known recipients, and apart from them so many of unknown ones. A mailbox file is in memory as a whole.";
    DIRECTORY_CACHE_FOR: Time = "directory-cache-for", Is("1h"), time(MOMENT, YEAR),
        "How long a recipient that a remote directory knows is remembered.";
    DIRECTORY_CACHE_UNKNOWN_FOR: Time = "directory-cache-unknown-for", Is("5m"), time(MOMENT, YEAR),
        "How long a recipient that a remote directory does not know is remembered. SIGHUP forgets all that is remembered.";
}
