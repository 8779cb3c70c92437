//! What a transaction is about, kept until a backend is told: how the client introduced itself, its MAIL and the
//! recipient in question. Envelopes are pooled, so a refused transaction allocates nothing once the pool is warm.

use std::fmt::Write as _;

use super::capabilities::Capabilities;
use crate::address::{Domain, ForwardPath, Mailbox, ReversePath};
use crate::policy::Sender;
use crate::policy::domain_set::canonical;
use crate::smtp::{Hello, MailCommand, RcptCommand};

/// The text that a session gave us, in commands that still have to be sent.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    helo: String,
    extended: bool,
    sender: String,
    /// Where the sender's domain begins.
    sender_domain: usize,
    ret: String,
    envid: String,
    size: Option<u64>,
    eight_bit: bool,
    smtputf8: bool,
    require_tls: bool,
    recipient: String,
    notify: String,
    orcpt: String,
}

/// Why a backend cannot take a message as the client announced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It needs 8BITMIME.
    EightBit,
    /// It needs SMTPUTF8.
    Utf8,
    /// It needs REQUIRETLS.
    Tls,
}

impl Envelope {
    /// HELO or EHLO.
    pub(super) fn introduce(&mut self, hello: &Hello<'_>) {
        set(&mut self.helo, hello.name);
        self.extended = hello.extended;
        self.clear();
    }

    /// Whether the client has introduced itself so already.
    #[must_use]
    pub(super) fn is_introduced_as(&self, hello: &Hello<'_>) -> bool {
        (self.helo.as_str(), self.extended) == (hello.name, hello.extended)
    }

    /// Forgets the transaction, not the introduction.
    pub(super) fn clear(&mut self) {
        self.sender.clear();
        self.recipient.clear();
    }

    /// MAIL.
    pub(super) fn begin(&mut self, mail: &MailCommand<'_>) {
        match mail.path {
            ReversePath::Null => self.sender.clear(),
            ReversePath::Mailbox(mailbox) => {
                set(&mut self.sender, mailbox.text);
                self.sender_domain = mailbox.local_part.len() + 1;
            }
        }
        set(&mut self.ret, mail.ret.unwrap_or_default());
        set(&mut self.envid, mail.envid.unwrap_or_default());
        self.size = mail.size;
        self.eight_bit = mail.eight_bit;
        self.smtputf8 = mail.smtputf8;
        self.require_tls = mail.require_tls;
    }

    /// RCPT: the one recipient that is in question now, with its parameters.
    pub(super) fn address_to(&mut self, rcpt: &RcptCommand<'_>, ours: bool) {
        self.name_recipient(&rcpt.path, ours);
        set(&mut self.notify, rcpt.notify.unwrap_or_default());
        set(&mut self.orcpt, rcpt.orcpt.unwrap_or_default());
    }

    /// Whom the backend is told. A domain of ours goes there as A-labels, whatever it was written in, and the postmaster at
    /// an address of ours as postmaster alone: the backend must not take for foreign what we took for ours.
    pub(super) fn name_recipient(&mut self, path: &ForwardPath<'_>, ours: bool) {
        match path {
            ForwardPath::Postmaster => set(&mut self.recipient, "postmaster"),
            ForwardPath::Mailbox(Mailbox { domain: Domain::Literal(_), .. }) if ours => {
                set(&mut self.recipient, "postmaster");
            }
            ForwardPath::Mailbox(Mailbox { local_part, domain: Domain::Name(name), .. })
                if ours && !name.is_ascii() =>
            {
                set(&mut self.recipient, local_part);
                self.recipient.push('@');
                self.recipient.push_str(canonical(name).as_deref().unwrap_or(name));
            }
            ForwardPath::Mailbox(mailbox) => set(&mut self.recipient, mailbox.text),
        }
    }

    /// How the client introduced itself.
    #[must_use]
    pub(super) fn helo(&self) -> &str {
        &self.helo
    }

    /// Whether it said EHLO.
    #[must_use]
    pub(super) fn extended(&self) -> bool {
        self.extended
    }

    /// The sender, empty for the null reverse-path.
    #[must_use]
    pub(super) fn sender(&self) -> &str {
        &self.sender
    }

    /// The sender, as the policy asks for it.
    #[must_use]
    pub(super) fn sender_parts(&self) -> Sender<'_> {
        match (self.sender.get(..self.sender_domain.saturating_sub(1)), self.sender.get(self.sender_domain..))
        {
            (Some(local_part), Some(domain)) if !self.sender.is_empty() => {
                Sender::Mailbox { local_part, domain }
            }
            _ => Sender::Null,
        }
    }

    /// The recipient in question.
    #[must_use]
    pub(super) fn recipient(&self) -> &str {
        &self.recipient
    }

    /// The MAIL command, with the parameters that the backend understands.
    pub(super) fn mail_command(&self, backend: &Capabilities) -> Result<String, Unfit> {
        if self.eight_bit && !backend.eight_bit_mime {
            return Err(Unfit::EightBit);
        }
        if self.smtputf8 && !backend.smtputf8 {
            return Err(Unfit::Utf8);
        }
        if self.require_tls && !backend.require_tls {
            return Err(Unfit::Tls);
        }
        let mut command = format!("MAIL FROM:<{}>", self.sender);
        if let (Some(size), Some(_)) = (self.size, backend.size) {
            // Writing to a String cannot fail.
            let _ = write!(command, " SIZE={size}");
        }
        if self.eight_bit {
            command.push_str(" BODY=8BITMIME");
        }
        if self.smtputf8 {
            command.push_str(" SMTPUTF8");
        }
        if self.require_tls {
            command.push_str(" REQUIRETLS");
        }
        if backend.dsn {
            parameter(&mut command, "RET", &self.ret);
            parameter(&mut command, "ENVID", &self.envid);
        }
        command.push_str("\r\n");
        Ok(command)
    }

    /// The RCPT command, with the parameters that the backend understands.
    #[must_use]
    pub(super) fn rcpt_command(&self, backend: &Capabilities) -> String {
        let mut command = format!("RCPT TO:<{}>", self.recipient);
        if backend.dsn {
            parameter(&mut command, "NOTIFY", &self.notify);
            parameter(&mut command, "ORCPT", &self.orcpt);
        }
        command.push_str("\r\n");
        command
    }
}

fn set(kept: &mut String, text: &str) {
    kept.clear();
    kept.push_str(text);
}

fn parameter(command: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        let _ = write!(command, " {name}={value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(text: &str) -> Mailbox<'_> {
        let (local_part, domain) = text.rsplit_once('@').unwrap();
        Mailbox { local_part, domain: Domain::Name(domain), text }
    }

    fn mail(path: ReversePath<'_>) -> MailCommand<'_> {
        MailCommand {
            path,
            size: Some(99),
            eight_bit: true,
            smtputf8: false,
            require_tls: false,
            ret: Some("HDRS"),
            envid: Some("q1"),
        }
    }

    #[test]
    fn commands_carry_what_the_backend_understands() {
        let mut envelope = Envelope::default();
        envelope.begin(&mail(ReversePath::Mailbox(mailbox("a@far.example"))));
        let rcpt = RcptCommand {
            path: ForwardPath::Mailbox(mailbox("b@example.test")),
            notify: Some("NEVER"),
            orcpt: None,
        };
        envelope.address_to(&rcpt, true);
        let mut backend = Capabilities { eight_bit_mime: true, ..Capabilities::default() };
        assert_eq!(envelope.mail_command(&backend).unwrap(), "MAIL FROM:<a@far.example> BODY=8BITMIME\r\n");
        assert_eq!(envelope.rcpt_command(&backend), "RCPT TO:<b@example.test>\r\n");
        backend.dsn = true;
        backend.size = Some(None);
        assert_eq!(
            envelope.mail_command(&backend).unwrap(),
            "MAIL FROM:<a@far.example> SIZE=99 BODY=8BITMIME RET=HDRS ENVID=q1\r\n"
        );
        assert_eq!(envelope.rcpt_command(&backend), "RCPT TO:<b@example.test> NOTIFY=NEVER\r\n");
        assert_eq!(envelope.mail_command(&Capabilities::default()), Err(Unfit::EightBit));
        envelope.begin(&MailCommand { require_tls: true, ..mail(ReversePath::Null) });
        assert_eq!(envelope.mail_command(&backend), Err(Unfit::Tls));
        let keeps_it = Capabilities { require_tls: true, ..backend };
        assert!(envelope.mail_command(&keeps_it).unwrap().contains(" REQUIRETLS"));
    }

    #[test]
    fn a_domain_of_ours_goes_to_the_backend_as_a_labels() {
        let mut envelope = Envelope::default();
        let rcpt = RcptCommand {
            path: ForwardPath::Mailbox(mailbox("b@b\u{fc}cher.example")),
            notify: None,
            orcpt: None,
        };
        envelope.address_to(&rcpt, true);
        assert_eq!(envelope.recipient(), "b@xn--bcher-kva.example");
        envelope.address_to(&rcpt, false);
        assert_eq!(envelope.recipient(), "b@b\u{fc}cher.example");
    }

    #[test]
    fn the_postmaster_at_our_address_is_the_backends_postmaster() {
        let address = "192.0.2.1".parse().unwrap();
        let postmaster = Mailbox {
            local_part: "postmaster",
            domain: Domain::Literal(address),
            text: "postmaster@[192.0.2.1]",
        };
        let mut envelope = Envelope::default();
        envelope.name_recipient(&ForwardPath::Mailbox(postmaster), true);
        assert_eq!(envelope.recipient(), "postmaster");
        envelope.name_recipient(&ForwardPath::Mailbox(postmaster), false);
        assert_eq!(envelope.recipient(), "postmaster@[192.0.2.1]");
    }

    #[test]
    fn the_sender_is_the_last_that_was_given() {
        let mut envelope = Envelope::default();
        envelope.begin(&mail(ReversePath::Mailbox(mailbox("a@far.example"))));
        envelope.begin(&MailCommand { eight_bit: false, ret: None, envid: None, ..mail(ReversePath::Null) });
        assert_eq!(envelope.mail_command(&Capabilities::default()).unwrap(), "MAIL FROM:<>\r\n");
        assert_eq!(envelope.sender_parts(), Sender::Null);
        let mailbox =
            Mailbox { local_part: "\"a@b\"", domain: Domain::General("x:y@z"), text: "\"a@b\"@[x:y@z]" };
        envelope.begin(&mail(ReversePath::Mailbox(mailbox)));
        let parts = Sender::Mailbox { local_part: "\"a@b\"", domain: "[x:y@z]" };
        assert_eq!(envelope.sender_parts(), parts);
        assert_eq!(Sender::of(&ReversePath::Mailbox(mailbox)), parts);
    }
}
