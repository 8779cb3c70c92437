//! The tables of decisions once more, over TCP: every row is put to a relaygate with the row's settings, by a client at
//! the row's address, authenticated or with a certificate as the row says; and what reaches the Postfix behind is
//! compared with what should: the mailbox as it was judged, at the backend or host that the routing table names.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::decisions::rows::{self, Row};

mod client;
mod directory;
mod expected;
mod recorder;
mod scene;
mod world;

use scene::Scene;
use world::World;

#[test]
fn every_row_of_the_tables_holds_over_tcp_before_a_real_postfix() {
    let mut world = World::new();
    let mut failures = String::new();
    let mut put = 0;
    for (name, text) in rows::FILES {
        // Rows of one scene that ask the same directory are put to one daemon.
        let mut scenes: BTreeMap<(&str, &str), Vec<Row<'_>>> = BTreeMap::new();
        for row in rows::of(name, text) {
            scenes.entry((row.settings, row.directory)).or_default().push(row);
        }
        for ((settings, directory), rows) in scenes {
            let Some(scene) = Scene::read(settings) else {
                // `* = inbound` is for the policy alone to know: no configuration can say it.
                continue;
            };
            put += rows.len();
            for failure in world.put(&scene, directory, &rows) {
                let _ = writeln!(failures, "{failure}");
            }
        }
    }
    for failure in world.compare_what_arrived() {
        let _ = writeln!(failures, "{failure}");
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(put > 800, "only {put} rows were put");
}
