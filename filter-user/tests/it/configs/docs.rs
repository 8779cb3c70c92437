//! The configurations that the pages show: each must be one that `relaygate check` takes.

use std::path::Path;

use filter_user::config::Config;

#[test]
fn every_configuration_in_the_pages_is_taken() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut shown = 0;
    for page in std::fs::read_dir(pages).unwrap().map(|entry| entry.unwrap().path()) {
        if page.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            shown += 1;
            // A part of a configuration is shown without what the rest of it says.
            let backend = if block.contains("backend =") { "" } else { "backend = \"sink:\"\n" };
            if let Err(error) = Config::from_toml(&page, &format!("{backend}{block}")) {
                panic!("{}: {error}\n{block}", page.display());
            }
        }
    }
    assert!(shown > 0, "no page shows a configuration");
}
