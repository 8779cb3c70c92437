//! Where clients connect, and what for. Binds nothing.

use super::{Item, Kind};
use crate::config::clients::{Listen, ListenTls, Profile};

/// An address to listen at, and what is served there.
#[derive(Debug)]
pub struct Listener;

impl Kind for Listener {
    type Value = Listen;

    fn parse(&self, text: &str) -> Option<Listen> {
        read(text).ok()
    }

    fn placeholder(&self) -> &'static str {
        "ADDRESS:PORT"
    }

    fn expected(&self) -> String {
        "an IP address and a port, such as 127.0.0.1:2525 or [::]:25, and behind it, where it is not the default, \
         profile=mx, submission or inside, and tls=starttls, implicit or none"
            .to_owned()
    }

    fn fault(&self, text: &str) -> Option<String> {
        read(text).err()
    }
}

fn read(text: &str) -> Result<Listen, String> {
    let mut item = Item::parse(text)?;
    let address = item.word().unwrap_or_default();
    let address = address.parse().map_err(|_| format!("{address:?} is no address with a port"))?;
    let profile = option(
        &mut item,
        "profile",
        &[("mx", Profile::Mx), ("submission", Profile::Submission), ("inside", Profile::Inside)],
    )?;
    let tls = option(
        &mut item,
        "tls",
        &[("starttls", ListenTls::StartTls), ("implicit", ListenTls::Implicit), ("none", ListenTls::None)],
    )?;
    item.end()?;
    Ok(Listen { address, profile, tls })
}

/// One of a few words; the default where there is none.
fn option<T: Copy + Default>(item: &mut Item, key: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let Some(word) = item.option(key)? else { return Ok(T::default()) };
    let chosen = choices.iter().find(|(choice, _)| *choice == word);
    chosen.map(|(_, value)| *value).ok_or_else(|| format!("there is no {key}={word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_what_is_served_there() {
        for (text, profile, tls) in [
            ("[::]:25", Profile::Mx, ListenTls::StartTls),
            ("127.0.0.1:587 profile=submission", Profile::Submission, ListenTls::StartTls),
            ("127.0.0.1:465 tls=implicit profile=submission", Profile::Submission, ListenTls::Implicit),
            ("10.0.0.1:25 profile=inside tls=none", Profile::Inside, ListenTls::None),
        ] {
            let address = text.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(Listener.parse(text), Some(Listen { address, profile, tls }), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, fault) in [
            ("", "\"\" is no address with a port"),
            ("localhost:25", "\"localhost:25\" is no address with a port"),
            ("127.0.0.1:25 profile=outside", "there is no profile=outside"),
            ("127.0.0.1:25 tls=yes", "there is no tls=yes"),
            ("127.0.0.1:25 colour=red", "there is no option \"colour\" here"),
            ("127.0.0.1:25 127.0.0.1:26", "\"127.0.0.1:26\" is one word too many"),
        ] {
            assert_eq!(Listener.fault(text).as_deref(), Some(fault), "{text}");
        }
    }
}
