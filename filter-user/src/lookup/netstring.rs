//! Netstrings, `5:hello,`: how requests and replies of the socketmap protocol are framed. Bounded, and strict.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::error::DirectoryError;

/// The longest reply, in octets; Postfix takes no longer one either.
const LONGEST: usize = 100_000;
/// The digits of that.
const MOST_DIGITS: usize = 6;

/// The netstring of a text.
pub(super) fn written(text: &str) -> Vec<u8> {
    format!("{}:{text},", text.len()).into_bytes()
}

/// Reads one.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, DirectoryError> {
    let lost = |source: io::Error| DirectoryError::Lost { doing: "reading a reply", source };
    let garbled = |what: &str| DirectoryError::Garbled(format!("a reply {what}"));
    let mut length = 0;
    for digits in 0.. {
        match stream.read_u8().await.map_err(lost)? {
            digit @ b'0'..=b'9' if digits < MOST_DIGITS => length = length * 10 + usize::from(digit - b'0'),
            b':' if digits > 0 => break,
            _ => return Err(garbled("is no netstring")),
        }
    }
    if length > LONGEST {
        return Err(garbled("is longer than 100000 octets"));
    }
    let mut text = vec![0; length + 1];
    stream.read_exact(&mut text).await.map_err(lost)?;
    match text.pop() {
        Some(b',') => Ok(text),
        _ => Err(garbled("does not end with a comma")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(octets: &[u8]) -> Result<Vec<u8>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut stream = octets;
        runtime.block_on(read(&mut stream)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_written_is_read() {
        for text in ["", "virtual user@example.org", "\u{fc}ni,"] {
            assert_eq!(reading(&written(text)), Ok(text.as_bytes().to_vec()));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for (octets, wrong) in [
            (&b""[..], "lost"),
            (b"5:hel", "lost"),
            (b":,", "no netstring"),
            (b"-1:a,", "no netstring"),
            (b"9999999:", "no netstring"),
            (b"999999:", "longer than"),
            (b"2:abc,", "does not end with a comma"),
            (b"HTTP/1.0 400", "no netstring"),
        ] {
            let error = reading(octets).unwrap_err();
            assert!(error.contains(wrong), "{octets:?}: {error}");
        }
    }
}
