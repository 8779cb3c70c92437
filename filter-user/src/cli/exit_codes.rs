//! What the exit code says: 0 it is done, 1 it failed, 2 the command line or a configuration file is wrong.

use std::process::ExitCode;

use crate::auth::PasswordFileError;
use crate::config::ConfigError;
use crate::lookup::DirectoryError;
use crate::privilege::PrivilegeError;
use crate::proxy::{CredentialsError, TlsError};

/// It failed while it ran.
pub const FAILED: u8 = 1;
/// It was told something wrong: flag, variable, configuration, mailbox or password file.
pub const USAGE: u8 = 2;

/// An error in what relaygate was told, that no module's own error type says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Prints an error, and says which exit code it comes to.
#[must_use]
pub fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(clap) = clap_error(error) {
        // Also the way of --help and --version, which are no errors. Where they cannot be printed, nothing can be said.
        let _ = clap.print();
        return u8::try_from(clap.exit_code()).map_or(USAGE, |code| code).into();
    }
    if of(error) != 0 {
        eprintln!("relaygate: {error:#}");
    }
    of(error).into()
}

/// The exit code of an error.
#[must_use]
pub fn of(error: &anyhow::Error) -> u8 {
    if let Some(clap) = clap_error(error) {
        return u8::try_from(clap.exit_code()).unwrap_or(USAGE);
    }
    let is_usage = error.chain().any(|cause| {
        cause.is::<ConfigError>()
            || cause.is::<DirectoryError>()
            || cause.is::<PasswordFileError>()
            || cause.is::<TlsError>()
            || cause.is::<CredentialsError>()
            || cause.is::<UsageError>()
            || matches!(
                cause.downcast_ref(),
                Some(PrivilegeError::Unknown { .. } | PrivilegeError::MayNotBecome { .. })
            )
    });
    // Who closes our output early, as `head` does, has seen enough.
    let is_closed_pipe = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe);
    match (is_usage, is_closed_pipe) {
        (true, _) => USAGE,
        (false, true) => 0,
        (false, false) => FAILED,
    }
}

fn clap_error(error: &anyhow::Error) -> Option<&clap::Error> {
    match error.downcast_ref::<ConfigError>() {
        Some(ConfigError::CommandLine(clap)) => Some(clap),
        _ => error.downcast_ref::<clap::Error>(),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn what_was_told_wrong_is_two_and_what_went_wrong_is_one() {
        let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let rows = [
            (anyhow::Error::from(ConfigError::NoBackend).context("outside"), USAGE),
            (anyhow::Error::from(UsageError("no such thing".to_owned())), USAGE),
            (anyhow::anyhow!("the wind turned"), FAILED),
            (Err::<(), _>(closed).context("cannot print").unwrap_err(), 0),
        ];
        for (error, code) in rows {
            assert_eq!(of(&error), code, "{error:#}");
        }
    }
}
