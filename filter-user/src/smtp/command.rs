//! Reads a command's arguments where they lie (RFC 5321 section 4.1.1). Does not know what may be said now (`order`)
//! nor what comes of it (`session`).

use super::offered::Offered;
use super::order::Verb;
use super::question::{AuthCommand, Hello, MailCommand, RcptCommand};
use super::reply::{self, Reply};
use super::xclient::XclientCommand;
use super::{auth, parameter, xclient};
use crate::address::{ForwardPath, PathError, ReversePath};

/// A command, borrowing from its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// HELO or EHLO.
    Hello(Hello<'a>),
    /// MAIL.
    Mail(MailCommand<'a>),
    /// RCPT.
    Rcpt(RcptCommand<'a>),
    /// DATA.
    Data,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth(AuthCommand<'a>),
    /// XCLIENT.
    Xclient(XclientCommand<'a>),
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY.
    Vrfy,
    /// HELP.
    Help,
    /// QUIT.
    Quit,
}

/// Why a command's arguments are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// For a reason that has its reply.
    Reply(Reply),
    /// The sender is no path.
    ReversePath(PathError),
    /// The recipient is no path.
    ForwardPath(PathError),
}

impl From<Reply> for Refusal {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

impl Refusal {
    /// Appends the reply to `out`.
    pub fn say(&self, out: &mut Vec<u8>) {
        let (code, error, grammar) = match self {
            Self::Reply(reply) => return reply.say(out),
            Self::ReversePath(error) => {
                ("501 5.1.7 ", error, "; syntax: MAIL FROM:<reverse-path> [parameters]\r\n")
            }
            Self::ForwardPath(error) => {
                ("501 5.1.3 ", error, "; syntax: RCPT TO:<forward-path> [parameters]\r\n")
            }
        };
        for part in [code, error.text(), grammar] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    /// The reply code.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Reply(reply) => reply.code(),
            Self::ReversePath(_) | Self::ForwardPath(_) => 501,
        }
    }
}

impl<'a> Command<'a> {
    /// Reads what stands behind a verb. `smtputf8`: this transaction's MAIL gave SMTPUTF8.
    ///
    /// # Errors
    ///
    /// The refusal names the grammar.
    pub fn parse(
        verb: Verb,
        arguments: &'a [u8],
        offered: &Offered,
        smtputf8: bool,
    ) -> Result<Self, Refusal> {
        match verb {
            Verb::Ehlo => hello(true, arguments, reply::EHLO_SYNTAX),
            Verb::Helo => hello(false, arguments, reply::HELO_SYNTAX),
            Verb::Mail => mail(arguments, offered),
            Verb::Rcpt => rcpt(arguments, offered, smtputf8),
            Verb::Data => alone(Command::Data, arguments, reply::DATA_SYNTAX),
            Verb::Rset => alone(Command::Rset, arguments, reply::RSET_SYNTAX),
            Verb::Quit => alone(Command::Quit, arguments, reply::QUIT_SYNTAX),
            Verb::Noop => Ok(Command::Noop),
            Verb::Help => Ok(Command::Help),
            Verb::Vrfy if arguments.trim_ascii().is_empty() => Err(reply::VRFY_SYNTAX.into()),
            Verb::Vrfy => Ok(Command::Vrfy),
            Verb::StartTls => alone(Command::StartTls, arguments, reply::STARTTLS_SYNTAX),
            Verb::Auth => Ok(Command::Auth(auth::command(arguments, offered)?)),
            Verb::Xclient => Ok(Command::Xclient(xclient::command(arguments)?)),
            Verb::Expn | Verb::Bdat => Err(reply::NOT_IMPLEMENTED.into()),
        }
    }
}

fn alone<'a>(command: Command<'a>, arguments: &[u8], syntax: Reply) -> Result<Command<'a>, Refusal> {
    if arguments.iter().all(|&b| b == b' ') { Ok(command) } else { Err(syntax.into()) }
}

/// A name or an address literal. Only what would be no word at all is refused: what a client calls itself decides
/// nothing here, and many call themselves something odd.
fn hello(extended: bool, arguments: &[u8], syntax: Reply) -> Result<Command<'_>, Refusal> {
    let name = std::str::from_utf8(arguments).map_err(|_| syntax)?.trim_matches(' ');
    if !is_hello_name(name) {
        return Err(syntax.into());
    }
    Ok(Command::Hello(Hello { extended, name }))
}

/// Whether a client may call itself so.
pub(super) fn is_hello_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn mail<'a>(arguments: &'a [u8], offered: &Offered) -> Result<Command<'a>, Refusal> {
    let argument = behind_keyword(arguments, b"FROM:").ok_or(reply::MAIL_SYNTAX)?;
    // whether SMTPUTF8 was given stands behind the path
    let (path, rest) = ReversePath::parse(argument, offered.smtputf8).map_err(|error| match error {
        PathError::NoOpeningBracket => Refusal::Reply(reply::MAIL_SYNTAX),
        error => Refusal::ReversePath(error),
    })?;
    let command = parameter::of_mail(path, separated(rest).ok_or(reply::MAIL_SYNTAX)?, offered)?;
    if !command.smtputf8 && !path.text().is_ascii() {
        return Err(Refusal::ReversePath(PathError::NotAscii));
    }
    Ok(Command::Mail(command))
}

fn rcpt<'a>(arguments: &'a [u8], offered: &Offered, smtputf8: bool) -> Result<Command<'a>, Refusal> {
    let argument = behind_keyword(arguments, b"TO:").ok_or(reply::RCPT_SYNTAX)?;
    let (path, rest) = ForwardPath::parse(argument, smtputf8).map_err(|error| match error {
        PathError::NoOpeningBracket => Refusal::Reply(reply::RCPT_SYNTAX),
        error => Refusal::ForwardPath(error),
    })?;
    let rest = separated(rest).ok_or(reply::RCPT_SYNTAX)?;
    Ok(Command::Rcpt(parameter::of_rcpt(path, rest, offered, smtputf8)?))
}

/// What stands behind `FROM:` or `TO:`. A space behind the colon is against the grammar, and common; it cannot be
/// misread.
fn behind_keyword<'a>(arguments: &'a [u8], keyword: &[u8]) -> Option<&'a [u8]> {
    let argument = without_spaces(arguments.strip_prefix(b" ")?);
    let (word, rest) = argument.split_at_checked(keyword.len())?;
    word.eq_ignore_ascii_case(keyword).then(|| without_spaces(rest))
}

/// What stands behind a path must be separated from it.
fn separated(rest: &[u8]) -> Option<&[u8]> {
    (rest.is_empty() || rest.starts_with(b" ")).then_some(rest)
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|&&b| b == b' ').count();
    &text[spaces..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::order::Row;

    fn parse(line: &str) -> Result<Command<'_>, String> {
        let offered = Offered { eight_bit_mime: true, smtputf8: true, dsn: true, ..Offered::default() };
        let (row, arguments) = Row::of(line.as_bytes()).unwrap();
        Command::parse(row.verb, arguments, &offered, false).map_err(|refusal| {
            let mut said = Vec::new();
            refusal.say(&mut said);
            let said = String::from_utf8(said).unwrap();
            assert!(said.starts_with(&refusal.code().to_string()));
            said.trim_end().to_owned()
        })
    }

    #[test]
    fn commands_that_stand_alone() {
        for (line, command) in [
            ("DATA", Command::Data),
            ("data  ", Command::Data),
            ("RSET", Command::Rset),
            ("STARTTLS", Command::StartTls),
            ("QUIT", Command::Quit),
            ("NOOP whatever", Command::Noop),
            ("HELP MAIL", Command::Help),
            ("VRFY a@b.example", Command::Vrfy),
        ] {
            assert_eq!(parse(line), Ok(command), "{line}");
        }
        for (line, said) in [
            ("DATA x", "501 5.5.4 syntax: DATA"),
            ("RSET x", "501 5.5.4 syntax: RSET"),
            ("QUIT x", "501 5.5.4 syntax: QUIT"),
            ("VRFY ", "501 5.5.4 syntax: VRFY string"),
            ("EXPN list", "502 5.5.1 not implemented"),
            ("STARTTLS x", "501 5.5.4 syntax: STARTTLS"),
            ("AUTH", "501 5.5.4 syntax: AUTH mechanism [initial-response]"),
            ("XCLIENT", "501 5.5.4 syntax: XCLIENT attribute=value ..., each once"),
        ] {
            assert_eq!(parse(line), Err(said.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_client_may_call_itself_nearly_anything() {
        for name in ["host.example", "[192.0.2.7]", "a_b", "localhost", "-", "müller"] {
            let line = format!("EHLO {name} ");
            assert_eq!(parse(&line), Ok(Command::Hello(Hello { extended: true, name })));
        }
        for line in ["EHLO", "EHLO ", "EHLO a b", "EHLO a\tb", "EHLO a\x01", "EHLO a\u{85}"] {
            assert_eq!(parse(line), Err("501 5.5.4 syntax: EHLO hostname".to_owned()), "{line:?}");
        }
        assert_eq!(parse("HELO"), Err("501 5.5.4 syntax: HELO hostname".to_owned()));
    }

    #[test]
    fn paths_stand_behind_their_keyword() {
        for line in ["MAIL FROM:<a@b.example>", "MAIL from:<a@b.example>", "MAIL  FROM: <a@b.example> "] {
            assert!(matches!(parse(line), Ok(Command::Mail(_))), "{line}");
        }
        for line in [
            "MAIL",
            "MAIL ",
            "MAIL FROM",
            "MAIL FROM:",
            "MAIL TO:<a@b.example>",
            "MAIL FROM:a@b.example",
            "MAIL FROM :<a@b.example>",
            "MAIL FROM:<a@b.example>SIZE=1",
            "MAIL <a@b.example>",
        ] {
            let said = "501 5.5.4 syntax: MAIL FROM:<reverse-path> [parameters]";
            assert_eq!(parse(line), Err(said.to_owned()), "{line}");
        }
        for line in ["RCPT", "RCPT FROM:<a@b.example>", "RCPT TO:a@b.example", "RCPT TO:<a@b.example>x"] {
            let said = "501 5.5.4 syntax: RCPT TO:<forward-path> [parameters]";
            assert_eq!(parse(line), Err(said.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_bad_path_is_told_its_fault_and_the_grammar() {
        for (line, said) in [
            ("MAIL FROM:<a@>", "501 5.1.7 domain is empty; syntax: MAIL FROM:<reverse-path> [parameters]"),
            (
                "RCPT TO:<a@b.>",
                "501 5.1.3 domain ends with a dot; syntax: RCPT TO:<forward-path> [parameters]",
            ),
            ("RCPT TO:<>", "501 5.1.3 recipient is empty; syntax: RCPT TO:<forward-path> [parameters]"),
            (
                "MAIL FROM:<ä@b.example>",
                "501 5.1.7 path is not ASCII and SMTPUTF8 was not given; \
                 syntax: MAIL FROM:<reverse-path> [parameters]",
            ),
        ] {
            assert_eq!(parse(line), Err(said.to_owned()), "{line}");
        }
        assert!(parse("MAIL FROM:<ä@b.example> SMTPUTF8").is_ok());
    }
}
