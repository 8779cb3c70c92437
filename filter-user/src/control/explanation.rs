//! What would be done with a recipient, and by which steps: for people, for `--json` and for the control socket, all made
//! from this. Decides nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::request::Query;

/// What would be done with a recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What was asked.
    pub query: Query,
    /// The rows that were looked at, in this order; the last one that fits has decided.
    pub steps: Vec<ExplainedStep>,
    /// The relay decision, where the addresses are such that there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Where the mail would go, if it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The reply that the client would get; none where the destination's own is passed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
}

/// One row that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedStep {
    /// Its number in the table of the decision.
    pub row: String,
    /// Whether it fits.
    pub fits: bool,
    /// What it asks.
    pub question: String,
    /// Why it fits, or does not.
    pub detail: String,
    /// The setting that makes it so, and where that stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Query { peer, local, from, to, login, certificate } = &self.query;
        writeln!(f, "peer    {peer}")?;
        if let Some(local) = local {
            writeln!(f, "local   {local}")?;
        }
        if let Some(login) = login {
            writeln!(f, "login   {login}")?;
        }
        for name in certificate {
            writeln!(f, "certificate for {name}")?;
        }
        writeln!(f, "from    {from}\nto      {to}")?;
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        f.write_str("answer  ")?;
        if let Some(decision) = &self.decision {
            write!(f, "{decision}: ")?;
        }
        match (&self.reply, &self.destination) {
            (Some(reply), _) => f.write_str(reply),
            (None, Some(destination)) => write!(f, "the answer of {destination} to RCPT is passed on"),
            (None, None) => f.write_str("the backend's own answer to RCPT is passed on"),
        }
    }
}

impl fmt::Display for ExplainedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = if self.fits { "yes" } else { "no" };
        write!(f, "row {:>2}  {fits:<3}  {}: {}", self.row, self.question, self.detail)?;
        match &self.line {
            Some(line) => write!(f, " ({line})"),
            None => Ok(()),
        }
    }
}
