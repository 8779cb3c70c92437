//! `relaygate doctor`: what this machine can do for the kernel's part, and what would be done on each interface. Reads only.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{ArgMatches, Command};
use serde::Serialize;

use super::control::{json_flag, shown};
use super::exit_codes;
use crate::config::KernelPart;
use crate::kernel::survey::{InterfaceSurvey, NativeXdp, Source, Survey, survey};

/// The subcommand, without the settings.
#[must_use]
pub fn command() -> Command {
    Command::new("doctor")
        .about("Says what this machine can do for sanctions in the kernel, and on these interfaces")
        .arg(json_flag())
}

/// Looks, and prints what was found; a failure where sanctions cannot be enforced in the kernel.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    // Before there is a configuration, too.
    let kernel = KernelPart::load(matches)?;
    let report = Report { survey: survey(&kernel.interfaces, kernel.pins.as_deref()) };
    let text = shown(matches, &report)?;
    writeln!(std::io::stdout().lock(), "{}", text.trim_end()).context("cannot print")?;
    Ok(if report.survey.can_enforce { ExitCode::SUCCESS } else { exit_codes::FAILED.into() })
}

/// The survey, for people.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    survey: Survey,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Survey { kernel, findings, features, interfaces, can_enforce } = &self.survey;
        writeln!(f, "relaygate {} on Linux {kernel}\n", env!("CARGO_PKG_VERSION"))?;
        for finding in findings {
            writeln!(f, "{finding}")?;
        }
        for interface in interfaces {
            writeln!(f, "\n{}", described(interface)?)?;
        }
        writeln!(f, "\nsince kernel")?;
        for feature in features {
            let here = match feature.here {
                Some(true) => "here",
                Some(false) => "NOT here",
                None => "unknown",
            };
            write!(f, "  {:<5} {here:<8}  {}", feature.since, feature.name)?;
            match feature.here {
                Some(true) => writeln!(f)?,
                Some(false) | None => writeln!(f, "; without: {}", feature.without)?,
            }
        }
        let verdict = match (can_enforce, interfaces.is_empty()) {
            (true, false) => "Sanctions can be enforced in the kernel.",
            (true, true) => "Sanctions can be enforced in the kernel; name an interface to see how.",
            (false, _) => {
                "Sanctions cannot be enforced in the kernel, only when connections are accepted: see what is missing."
            }
        };
        write!(f, "\n{verdict}")
    }
}

fn described(interface: &InterfaceSurvey) -> Result<String, fmt::Error> {
    let mut text = String::new();
    if let Some(fault) = &interface.fault {
        write!(text, "MISSING  {}: {fault}", interface.name)?;
        return Ok(text);
    }
    let driver = interface.driver.as_deref().unwrap_or("no driver of its own");
    write!(text, "{}: {driver}", interface.name)?;
    if let Some(mtu) = interface.mtu {
        write!(text, ", MTU {mtu}")?;
    }
    if let Some(native) = &interface.native_xdp {
        write!(text, "\n  native XDP     {}", native_xdp(native))?;
    }
    if interface.attached.is_empty() {
        write!(text, "\n  on its hooks   no program")?;
    }
    for attached in &interface.attached {
        write!(text, "\n  on its hooks   {attached}")?;
    }
    if !interface.tcx_is_known {
        write!(text, "\n                 what is at TCX is told only to who has CAP_NET_ADMIN, since 6.6")?;
    }
    if let Some(hook) = interface.conclusion.hook {
        write!(text, "\n  hook = auto    {hook}: {}", interface.conclusion.reasons.join("; "))?;
    }
    Ok(text)
}

fn native_xdp(native: &NativeXdp) -> String {
    let supported = match native.supported {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not known",
    };
    let pages = match native.multi_buffer {
        Some(true) => ", packets of several pages too",
        Some(false) | None => "",
    };
    let source = match native.source {
        Source::Kernel => "as the kernel says",
        Source::DriverName => "by the driver's name: the kernel does not say before 6.3",
    };
    format!("{supported}{pages} ({source})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_is_said_and_is_a_failure() {
        let report = Report { survey: survey(&["no-such-if0".to_owned()], None) };
        assert!(!report.survey.can_enforce);
        let text = report.to_string();
        assert!(text.contains("MISSING  no-such-if0: there is no such interface"), "{text}");
        assert!(text.ends_with("see what is missing."), "{text}");
    }

    #[test]
    fn loopback_has_no_native_xdp_and_so_is_told() {
        let report = Report { survey: survey(&["lo".to_owned()], None) };
        let text = report.to_string();
        assert!(text.contains("\nlo: no driver of its own, MTU "), "{text}");
        let native = report.survey.interfaces[0].native_xdp.as_ref().unwrap();
        // Only a kernel before 6.3 does not know.
        assert_eq!(
            text.contains("\n  hook = auto    xdp-generic: "),
            native.supported == Some(false),
            "{text}"
        );
    }
}
