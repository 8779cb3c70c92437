//! Postfix's socketmap protocol (socketmap_table(5)): asks for a key in a named map, and is told that it is there, that
//! it is not, or that this cannot be said.

use tokio::io::{AsyncWriteExt as _, BufReader};

use super::error::DirectoryError;
use super::netstring;
use super::pool::Server;
use super::question::Question;
use super::stream::Stream;
use crate::config::{StreamAddress, Template};

/// A socketmap server, and what it is asked for.
#[derive(Debug)]
pub(super) struct Socketmap {
    pub(super) at: StreamAddress,
    pub(super) map: String,
    pub(super) key: Template,
}

impl Server for Socketmap {
    type Connection = BufReader<Stream>;

    async fn dial(&self) -> Result<Self::Connection, DirectoryError> {
        Stream::connect(&self.at).await.map(BufReader::new)
    }

    async fn ask(
        &self,
        connection: &mut Self::Connection,
        question: &Question,
    ) -> Result<bool, DirectoryError> {
        let key = self.key.fill(&question.local_part, &question.domain, str::to_owned);
        let request = netstring::written(&format!("{} {key}", self.map));
        connection
            .write_all(&request)
            .await
            .map_err(|source| DirectoryError::Lost { doing: "sending a request", source })?;
        meaning(&netstring::read(connection).await?)
    }
}

/// What a reply says: the key is there with some value, or it is not; all else is neither.
fn meaning(reply: &[u8]) -> Result<bool, DirectoryError> {
    let text = String::from_utf8_lossy(reply);
    let shown = || text.chars().take(100).flat_map(char::escape_debug).collect::<String>();
    match text.split_once(' ').map_or(&*text, |(status, _)| status) {
        "OK" if text.len() > 2 => Ok(true),
        "NOTFOUND" => Ok(false),
        "TEMP" | "TIMEOUT" | "PERM" => Err(DirectoryError::CannotSay(shown())),
        _ => Err(DirectoryError::Garbled(format!("the reply {:?} has no status", shown()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_value_is_a_yes() {
        for (reply, wanted) in [
            ("OK user/", Some(true)),
            ("OK ", Some(true)),
            ("NOTFOUND ", Some(false)),
            ("NOTFOUND", Some(false)),
            ("OK", None),
            ("OKAY x", None),
            ("ok x", None),
            ("TEMP the map is locked", None),
            ("TIMEOUT ", None),
            ("PERM no such map", None),
            ("", None),
            ("\u{0}", None),
        ] {
            assert_eq!(meaning(reply.as_bytes()).ok(), wanted, "{reply:?}");
        }
    }
}
