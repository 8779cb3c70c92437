//! `relaygate check`: loads all that `run` would load, says what would run, and starts nothing.

use std::io::Write;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use clap::ArgMatches;

use super::descriptors;
use super::destinations;
use crate::auth::{PasswordFile, PasswordFileError, password_file};
use crate::config::{Config, Effective, Hook, Origin};
use crate::lookup::Directories;
use crate::privilege::Identity;
use crate::proxy::{ClientTls, OwnListeners, ServerTls, TlsError};

/// Checks, and prints what would run.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (config, settings) = Config::load_shown(matches)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let directories = Directories::open(&config, runtime.handle())?;
    if let Some(user) = &config.kernel.user {
        Identity::of(user)?;
    }
    let tls = ServerTls::load(&config.tls)?;
    let listen: Vec<_> = config.listen.iter().map(|listen| listen.address).collect();
    destinations::check(&config, &OwnListeners::new(&listen, &config.own_addresses), &runtime)?;
    let logins = config.auth.password_files().map(|path| Ok((path, PasswordFile::load(path)?.len())));
    let logins = logins.collect::<Result<Vec<_>, PasswordFileError>>()?;
    let mut out = std::io::stdout().lock();
    print(&mut out, &config, &settings, &directories).context("cannot print")?;
    for (path, count) in logins {
        writeln!(out, "The password file {} has {count} logins.", path.display()).context("cannot print")?;
    }
    for warning in warnings(&config, &directories, tls.as_ref()) {
        eprintln!("warning: {warning}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What is allowed but is hardly meant: in the settings, in the mailbox file, in the certificates,
/// in what the system gives.
pub fn warnings(config: &Config, directories: &Directories, tls: Option<&ServerTls>) -> Vec<String> {
    let mut warnings = config.warnings();
    warnings.extend(tls.iter().flat_map(|tls| tls.warnings(SystemTime::now())));
    let empty = directories.files().filter(|(_, entries)| *entries == 0);
    warnings.extend(empty.map(|(file, _)| {
        let file = file.display();
        format!("the mailbox file {file} has no entries: every recipient but postmaster is refused")
    }));
    warnings.extend(config.auth.password_files().filter_map(|path| password_file::exposure(path)));
    warnings.extend(descriptors::shortage(config));
    warnings.extend(config.kernel.interfaces.iter().filter_map(|interface| absence(interface)));
    warnings
}

/// The TLS of connections to the backend.
pub fn backend_tls(config: &Config) -> Result<ClientTls, TlsError> {
    ClientTls::new(config.backend_tls.level, config.backend_tls.authorities.as_deref())
}

/// What is to be said of an interface that is not there, which may be one that comes later or a slip of the pen.
fn absence(interface: &str) -> Option<String> {
    if nix::net::if_::if_nametoindex(interface).is_ok() {
        return None;
    }
    let known = nix::net::if_::if_nameindex().map_or_else(
        |_| String::new(),
        |known| {
            let names: Vec<_> =
                known.iter().map(|known| known.name().to_string_lossy().into_owned()).collect();
            format!(" This host has {}.", names.join(", "))
        },
    );
    Some(format!(
        "interface = {interface:?}: there is no such network interface now; until it comes, sanctions are enforced when \
         its connections are accepted.{known}"
    ))
}

/// Every setting as it stands; what was set is marked with its place.
fn print(
    out: &mut dyn Write,
    config: &Config,
    settings: &[Effective],
    directories: &Directories,
) -> std::io::Result<()> {
    writeln!(out, "relaygate {} would run with", env!("CARGO_PKG_VERSION"))?;
    let name_width = settings.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
    for setting in settings {
        let value = match setting.name {
            "hostname" => config.hostname.clone(),
            "workers" => config.workers.to_string(),
            _ => setting.value.clone(),
        };
        let (name, origin) = (setting.name, &setting.origin);
        match origin {
            Origin::Default => writeln!(out, "  {name:name_width$}  {value}")?,
            _ => writeln!(out, "  {name:name_width$}  {value}  ({origin})")?,
        }
    }
    for (file, entries) in directories.files() {
        writeln!(out, "The mailbox file {} has {entries} entries.", file.display())?;
    }
    let home = if config.kernel.hook == Hook::None {
        "when connections are accepted: hook = none".to_owned()
    } else if config.kernel.interfaces.is_empty() {
        "when connections are accepted: no interface is set".to_owned()
    } else {
        format!(
            "in the kernel on {}, where it can be had, else when connections are accepted",
            config.kernel.interfaces.join(", ")
        )
    };
    writeln!(out, "Sanctions are enforced {home}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_is_told_with_those_that_are() {
        assert_eq!(absence("lo"), None);
        let warning = absence("eth-nowhere").unwrap();
        assert!(warning.contains("\"eth-nowhere\"") && warning.contains("This host has lo"), "{warning}");
    }
}
