//! The client's two messages of SCRAM (RFC 5802 section 7), as far as they must be known before rsasl sees them: whether
//! they are of the right form, which login, which binding. Proves nothing.

use std::borrow::Cow;

use crate::auth::credentials::prepared_login;

/// What the client says about channel binding: the first letter of its first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// `p`: it binds.
    Used,
    /// `y`: it would bind, and believes that we cannot.
    Unused,
    /// `n`: it cannot.
    NotKnown,
}

/// The client's first message.
#[derive(Debug)]
pub(crate) struct ClientFirst<'a> {
    /// As it was sent.
    pub(crate) octets: &'a [u8],
    /// What it says about channel binding.
    pub(crate) binding: Binding,
    /// Who it claims to be, prepared.
    pub(crate) login: String,
}

impl<'a> ClientFirst<'a> {
    /// Reads it; none if it is not of the right form, or wants to act as somebody else.
    pub(crate) fn read(octets: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(octets).ok()?;
        let mut parts = text.split(',');
        let binding = match parts.next()? {
            "n" => Binding::NotKnown,
            "y" => Binding::Unused,
            bound => bound.strip_prefix("p=").filter(|name| is_binding_name(name)).map(|_| Binding::Used)?,
        };
        let act_as = parts.next()?;
        let name = parts.next()?.strip_prefix("n=")?;
        parts.next()?.strip_prefix("r=").filter(|nonce| is_value(nonce))?;
        // Extensions: there is none that we know, and rsasl would leave them out of what is signed.
        if parts.next().is_some() || !(act_as.is_empty() || act_as.strip_prefix("a=") == Some(name)) {
            return None;
        }
        Some(Self { octets, binding, login: prepared_login(&unescaped(name)?)? })
    }
}

/// Whether this is the form of the client's final message.
pub(super) fn is_client_final(octets: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(octets) else { return false };
    let parts: Vec<&str> = text.split(',').collect();
    let [binding, nonce, proof] = parts.as_slice() else { return false };
    let wanted = [(binding, "c="), (nonce, "r="), (proof, "p=")];
    wanted.iter().all(|(part, key)| part.strip_prefix(key).is_some_and(is_value))
}

fn is_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic())
}

/// RFC 5056 section 7.
fn is_binding_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'.' || octet == b'-')
}

/// `=2C` is a comma and `=3D` an equals sign; no other equals sign may stand in a name.
pub(in crate::auth) fn unescaped(name: &str) -> Option<Cow<'_, str>> {
    let mut parts = name.split('=');
    let first = parts.next()?;
    parts.try_fold(Cow::Borrowed(first), |mut text, part| {
        let (character, rest) = match part.get(..2)? {
            "2C" => (',', &part[2..]),
            "3D" => ('=', &part[2..]),
            _ => return None,
        };
        let owned = text.to_mut();
        owned.push(character);
        owned.push_str(rest);
        Some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_message_is_read_or_refused_whole() {
        use Binding::{NotKnown, Unused, Used};
        let rows: [(&str, Option<(Binding, &str)>); 20] = [
            ("n,,n=user,r=nonce", Some((NotKnown, "user"))),
            ("y,,n=user,r=nonce", Some((Unused, "user"))),
            ("p=tls-exporter,,n=user,r=nonce", Some((Used, "user"))),
            ("n,a=user,n=user,r=nonce", Some((NotKnown, "user"))),
            ("n,,n=us=2Cer=3D,r=nonce", Some((NotKnown, "us,er="))),
            ("n,a=boss,n=user,r=nonce", None),
            ("n,a,n=user,r=nonce", None),
            ("n,,m=user,r=nonce", None),
            ("n,,n=us=2cer,r=nonce", None),
            ("n,,n=us=,r=nonce", None),
            ("n,,n=us=\u{e4}r,r=nonce", None),
            ("n,,n=,r=nonce", None),
            ("n,,n=user,r=", None),
            ("n,,n=user,r=no nce", None),
            ("n,,n=user,r=nonce,x=1", None),
            ("n,,n", None),
            ("n,,", None),
            ("p=,,n=user,r=nonce", None),
            ("x,,n=user,r=nonce", None),
            ("", None),
        ];
        for (text, wanted) in rows {
            let read = ClientFirst::read(text.as_bytes());
            assert_eq!(read.as_ref().map(|first| (first.binding, first.login.as_str())), wanted, "{text}");
        }
    }

    #[test]
    fn a_final_message_has_three_parts_in_their_order() {
        let rows = [
            ("c=biws,r=nonce,p=proof", true),
            ("c=biws,r=nonce", false),
            ("c=biws,r=nonce,p=", false),
            ("c=biws,r=nonce,p=proof,", false),
            ("c=biws,r=nonce,x=1,p=proof", false),
            ("c,r=nonce,p=proof", false),
            ("", false),
        ];
        for (text, wanted) in rows {
            assert_eq!(is_client_final(text.as_bytes()), wanted, "{text}");
        }
    }
}
