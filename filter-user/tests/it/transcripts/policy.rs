//! What the transcripts' server says to a recipient: the relay decision as far as a conversation needs it.

use filter_user::address::{Domain, ForwardPath};
use filter_user::smtp::reply::{DIRECTORY_UNAVAILABLE, RELAYING_PROHIBITED, UNKNOWN_RECIPIENT};
use filter_user::smtp::{Answer, RcptCommand};

use super::script::Settings;

/// The one seam to the relay decision: the answer, and what a `D:` line calls it.
pub(super) fn judge(settings: &Settings, rcpt: &RcptCommand<'_>) -> (Answer<'static>, &'static str) {
    let mailbox = match rcpt.path {
        ForwardPath::Postmaster => return (Answer::Accept, "route"),
        ForwardPath::Mailbox(mailbox) => mailbox,
    };
    let ours = match mailbox.domain {
        Domain::Name(name) => settings.local.iter().any(|local| local.eq_ignore_ascii_case(name)),
        Domain::Literal(_) | Domain::General(_) => false,
    };
    let known =
        |mailboxes: &Vec<String>| mailboxes.iter().any(|known| known.eq_ignore_ascii_case(mailbox.text));
    if !ours {
        return if settings.relay.contains(&settings.client) {
            (Answer::Accept, "relay")
        } else {
            (Answer::Refuse(RELAYING_PROHIBITED), "prohibited, no grant")
        };
    }
    if settings.directory_away {
        return (Answer::Refuse(DIRECTORY_UNAVAILABLE), "try later");
    }
    match &settings.mailboxes {
        Some(mailboxes) if known(mailboxes) => (Answer::Accept, "route"),
        _ if mailbox.local_part.contains(['%', '!', '@', ':']) => {
            (Answer::Refuse(RELAYING_PROHIBITED), "prohibited, disguised")
        }
        Some(_) => (Answer::Refuse(UNKNOWN_RECIPIENT), "unknown recipient"),
        None => (Answer::Accept, "route"),
    }
}
