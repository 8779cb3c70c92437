//! Who makes a proof: values that let something pass have makers that are called in few places, and each call was
//! reviewed. A part of `layers`.

use crate::layers::names;
use crate::rust_source;
use crate::tree::TextFile;

/// A function that makes a proof, where it may be called, and how often it is: whoever adds a call changes the number,
/// and whoever reviews it sees that.
struct Maker {
    function: &'static str,
    places: &'static [&'static str],
    calls: usize,
}

/// The proofs that lead to relaying: a grant, once for each restriction that can match, and what restrictions ask for.
const MAKERS: [Maker; 3] = [
    Maker { function: "Grant::new", places: &["filter-user/src/policy/restrictions/mod.rs"], calls: 4 },
    Maker {
        function: "Login::proven",
        places: &[
            "filter-user/src/auth/",
            "filter-user/src/proxy/",
            "filter-user/src/delegation/",
            // What would be if it were proven: nothing passes by it.
            "filter-user/src/cli/explain.rs",
        ],
        calls: 4,
    },
    Maker {
        function: "ClientCertificate::verified",
        places: &[
            "filter-user/src/proxy/tls/",
            "filter-user/src/delegation/",
            "filter-user/src/cli/explain.rs",
        ],
        calls: 3,
    },
];

/// What is wrong with how proofs are made in these files.
pub(crate) fn faults(files: &[TextFile]) -> impl Iterator<Item = String> {
    MAKERS.iter().flat_map(|maker| faults_of(maker, files))
}

/// Whether a proof is made anywhere but where it may be, or in more places.
fn faults_of(maker: &Maker, files: &[TextFile]) -> Vec<String> {
    let Maker { function, places, calls } = maker;
    let (mut faults, mut found) = (Vec::new(), 0);
    for file in files {
        let code = rust_source::without_tests(&rust_source::code(&file.text));
        for call in rust_source::paths(&code) {
            let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
            if !names(&segments, function) {
                continue;
            }
            found += 1;
            if !places.iter().any(|place| file.path.starts_with(place)) {
                let places = places.join(" and ");
                faults.push(format!("{}:{}: {function} is only for {places}", file.path, call.line));
            }
        }
    }
    if found != *calls {
        faults.push(format!("{function} is named {found} times in the tree, and {calls} are reviewed"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_counted_wherever_they_are_made() {
        let places = &["filter-user/src/auth/", "filter-user/src/proxy/tls/"];
        let maker = Maker { function: "Login::proven", places, calls: 1 };
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let one = "fn f() { Login::proven(name) }";
        let tested = format!("{one}\n#[cfg(test)]\nmod tests {{ fn g() {{ Login::proven(name) }} }}");
        let place = "filter-user/src/auth/plain.rs";
        let rows = [
            (vec![file(place, &tested)], ""),
            (vec![file("filter-user/src/proxy/tls/handshake.rs", one)], ""),
            (vec![file(place, "")], "named 0 times"),
            (vec![file(place, &format!("{one} {one}"))], "named 2 times"),
            (
                vec![file(place, one), file("filter-user/src/policy/decision.rs", one)],
                "filter-user/src/policy/decision.rs:1: Login::proven is only for",
            ),
        ];
        for (files, wanted) in rows {
            let faults = faults_of(&maker, &files).join("\n");
            assert_eq!(faults.is_empty(), wanted.is_empty(), "{faults}");
            assert!(faults.contains(wanted), "{faults}");
        }
    }
}
