//! XCLIENT (Postfix's XCLIENT_README): who the client is, said by a host that speaks for it. Whether that host may is
//! not asked here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::command::is_hello_name;
use super::reply::{self, Reply};
use super::xtext::Xtext;

/// What is taken, as EHLO shows it.
pub(super) const ATTRIBUTES: [&str; 8] =
    ["NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"];

/// Not known, for good or for now.
const UNAVAILABLE: [&[u8]; 2] = [b"[UNAVAILABLE]", b"[TEMPUNAVAIL]"];

/// XCLIENT with its attributes. What was not given is `None`, as is what the host does not know itself. A host's NAME
/// is read and not kept: nothing is decided by names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XclientCommand<'b> {
    /// ADDR. Clients whose host does not know their address are one peer: 0.0.0.0, which is in no network.
    pub address: Option<IpAddr>,
    /// PORT.
    pub port: Option<u16>,
    /// PROTO: whether the client said EHLO.
    pub extended: Option<bool>,
    /// HELO.
    pub helo: Option<Xtext<'b>>,
    /// LOGIN: as whom the client authenticated.
    pub login: Option<Xtext<'b>>,
    /// DESTADDR: where the client connected to.
    pub local_address: Option<IpAddr>,
    /// DESTPORT.
    pub local_port: Option<u16>,
}

/// Reads the attributes.
pub(super) fn command(arguments: &[u8]) -> Result<XclientCommand<'_>, Reply> {
    let mut command = XclientCommand::default();
    let mut seen = [false; 8];
    for word in arguments.split(|&b| b == b' ').filter(|word| !word.is_empty()) {
        let at = memchr::memchr(b'=', word).ok_or(reply::XCLIENT_SYNTAX)?;
        let (name, value) = (&word[..at], &word[at + 1..]);
        let number = ATTRIBUTES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name));
        let number = number.ok_or(reply::XCLIENT_SYNTAX)?;
        if std::mem::replace(&mut seen[number], true) {
            return Err(reply::XCLIENT_SYNTAX);
        }
        let name = ATTRIBUTES[number];
        if !UNAVAILABLE.iter().any(|unavailable| unavailable.eq_ignore_ascii_case(value)) {
            command.take(name, value).ok_or(reply::XCLIENT_SYNTAX)?;
        } else if name == "ADDR" {
            command.address = Some(Ipv4Addr::UNSPECIFIED.into());
        }
    }
    if seen.contains(&true) { Ok(command) } else { Err(reply::XCLIENT_SYNTAX) }
}

/// What XCLIENT has told of one client, by one command or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Its address.
    pub address: bool,
    /// As whom it has authenticated.
    pub login: bool,
}

impl Told {
    /// Whether another client begins with this command: nothing that was told of the one before is true of it.
    #[must_use]
    pub fn is_of_another(self, command: &XclientCommand<'_>) -> bool {
        self.address && command.address.is_some()
    }

    /// With what this command tells too.
    #[must_use]
    pub fn and(self, command: &XclientCommand<'_>) -> Self {
        let so_far = if self.is_of_another(command) { Self::default() } else { self };
        Self {
            address: so_far.address || command.address.is_some(),
            login: so_far.login || command.login.is_some(),
        }
    }
}

impl<'b> XclientCommand<'b> {
    /// Takes the value of one of [`ATTRIBUTES`].
    fn take(&mut self, name: &'static str, value: &'b [u8]) -> Option<()> {
        match name {
            "ADDR" => self.address = Some(address(value)?),
            "PORT" => self.port = Some(port(value)?),
            "PROTO" => self.extended = Some(is_extended(value)?),
            "HELO" => self.helo = Some(Xtext::parse(value).filter(|helo| is_hello_name(&helo.text()))?),
            "LOGIN" => self.login = Some(Xtext::parse(value)?),
            "DESTADDR" => self.local_address = Some(address(value)?),
            "DESTPORT" => self.local_port = Some(port(value)?),
            _ => drop(Xtext::parse(value)?),
        }
        Some(())
    }
}

/// IPv6 has a tag, as in an address literal.
fn address(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?;
    match text.split_at_checked(5) {
        Some((tag, v6)) if tag.eq_ignore_ascii_case("IPV6:") => {
            v6.parse::<Ipv6Addr>().ok().map(|v6| IpAddr::V6(v6).to_canonical())
        }
        _ => text.parse().ok().map(IpAddr::V4),
    }
}

fn port(value: &[u8]) -> Option<u16> {
    let digits = value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

fn is_extended(value: &[u8]) -> Option<bool> {
    let is = |name: &[u8]| value.eq_ignore_ascii_case(name);
    if is(b"ESMTP") { Some(true) } else { is(b"SMTP").then_some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_in_any_order_and_case() {
        let all = command(
            b" name=[UNAVAILABLE] ADDR=198.51.100.7 PORT=4711 proto=ESMTP HELO=host+2B1 LOGIN=a@b.example \
              DESTADDR=IPV6:2001:db8::1 DESTPORT=587",
        )
        .unwrap();
        assert_eq!(all.address, Some("198.51.100.7".parse().unwrap()));
        assert_eq!((all.port, all.extended), (Some(4711), Some(true)));
        assert_eq!(all.helo.unwrap().text(), "host+1");
        assert_eq!(all.login.unwrap().text(), "a@b.example");
        assert_eq!((all.local_address, all.local_port), (Some("2001:db8::1".parse().unwrap()), Some(587)));
    }

    #[test]
    fn what_the_host_does_not_know_is_not_known() {
        let command =
            command(b" ADDR=[TEMPUNAVAIL] PORT=[unavailable] HELO=[UNAVAILABLE] LOGIN=[UNAVAILABLE]");
        let address = Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        assert_eq!(command, Ok(XclientCommand { address, ..XclientCommand::default() }));
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        let mapped = command(b" ADDR=IPV6:::ffff:192.0.2.9").unwrap();
        assert_eq!(mapped.address, Some("192.0.2.9".parse().unwrap()));
    }

    #[test]
    fn anything_else_is_refused() {
        for arguments in [
            "",
            " ",
            " ADDR",
            " ADDR=",
            " ADDR=x",
            " ADDR=2001:db8::1",
            " ADDR=IPV6:192.0.2.1",
            " ADDR=192.0.2.1/32",
            " ADDR=[192.0.2.1]",
            " ADDR=192.0.2.1 ADDR=192.0.2.1",
            " PORT=65536",
            " PORT=+1",
            " PORT=-1",
            " PORT=",
            " PROTO=LMTP",
            " HELO=a=b",
            " HELO=+00",
            " HELO=",
            " HELO=host+20x",
            " HELO=+E2+80+83",
            " LOGIN=+FF",
            " NAME=+0A",
            " COLOUR=red",
            " =x",
            " ADDR=192.0.2.1\tPORT=1",
        ] {
            assert_eq!(command(arguments.as_bytes()), Err(reply::XCLIENT_SYNTAX), "{arguments:?}");
        }
    }
}
