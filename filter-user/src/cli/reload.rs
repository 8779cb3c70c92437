//! SIGHUP: what was read from files is read again, each file, and all certificates, whole or not at all.

use std::error::Error;
use std::time::SystemTime;

use super::privileges::advice;
use crate::auth::{Authenticator, Reloaded};
use crate::lookup::Directories;
use crate::proxy::{ServerTls, Shared};
use crate::telemetry::label::Outcome;
use crate::telemetry::{Metrics, field};

/// Reads everything again; takes its time.
pub(super) fn reload(shared: &Shared) {
    let (directories, tls) = (&shared.judge.directories, &shared.settings.tls);
    let metrics = Metrics::new();
    if directories.is_configured() {
        reload_directories(directories, &metrics);
    }
    if let Some(tls) = tls {
        reload_certificates(tls, &metrics);
    }
    let passwords = shared.authenticator.as_ref();
    if let Some(authenticator) = passwords {
        reload_passwords(authenticator);
    }
    if !directories.is_configured() && tls.is_none() && passwords.is_none() {
        tracing::info!("nothing to reload: neither a directory nor a tls-certificate nor auth is set");
    }
}

/// Reads the mailbox files again, and forgets what remote directories have said.
pub(super) fn reload_directories(directories: &Directories, metrics: &Metrics) {
    let errors = directories.reload();
    let count = directories.len();
    let outcome = if errors.is_empty() { Outcome::Ok } else { Outcome::Failed };
    metrics.mailbox_reloads.of(outcome).increment(1);
    metrics.mailboxes.set(count as f64);
    if errors.is_empty() {
        tracing::info!({ field::COUNT } = count, "directories reloaded");
    }
    for error in &errors {
        tracing::error!(
            { field::ERROR } = %error,
            "mailbox file not reloaded; what was read before stays in force{}",
            what_to_do(error)
        );
    }
}

fn reload_certificates(tls: &ServerTls, metrics: &Metrics) {
    let outcome = match tls.reload() {
        Ok(()) => {
            tracing::info!("certificates reloaded");
            for warning in tls.warnings(SystemTime::now()) {
                tracing::warn!("{warning}");
            }
            metrics.tls_first_end.set(tls.first_end() as f64);
            Outcome::Ok
        }
        Err(error) => {
            tracing::error!(
                { field::ERROR } = %error,
                "certificates not reloaded; those that were read before stay in force{}",
                what_to_do(&error)
            );
            Outcome::Failed
        }
    };
    metrics.tls_reloads.of(outcome).increment(1);
}

fn reload_passwords(authenticator: &Authenticator) {
    for Reloaded { path, logins } in authenticator.reload() {
        match logins {
            Ok(count) => {
                tracing::info!({ field::COUNT } = count, "password file {} reloaded", path.display());
            }
            Err(error) => tracing::error!(
                { field::ERROR } = %error,
                "password file not reloaded; what was read before stays in force{}",
                what_to_do(&error)
            ),
        }
    }
}

/// For want of permission: since the start, the daemon is somebody else, or may less.
fn what_to_do(error: &(dyn Error + 'static)) -> String {
    advice(error).map_or_else(String::new, |advice| format!("; {advice}"))
}
