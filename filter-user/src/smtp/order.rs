//! The one table of commands, and what may be said now (RFC 5321 section 4.1.4). Does nothing of what they say.

use super::reply::{self, Reply};

/// A command's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The old greeting.
    Helo,
    /// The greeting that asks for extensions.
    Ehlo,
    /// Begins a transaction.
    Mail,
    /// Adds a recipient.
    Rcpt,
    /// Begins the message.
    Data,
    /// Ends a transaction.
    Rset,
    /// Does nothing.
    Noop,
    /// Asks whether a mailbox exists.
    Vrfy,
    /// Asks who is on a list.
    Expn,
    /// Asks for help.
    Help,
    /// Ends the session.
    Quit,
    /// Begins TLS (RFC 3207).
    StartTls,
    /// Authenticates (RFC 4954).
    Auth,
    /// Says who the client is, for it (Postfix's XCLIENT_README).
    Xclient,
    /// A piece of a message (RFC 3030).
    Bdat,
}

/// When a command may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At any time.
    Always,
    /// Outside a transaction.
    OutsideTransaction,
    /// After a greeting, outside a transaction.
    BetweenMessages,
    /// In a transaction.
    InTransaction,
    /// In a transaction with an accepted recipient.
    WithRecipient,
    /// Known, and not offered.
    Never,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name as it is written.
    pub name: &'static str,
    /// The command.
    pub verb: Verb,
    /// When it may be said.
    pub when: When,
}

/// Everything that a client may say.
pub const COMMANDS: &[Row] = &[
    Row { name: "RCPT", verb: Verb::Rcpt, when: When::InTransaction },
    Row { name: "MAIL", verb: Verb::Mail, when: When::BetweenMessages },
    Row { name: "EHLO", verb: Verb::Ehlo, when: When::Always },
    Row { name: "QUIT", verb: Verb::Quit, when: When::Always },
    Row { name: "DATA", verb: Verb::Data, when: When::WithRecipient },
    Row { name: "HELO", verb: Verb::Helo, when: When::Always },
    Row { name: "RSET", verb: Verb::Rset, when: When::Always },
    Row { name: "NOOP", verb: Verb::Noop, when: When::Always },
    Row { name: "VRFY", verb: Verb::Vrfy, when: When::Always },
    Row { name: "HELP", verb: Verb::Help, when: When::Always },
    Row { name: "STARTTLS", verb: Verb::StartTls, when: When::BetweenMessages },
    Row { name: "AUTH", verb: Verb::Auth, when: When::BetweenMessages },
    Row { name: "XCLIENT", verb: Verb::Xclient, when: When::OutsideTransaction },
    Row { name: "EXPN", verb: Verb::Expn, when: When::Never },
    Row { name: "BDAT", verb: Verb::Bdat, when: When::Never },
];

/// What became of a transaction's recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// None was named.
    NoneYet,
    /// All that were named were refused.
    AllRefused,
    /// So many were accepted.
    Accepted(u32),
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The banner was said.
    Connected,
    /// The client introduced itself; no transaction is open.
    Greeted,
    /// MAIL was accepted.
    Transaction {
        /// MAIL gave SMTPUTF8.
        smtputf8: bool,
        /// What became of the recipients.
        recipients: Recipients,
    },
}

impl Row {
    /// Finds the command that a line begins with, and gives what stands behind its name: nothing, or a space and more.
    #[must_use]
    pub fn of(line: &[u8]) -> Option<(&'static Self, &[u8])> {
        let end = memchr::memchr(b' ', line).unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        let row = COMMANDS.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(word))?;
        Some((row, rest))
    }

    /// Whether the command may be said now.
    ///
    /// # Errors
    ///
    /// The reply that says what is to be said first.
    pub fn may_be_said(&self, phase: Phase) -> Result<(), Reply> {
        match (self.when, phase) {
            (When::Never, _) => Err(reply::NOT_IMPLEMENTED),
            (When::Always, _)
            | (When::OutsideTransaction, Phase::Connected | Phase::Greeted)
            | (When::BetweenMessages, Phase::Greeted)
            | (When::InTransaction, Phase::Transaction { .. })
            | (When::WithRecipient, Phase::Transaction { recipients: Recipients::Accepted(_), .. }) => Ok(()),
            (When::BetweenMessages, Phase::Transaction { .. }) if self.verb == Verb::Mail => {
                Err(reply::NESTED_MAIL)
            }
            (When::BetweenMessages | When::OutsideTransaction, Phase::Transaction { .. }) => {
                Err(reply::IN_TRANSACTION)
            }
            (_, Phase::Connected) => Err(reply::HELLO_FIRST),
            (_, Phase::Greeted) => Err(reply::MAIL_FIRST),
            (_, Phase::Transaction { recipients: Recipients::AllRefused, .. }) => {
                Err(reply::NO_VALID_RECIPIENTS)
            }
            (_, Phase::Transaction { .. }) => Err(reply::RCPT_FIRST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_its_first_word_in_any_case() {
        let found = |line: &'static str| Row::of(line.as_bytes()).map(|(row, rest)| (row.verb, rest));
        assert_eq!(found("mail FROM:<>"), Some((Verb::Mail, &b" FROM:<>"[..])));
        assert_eq!(found("Quit"), Some((Verb::Quit, &b""[..])));
        for line in ["", " ", " QUIT", "QUITE", "MAIL\tFROM:<>", "MAILFROM:<>", "XFORWARD"] {
            assert_eq!(found(line), None, "{line:?}");
        }
    }

    #[test]
    fn what_may_be_said_when() {
        let transaction = |recipients| Phase::Transaction { smtputf8: false, recipients };
        let phases = [
            Phase::Connected,
            Phase::Greeted,
            transaction(Recipients::NoneYet),
            transaction(Recipients::AllRefused),
            transaction(Recipients::Accepted(1)),
        ];
        // a column for each phase: 0 is yes
        let table = [
            ("HELO", [0; 5]),
            ("EHLO", [0; 5]),
            ("MAIL", [503, 0, 503, 503, 503]),
            ("RCPT", [503, 503, 0, 0, 0]),
            ("DATA", [503, 503, 503, 554, 0]),
            ("RSET", [0; 5]),
            ("NOOP", [0; 5]),
            ("VRFY", [0; 5]),
            ("HELP", [0; 5]),
            ("QUIT", [0; 5]),
            ("EXPN", [502; 5]),
            ("STARTTLS", [503, 0, 503, 503, 503]),
            ("AUTH", [503, 0, 503, 503, 503]),
            ("XCLIENT", [0, 0, 503, 503, 503]),
            ("BDAT", [502; 5]),
        ];
        assert_eq!(table.len(), COMMANDS.len());
        for (name, codes) in table {
            let (row, _) = Row::of(name.as_bytes()).unwrap();
            for (phase, code) in phases.iter().zip(codes) {
                let said = row.may_be_said(*phase).err().map_or(0, |reply| reply.code());
                assert_eq!(said, code, "{name} in {phase:?}");
            }
        }
    }
}
