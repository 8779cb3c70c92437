//! Who may authenticate: by dialogues with the daemon, and by real clients and servers.

mod as_root;
mod over_tls;
mod pass_through;
mod passwd;
mod sessions;

/// As SASL is put into SMTP (RFC 4648 section 4).
pub(crate) fn base64(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            encoded.push(if place <= three.len() { letter.into() } else { '=' });
        }
    }
    encoded
}
