//! `relaygate passwd`: sets, deletes or verifies a login of a password file. The password is asked for at the terminal,
//! or read as one line where there is none; it is never an argument, which everybody on the host could read.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use zeroize::Zeroizing;

use super::exit_codes::{FAILED, UsageError};
use crate::auth::password_file::edit::{self, Edited};
use crate::auth::{PasswordFile, PasswordFileError};

/// The longest line that is read for a password.
const MAX_LINE: u64 = 4096;

/// Its arguments.
#[must_use]
pub fn command() -> Command {
    Command::new("passwd")
        .about("Sets the password of a login in a password file")
        .long_about(
            "Sets the password of a login in a password file, which `--auth file:FILE` names. The password is asked for \
             twice at the terminal; where there is none, it is one line of the standard input. It is kept as an argon2id \
             hash and a verifier for SCRAM-SHA-256. A running relaygate reads the file again at SIGHUP.",
        )
        .arg(Arg::new("file").value_name("FILE").required(true).value_parser(value_parser!(PathBuf)).help("The password file; made where there is none"))
        .arg(Arg::new("login").value_name("LOGIN").required(true).help("The login"))
        .arg(flag("delete", "Takes the login out").conflicts_with_all(["verify", "no-scram"]))
        .arg(flag("verify", "Says whether the password is that of the login, and changes nothing; exit code 1 if not"))
        .arg(flag("no-scram", "Keeps no verifier for SCRAM, which is easier to guess passwords with than the hash, should the file be stolen").conflicts_with("verify"))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// Does what the arguments say.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let path = matches.get_one::<PathBuf>("file").context("no file was named")?;
    let login = matches.get_one::<String>("login").context("no login was named")?;
    if matches.get_flag("verify") {
        let file = PasswordFile::load(path)?;
        let password = ask(login, false)?;
        let verified = file.verify(login, password.as_bytes());
        let verified = verified
            .ok_or_else(|| PasswordFileError::Unknown { path: path.clone(), login: login.clone() })?;
        say(if verified { "the password is right" } else { "the password is wrong" })?;
        return Ok(if verified { ExitCode::SUCCESS } else { FAILED.into() });
    }
    let edited = if matches.get_flag("delete") {
        edit::delete(path, login)?
    } else {
        let password = ask(login, true)?;
        edit::set(path, login, password.as_bytes(), !matches.get_flag("no-scram"))?
    };
    say(match edited {
        Edited::Added => "login added",
        Edited::Changed => "password changed",
        Edited::Deleted => "login deleted",
    })?;
    Ok(ExitCode::SUCCESS)
}

fn say(what: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{what}").context("cannot print")
}

/// The password, from the terminal (twice where it is a new one) or from the standard input.
fn ask(login: &str, is_new: bool) -> anyhow::Result<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        let mut line = Zeroizing::new(String::with_capacity(MAX_LINE as usize));
        std::io::stdin().lock().take(MAX_LINE).read_line(&mut line).context("cannot read the password")?;
        let length = line.trim_end_matches(['\n', '\r']).len();
        line.truncate(length);
        return Ok(line);
    }
    let prompt = |text: String| {
        rpassword::prompt_password(text).map(Zeroizing::new).context("cannot ask for the password")
    };
    let password = prompt(format!("Password of {login}: "))?;
    if is_new {
        let again = prompt("The same again: ".to_owned())?;
        ensure!(password == again, UsageError("the two passwords differ; nothing has changed".to_owned()));
    }
    Ok(password)
}
