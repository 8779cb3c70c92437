//! Who decides in the transcripts: the real policy and a real directory, made of the settings line. No second rendering
//! of the rules; only which reply a decision gets is written again, because `proxy::judge` is not public.

use std::net::IpAddr;

use filter_user::address::ReversePath;
use filter_user::lookup::Directories;
use filter_user::policy::{
    ClientCertificate, Decision, DirectoryAnswer, Facts, Login, Policy, PolicySettings, Sender,
};
use filter_user::smtp::reply::{DIRECTORY_UNAVAILABLE, RELAYING_PROHIBITED, UNKNOWN_RECIPIENT};
use filter_user::smtp::{Answer, MailCommand, RcptCommand, XclientCommand};

use super::script::Settings;

/// What judges the recipients of one transcript.
pub(super) struct Judge {
    policy: Policy,
    directory: Directories,
    /// A file is read before anything else and never away; this stands for a directory that can be.
    away: bool,
    client: IpAddr,
    login: Option<Login>,
    certificate: Option<ClientCertificate>,
    /// The sender of the transaction, and where its domain begins.
    sender: Option<(String, usize)>,
}

impl Judge {
    /// Compiles what the settings line says.
    pub(super) fn new(settings: &Settings) -> Self {
        let policy = Policy::new(&PolicySettings {
            local_domains: settings.local.clone(),
            own_addresses: settings.own.clone(),
            reroute: true,
            relay_networks: settings.relay.iter().copied().map(Into::into).collect(),
            never_relay: settings.never.clone(),
            relay_authenticated: true,
            sender_logins: settings.sender_logins.clone(),
            relay_client_certificate: true,
            ..PolicySettings::default()
        });
        let directory = settings.mailboxes.as_ref().map_or_else(Directories::none, |mailboxes| {
            let folder = tempfile::tempdir().expect("a test may make a folder");
            let path = folder.path().join("mailboxes");
            std::fs::write(&path, mailboxes.join("\n")).expect("a test may write into its folder");
            Directories::from_file(path, &settings.local, false)
                .expect("the mailboxes of a transcript are some")
        });
        Self {
            policy,
            directory,
            away: settings.directory_away,
            client: settings.client,
            login: settings.login.as_deref().map(Login::proven),
            certificate: settings.certificate.clone().map(|name| ClientCertificate::verified(vec![name])),
            sender: None,
        }
    }

    /// A transaction begins.
    pub(super) fn begin(&mut self, mail: &MailCommand<'_>) {
        self.sender = match mail.path {
            ReversePath::Null => None,
            ReversePath::Mailbox(mailbox) => Some((mailbox.text.to_owned(), mailbox.local_part.len() + 1)),
        };
    }

    /// The client is another one; gives what a `D:` line calls it.
    pub(super) fn speak_for(&mut self, client: &XclientCommand<'_>) -> String {
        self.client = client.address.unwrap_or(self.client);
        let login = client.login.map_or_else(String::new, |login| format!(", logged in as {}", login.text()));
        format!("client is {}{login}", self.client)
    }

    /// The answer to a recipient, and what a `D:` line calls it.
    pub(super) fn judge(&self, rcpt: &RcptCommand<'_>) -> (Answer<'static>, String) {
        let placement = self.policy.place(&rcpt.path);
        let said = match placement.asks_directory() {
            Some(_) if self.away => DirectoryAnswer::Unavailable,
            Some(mailbox) => self.directory.answer_now(&mailbox).expect("a file answers at once"),
            None => DirectoryAnswer::NotAsked,
        };
        let sender = self.sender.as_ref().map_or(Sender::Null, |(text, domain)| Sender::Mailbox {
            local_part: &text[..domain - 1],
            domain: &text[*domain..],
        });
        let facts = Facts {
            sender: Some(sender),
            login: self.login.as_ref(),
            certificate: self.certificate.as_ref(),
            ..Facts::of_connection(self.client, None)
        };
        let decision = self.policy.decide(&facts, &placement, said);
        let answer = match decision {
            Decision::Route(_) | Decision::Relay(..) => Answer::Accept,
            Decision::Prohibited(_) => Answer::Refuse(RELAYING_PROHIBITED),
            Decision::UnknownRecipient => Answer::Refuse(UNKNOWN_RECIPIENT),
            Decision::Answer(answer) => panic!("no transcript has a routing table with answer {answer:?}"),
            Decision::TryLater => Answer::Refuse(DIRECTORY_UNAVAILABLE),
        };
        (answer, decision.to_string())
    }
}
