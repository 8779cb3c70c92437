//! The tables of decisions as text: which there are, and their rows. Columns are two or more spaces apart; a row has the
//! settings of the line `settings:` before it.

/// Every table.
pub(crate) const FILES: [(&str, &str); 7] = [
    ("local.rows", include_str!("local.rows")),
    ("holes.rows", include_str!("holes.rows")),
    ("grants.rows", include_str!("grants.rows")),
    ("relaying.rows", include_str!("relaying.rows")),
    ("restrictions.rows", include_str!("restrictions.rows")),
    ("routing.rows", include_str!("routing.rows")),
    ("mailbox_file.rows", include_str!("mailbox_file.rows")),
];

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'t> {
    /// The table and the line, for messages.
    pub file: &'t str,
    pub number: usize,
    /// What stands behind `settings:`.
    pub settings: &'t str,
    /// An address, then what else is known of its session.
    pub client: &'t str,
    /// The address that it connected to, or `-`.
    pub local: &'t str,
    pub path: &'t str,
    /// What the directory says, or `-`.
    pub directory: &'t str,
    line: &'t str,
}

impl<'t> Row<'t> {
    /// What must come of it: the row of the decision table, the decision, and further columns.
    pub(crate) fn expected(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        columns(self.line).skip(4)
    }
}

fn columns(line: &str) -> impl Iterator<Item = &str> {
    line.split("  ").map(str::trim).filter(|column| !column.is_empty())
}

/// The rows of a table.
pub(crate) fn of<'t>(file: &'t str, text: &'t str) -> impl Iterator<Item = Row<'t>> {
    let mut settings = "";
    (1..).zip(text.lines()).filter_map(move |(number, line)| {
        if let Some(found) = line.strip_prefix("settings:") {
            settings = found;
            return None;
        }
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut columns = columns(line);
        let mut column = || columns.next().unwrap_or_else(|| panic!("{file}:{number}: too few columns"));
        let (client, local, path, directory) = (column(), column(), column(), column());
        Some(Row { file, number, settings, client, local, path, directory, line })
    })
}
