//! The parameters of MAIL and RCPT (RFC 5321 section 4.1.1.11; RFC 1870, 3461, 4954, 6152, 6531, 8689). A parameter whose
//! extension is not offered is refused, so that nothing is promised that the backend may not keep.

use super::offered::Offered;
use super::question::{MailCommand, RcptCommand};
use super::reply::{self, Reply};
use super::xtext::is_xtext;
use crate::address::{ForwardPath, ReversePath};

/// RFC 3461 section 4.4.
const ENVID_LIMIT: usize = 100;
/// RFC 3461 section 4.2.
const ORCPT_LIMIT: usize = 500;
/// RFC 1870 section 4.
const SIZE_DIGITS: usize = 20;

/// Reads the parameters of MAIL.
pub(super) fn of_mail<'a>(
    path: ReversePath<'a>,
    text: &'a [u8],
    offered: &Offered,
) -> Result<MailCommand<'a>, Reply> {
    let mut mail = MailCommand {
        path,
        size: None,
        eight_bit: false,
        smtputf8: false,
        require_tls: false,
        ret: None,
        envid: None,
    };
    let (mut body_given, mut auth_given) = (false, false);
    for (keyword, value) in parameters(text) {
        if is(keyword, "SIZE") {
            once(mail.size.is_some(), reply::SIZE_SYNTAX)?;
            mail.size = Some(value.and_then(size).ok_or(reply::SIZE_SYNTAX)?);
        } else if is(keyword, "BODY") && offered.eight_bit_mime {
            once(body_given, reply::BODY_SYNTAX)?;
            body_given = true;
            mail.eight_bit = match value {
                Some(value) if is(value, "8BITMIME") => true,
                Some(value) if is(value, "7BIT") => false,
                _ => return Err(reply::BODY_SYNTAX),
            };
        } else if is(keyword, "SMTPUTF8") && offered.smtputf8 {
            once(mail.smtputf8 || value.is_some(), reply::SMTPUTF8_SYNTAX)?;
            mail.smtputf8 = true;
        } else if is(keyword, "RET") && offered.dsn {
            once(mail.ret.is_some(), reply::RET_SYNTAX)?;
            let value = value.filter(|value| is(value, "FULL") || is(value, "HDRS"));
            mail.ret = Some(value.and_then(utf8).ok_or(reply::RET_SYNTAX)?);
        } else if is(keyword, "ENVID") && offered.dsn {
            once(mail.envid.is_some(), reply::ENVID_SYNTAX)?;
            let value = value.filter(|value| value.len() <= ENVID_LIMIT && is_xtext(value));
            mail.envid = Some(value.and_then(utf8).ok_or(reply::ENVID_SYNTAX)?);
        } else if is(keyword, "REQUIRETLS") && offered.require_tls {
            once(mail.require_tls || value.is_some(), reply::REQUIRETLS_SYNTAX)?;
            mail.require_tls = true;
        } else if is(keyword, "AUTH") && offered.auth_parameter() {
            // Read and forgotten: that somebody else vouched for the sender is not for a client to say (RFC 4954
            // section 5).
            let given = value.is_some_and(|value| value == b"<>" || is_xtext(value));
            once(std::mem::replace(&mut auth_given, true) || !given, reply::AUTH_PARAMETER_SYNTAX)?;
        } else {
            return Err(reply::MAIL_PARAMETER_UNKNOWN);
        }
    }
    Ok(mail)
}

/// Reads the parameters of RCPT.
pub(super) fn of_rcpt<'a>(
    path: ForwardPath<'a>,
    text: &'a [u8],
    offered: &Offered,
    smtputf8: bool,
) -> Result<RcptCommand<'a>, Reply> {
    let mut rcpt = RcptCommand { path, notify: None, orcpt: None };
    for (keyword, value) in parameters(text) {
        if is(keyword, "NOTIFY") && offered.dsn {
            once(rcpt.notify.is_some(), reply::NOTIFY_SYNTAX)?;
            let value = value.filter(|value| is_notify(value));
            rcpt.notify = Some(value.and_then(utf8).ok_or(reply::NOTIFY_SYNTAX)?);
        } else if is(keyword, "ORCPT") && offered.dsn {
            once(rcpt.orcpt.is_some(), reply::ORCPT_SYNTAX)?;
            let value = value.filter(|value| value.len() <= ORCPT_LIMIT).and_then(utf8);
            rcpt.orcpt = Some(value.filter(|value| is_orcpt(value, smtputf8)).ok_or(reply::ORCPT_SYNTAX)?);
        } else {
            return Err(reply::RCPT_PARAMETER_UNKNOWN);
        }
    }
    Ok(rcpt)
}

/// Keywords with their values, where they have one.
fn parameters(text: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    text.split(|&b| b == b' ').filter(|word| !word.is_empty()).map(|word| match memchr::memchr(b'=', word) {
        Some(at) => (&word[..at], Some(&word[at + 1..])),
        None => (word, None),
    })
}

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

fn once(again: bool, syntax: Reply) -> Result<(), Reply> {
    if again { Err(syntax) } else { Ok(()) }
}

fn utf8(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

/// A number that does not fit is still a number: too big for any limit.
fn size(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > SIZE_DIGITS || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        value
            .iter()
            .fold(0, |sum: u64, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))),
    )
}

fn is_notify(value: &[u8]) -> bool {
    is(value, "NEVER")
        || value
            .split(|&b| b == b',')
            .all(|word| is(word, "SUCCESS") || is(word, "FAILURE") || is(word, "DELAY"))
}

/// `addr-type;xtext`; with SMTPUTF8, an address of type `utf-8` may be plain UTF-8 (RFC 6533 section 3).
fn is_orcpt(value: &str, smtputf8: bool) -> bool {
    let Some((kind, address)) = value.split_once(';') else {
        return false;
    };
    let kind_ok = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let unicode = smtputf8 && kind.eq_ignore_ascii_case("utf-8");
    let address_ok = if unicode && !address.is_ascii() {
        !address.chars().any(|c| c.is_control() || c.is_whitespace() || c == '=')
    } else {
        is_xtext(address.as_bytes())
    };
    kind_ok && address_ok
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::offered::AuthOffer;

    fn all() -> Offered {
        Offered {
            eight_bit_mime: true,
            smtputf8: true,
            dsn: true,
            require_tls: true,
            auth: AuthOffer::By("PLAIN".to_owned()),
            ..Offered::default()
        }
    }

    fn mail(text: &str) -> Result<MailCommand<'_>, Reply> {
        of_mail(ReversePath::Null, text.as_bytes(), &all())
    }

    fn rcpt(text: &str, smtputf8: bool) -> Result<RcptCommand<'_>, Reply> {
        of_rcpt(ForwardPath::Postmaster, text.as_bytes(), &all(), smtputf8)
    }

    #[test]
    fn parameters_of_mail() {
        let all = mail(" size=1000  BODY=8bitmime SMTPUTF8 RET=hdrs ENVID=a+2Bb ").unwrap();
        assert_eq!((all.size, all.eight_bit, all.smtputf8), (Some(1000), true, true));
        assert_eq!((all.ret, all.envid), (Some("hdrs"), Some("a+2Bb")));
        assert_eq!(mail(" SIZE=99999999999999999999").map(|mail| mail.size), Ok(Some(u64::MAX)));
        assert_eq!(mail(" BODY=7BIT").map(|mail| mail.eight_bit), Ok(false));
        assert_eq!(mail(" requiretls").map(|mail| mail.require_tls), Ok(true));
        for text in [" AUTH=<>", " AUTH=a+3Db@c.example"] {
            assert_eq!(mail(text), mail(""), "{text} is taken and says nothing");
        }
        for (text, refusal) in [
            (" SIZE", reply::SIZE_SYNTAX),
            (" SIZE=", reply::SIZE_SYNTAX),
            (" SIZE=-1", reply::SIZE_SYNTAX),
            (" SIZE=0x10", reply::SIZE_SYNTAX),
            (" SIZE=100000000000000000000", reply::SIZE_SYNTAX),
            (" SIZE=1 SIZE=1", reply::SIZE_SYNTAX),
            (" BODY=BINARYMIME", reply::BODY_SYNTAX),
            (" BODY", reply::BODY_SYNTAX),
            (" BODY=7BIT BODY=7BIT", reply::BODY_SYNTAX),
            (" SMTPUTF8=", reply::SMTPUTF8_SYNTAX),
            (" SMTPUTF8 SMTPUTF8", reply::SMTPUTF8_SYNTAX),
            (" RET=BODY", reply::RET_SYNTAX),
            (" ENVID=", reply::ENVID_SYNTAX),
            (" ENVID=a=b", reply::ENVID_SYNTAX),
            (" ENVID=a+2b", reply::ENVID_SYNTAX),
            (" ENVID=a+2", reply::ENVID_SYNTAX),
            (" ENVID=ä", reply::ENVID_SYNTAX),
            (" REQUIRETLS=yes", reply::REQUIRETLS_SYNTAX),
            (" REQUIRETLS REQUIRETLS", reply::REQUIRETLS_SYNTAX),
            (" AUTH", reply::AUTH_PARAMETER_SYNTAX),
            (" AUTH=", reply::AUTH_PARAMETER_SYNTAX),
            (" AUTH=a=b", reply::AUTH_PARAMETER_SYNTAX),
            (" AUTH=<> AUTH=<>", reply::AUTH_PARAMETER_SYNTAX),
            (" NOTIFY=NEVER", reply::MAIL_PARAMETER_UNKNOWN),
            (" =", reply::MAIL_PARAMETER_UNKNOWN),
        ] {
            assert_eq!(mail(text), Err(refusal), "{text}");
        }
        let long = format!(" ENVID={}", "a".repeat(101));
        assert_eq!(mail(&long), Err(reply::ENVID_SYNTAX));
        assert!(mail(&long[..long.len() - 1]).is_ok());
    }

    #[test]
    fn parameters_of_rcpt() {
        let all = rcpt(" NOTIFY=success,DELAY ORCPT=rfc822;a+2Bb@c.example", false).unwrap();
        assert_eq!((all.notify, all.orcpt), (Some("success,DELAY"), Some("rfc822;a+2Bb@c.example")));
        assert!(rcpt(" NOTIFY=NEVER", false).is_ok());
        assert!(rcpt(" ORCPT=utf-8;ä@b.example", true).is_ok());
        assert!(rcpt(" ORCPT=utf-8;\\x{E4}@b.example", false).is_ok());
        for (text, refusal) in [
            (" NOTIFY", reply::NOTIFY_SYNTAX),
            (" NOTIFY=", reply::NOTIFY_SYNTAX),
            (" NOTIFY=NEVER,DELAY", reply::NOTIFY_SYNTAX),
            (" NOTIFY=DELAY,", reply::NOTIFY_SYNTAX),
            (" NOTIFY=DELAY NOTIFY=DELAY", reply::NOTIFY_SYNTAX),
            (" ORCPT=a@b.example", reply::ORCPT_SYNTAX),
            (" ORCPT=;a@b.example", reply::ORCPT_SYNTAX),
            (" ORCPT=rfc822;", reply::ORCPT_SYNTAX),
            (" ORCPT=utf-8;ä@b.example", reply::ORCPT_SYNTAX),
            (" SIZE=1", reply::RCPT_PARAMETER_UNKNOWN),
        ] {
            assert_eq!(rcpt(text, false), Err(refusal), "{text}");
        }
    }

    #[test]
    fn what_is_not_offered_is_not_known() {
        for text in [" BODY=7BIT", " SMTPUTF8", " RET=FULL", " ENVID=x", " REQUIRETLS", " AUTH=<>"] {
            let refused = of_mail(ReversePath::Null, text.as_bytes(), &Offered::default());
            assert_eq!(refused, Err(reply::MAIL_PARAMETER_UNKNOWN), "{text}");
        }
        for text in [" NOTIFY=NEVER", " ORCPT=rfc822;a"] {
            let refused = of_rcpt(ForwardPath::Postmaster, text.as_bytes(), &Offered::default(), false);
            assert_eq!(refused, Err(reply::RCPT_PARAMETER_UNKNOWN), "{text}");
        }
    }
}
