//! Settings: how the running daemon is asked.

use crate::config::kind::ControlPath;
use crate::config::setting::DefaultValue::Nothing;

settings! { "Control":
    CONTROL_SOCKET: ControlPath = "control-socket", Nothing, ControlPath,
        "The unix socket on which the running daemon answers `relaygate status`, `relaygate explain` and `relaygate peers`. Whoever may open it may ask: the user of relaygate and root, with mode=0660 its group too. To change peers is for that user and root, with edit=group for its group too.";
}
