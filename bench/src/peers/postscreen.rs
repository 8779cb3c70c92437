//! Postfix with postscreen before it: what an intruder says, postscreen refuses itself; honest clients, whom its list
//! names, it hands to smtpd.

use std::path::Path;

use super::postfix::{self, Postfix};
use super::{HONEST, Installed, Pace, Peer, Running, Site};

/// Postfix of Debian, with postscreen.
#[derive(Clone, Copy, Debug)]
pub struct Postscreen;

impl Peer for Postscreen {
    fn name(&self) -> &'static str {
        "postscreen"
    }

    fn pace(&self) -> Pace {
        // Each session waits for a second until it is answered.
        Pace { idle: 2_000, ..Pace::SLOW }
    }

    fn needs_root(&self) -> bool {
        Postfix.needs_root()
    }

    fn install(&self, cache: &Path) -> anyhow::Result<Installed> {
        Postfix.install(cache)
    }

    fn start(&self, installed: &Installed, site: &Site) -> anyhow::Result<Running> {
        let address = site.free_address()?;
        let services = format!(
            "{address} inet n - n - 1 postscreen\n\
             smtpd pass - - n - - smtpd\n\
             dnsblog unix - - n - 0 dnsblog\n\
             tlsproxy unix - - n - 0 tlsproxy\n"
        );
        // Who is on the list is told so at RCPT, as who talks too early or is on a block list would be. The wait for
        // early talkers is the least there is.
        let list = site.write("clients", &format!("{HONEST} permit\n0.0.0.0/0 reject\n"))?;
        let settings = format!(
            "postscreen_access_list = cidr:{}\n\
             postscreen_denylist_action = enforce\n\
             postscreen_greet_wait = 1s\n\
             postscreen_command_count_limit = 5000\n\
             postscreen_pre_queue_limit = 10000\n\
             postscreen_post_queue_limit = 10000\n\
             postscreen_cache_map =\n",
            list.display()
        );
        postfix::start(installed, site, address, &services, &settings)
    }
}
