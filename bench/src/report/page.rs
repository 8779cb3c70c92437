//! The page: `templates/report.html`, filled.

use anyhow::Context;
use askama::Template;

use super::section::Section;

/// Pixels of one bar with its name above it.
const ROW: usize = 34;
/// Of the numbers below the bars.
const AXIS: usize = 18;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'s> {
    sections: &'s [Section<'s>],
}

/// Of these results, in their order.
pub(super) fn html(sections: &[Section<'_>]) -> anyhow::Result<String> {
    Page { sections }.render().context("the page cannot be filled")
}
