//! The non-delivery report (RFC 3464 in a multipart/report of RFC 6522), with the whole message in it: what made the
//! KB article's server a relay. Pure: makes octets of octets.

use crate::sink::TakenMessage;

/// The report on `message` to `recipient`, from the server of `domain`.
#[must_use]
pub fn non_delivery_report(domain: &str, message: &TakenMessage, recipient: &str) -> Vec<u8> {
    let original = message.body();
    let subject = header(&original, "Subject").unwrap_or_else(|| "(none)".into());
    let reference = header(&original, "Message-ID");
    let boundary = boundary_for(&original);
    let sender = message.sender();
    let mut report = format!(
        "From: System Administrator <postmaster@{domain}>\r\nTo: <{sender}>\r\n\
         Subject: Undeliverable: {subject}\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-replied\r\n"
    );
    if let Some(reference) = reference {
        report += &format!("In-Reply-To: {reference}\r\n");
    }
    report += &format!(
        "Content-Type: multipart/report; report-type=delivery-status; boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\nContent-Type: text/plain\r\n\r\n\
         Your message did not reach some or all of the intended recipients.\r\n\r\n\
         \tSubject: {subject}\r\n\tTo: {recipient}\r\n\r\n\
         The recipient's address is unknown.\r\n\r\n\
         --{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mail.{domain}\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n\
         --{boundary}\r\nContent-Type: message/rfc822\r\n\r\n"
    );
    let mut report = report.into_bytes();
    report.extend_from_slice(&original);
    report.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    report
}

/// The value of the first header field `name`, unfolded; none where the header has none.
fn header(message: &[u8], name: &str) -> Option<String> {
    let mut value: Option<String> = None;
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some(value) = &mut value {
                value.push(' ');
                value.push_str(line.trim());
            }
            continue;
        }
        if value.is_some() {
            break;
        }
        if let Some((field, rest)) = line.split_once(':')
            && field.trim_end().eq_ignore_ascii_case(name)
        {
            value = Some(rest.trim().to_owned());
        }
    }
    value
}

/// A boundary that the message does not hold: its length and a sum of its octets, until it fits.
fn boundary_for(message: &[u8]) -> String {
    let mut sum =
        message.iter().fold(0x811c_9dc5_u32, |sum, &byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    loop {
        let boundary = format!("=_report_{:x}_{sum:08x}", message.len());
        if memchr::memmem::find(message, boundary.as_bytes()).is_none() {
            return boundary;
        }
        sum = sum.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_field_is_found_folded_or_not_and_only_in_the_header() {
        let message = b"Received: x\r\nSUBJECT : one\r\n two\r\nTo: a\r\n\r\nCc: nobody\r\n";
        let rows = [("Subject", Some("one two")), ("to", Some("a")), ("Cc", None), ("Received", Some("x"))];
        for (name, expected) in rows {
            assert_eq!(header(message, name).as_deref(), expected, "{name}");
        }
        assert_eq!(header(b"", "Subject"), None);
    }

    #[test]
    fn a_boundary_is_never_in_the_message() {
        let plain = boundary_for(b"text");
        assert!(plain.starts_with("=_report_4_"));
        let mut taken = plain.clone().into_bytes();
        taken.extend_from_slice(b"text");
        assert!(memchr::memmem::find(&taken, boundary_for(&taken).as_bytes()).is_none());
    }
}
