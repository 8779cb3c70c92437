//! What the running daemon can be asked over its control socket, and what it answers: one line of JSON each way. Written
//! and read by these types alone, so that the two ends cannot disagree.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::capture::{CaptureEnd, CapturedPacket, Capturing};
use super::explanation::Explanation;
use super::peers_reply::PeersReply;
use super::peers_request::PeersRequest;
use super::status::Status;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub enum Request {
    /// How it is.
    Status(Nothing),
    /// What would be done with a recipient.
    Explain(Query),
    /// How peers stand, and what is ordered for them.
    Peers(PeersRequest),
    /// Packets of a peer that the kernel drops. Many answers come: that it is begun, each packet, that it is over.
    Capture(Capturing),
}

/// No more to be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The recipient that is asked about, and who sends to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The client.
    pub peer: IpAddr,
    /// The address that it has connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<SocketAddr>,
    /// The sender, as in MAIL FROM, with or without brackets.
    pub from: String,
    /// The recipient, as in RCPT TO.
    pub to: String,
    /// Whom the client would have authenticated as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The names in the certificate that the client would have shown; none means that it has shown none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificate: Vec<String>,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Explain`].
    Explained(Box<Explanation>),
    /// To [`Request::Peers`].
    Peers(PeersReply),
    /// To [`Request::Capture`], once: packets are captured from now on.
    Capturing(Nothing),
    /// Then for each packet.
    Captured(Box<CapturedPacket>),
    /// And at the end.
    CaptureOver(CaptureEnd),
    /// To what could not be understood, or not be done.
    Error(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_page_says() {
        let status = serde_json::from_str::<Request>(r#"{"verb":"status"}"#).unwrap();
        assert_eq!(status, Request::Status(Nothing {}));
        let least = r#"{"verb":"explain","peer":"192.0.2.7","from":"","to":"a@example.org"}"#;
        let Request::Explain(query) = serde_json::from_str(least).unwrap() else { panic!("no explain") };
        assert_eq!((query.local, query.login, query.certificate), (None, None, vec![]));
        let all = r#"{"verb":"explain","peer":"192.0.2.7","local":"192.0.2.1:25","from":"a@far.example",
            "to":"b@example.org","login":"a","certificate":["mail.far.example"]}"#;
        let request = serde_json::from_str::<Request>(all).unwrap();
        assert_eq!(
            serde_json::from_str::<Request>(&serde_json::to_string(&request).unwrap()).unwrap(),
            request
        );
        for wrong in [
            r#"{"verb":"stop"}"#,
            r#"{"verb":"explain","peer":"here","from":"","to":""}"#,
            r#"{"verb":"explain","peer":"192.0.2.7","from":""}"#,
            r#"{"verb":"explain","peer":"192.0.2.7","from":"","to":"","colour":"red"}"#,
            r#"{"verb":"status","more":1}"#,
            r#"{"verb":"peers"}"#,
            r#"{"verb":"peers","do":"show"}"#,
            r#"{"verb":"peers","do":"show","peer":"192.0.2.7","colour":"red"}"#,
            r#"{"verb":"capture","peer":"192.0.2.7"}"#,
            r#"{"verb":"capture","peer":"192.0.2.7","count":1,"seconds":1,"one_of":-1}"#,
            "{}",
            "[]",
        ] {
            assert!(serde_json::from_str::<Request>(wrong).is_err(), "{wrong}");
        }
    }
}
