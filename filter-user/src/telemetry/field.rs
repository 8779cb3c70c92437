//! The table of log fields: a field means the same in every line, and is written `{ field::PEER } = …`.

/// Makes each field a constant, and all of them [`ALL`].
macro_rules! fields {
    ($($field:ident = $name:literal, $meaning:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $meaning, ".")]
            pub const $field: &str = $name;
        )*

        /// Every field with its meaning.
        pub const ALL: &[(&str, &str)] = &[$(($name, $meaning)),*];
    };
}

fields! {
    BACKEND = "backend", "a mail server behind, as the configuration names it";
    BY = "by", "the user who has ordered something, as the system numbers them";
    COUNT = "count", "how many, of what the message says";
    DECISION = "decision", "the relay decision";
    DIRECTORY = "directory", "a directory of local recipients, as the setting names it";
    DISGUISED = "disguised", "the address that was found inside a forward-path";
    DURATION = "duration", "how long it took";
    ERROR = "error", "what went wrong";
    FORWARD_PATH = "forward_path", "the recipient, as RCPT TO gave it";
    GRANT = "grant", "why the session may relay";
    HOME = "home", "where sanctions are enforced: kernel or process";
    INTERFACE = "interface", "a network interface";
    LOGIN = "login", "the login that a client authenticated as, or claimed";
    MECHANISM = "mechanism", "a SASL mechanism";
    NANOSECONDS = "nanoseconds", "how long it took, where that is short";
    OCTETS = "octets", "octets of message data";
    PEER = "peer", "the remote host, or the peer key where it stands for several";
    REASON = "reason", "why";
    REFUSALS = "refusals", "how many refusals a summary stands for";
    REPLY = "reply", "the reply that was given";
    REVERSE_PATH = "reverse_path", "the sender, as MAIL FROM gave it";
    SANCTION = "sanction", "none, limited or blocked";
    SESSIONS = "sessions", "how many sessions";
    STRIKE = "strike", "the kind of a strike";
    STRIKES = "strikes", "how many strikes stand";
    UNTIL = "until", "how long a sanction lasts from now";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_a_line_in_the_operations_page() {
        let page = include_str!("../../../docs/operations.md");
        for (name, meaning) in ALL {
            let line = format!("| `{name}` | {meaning} |");
            assert!(page.contains(&line), "docs/operations.md lacks the line: {line}");
        }
    }
}
