//! The table of faults, as a section of `BENCHMARKS.md` that leaves the others alone.

use std::fmt::Write as _;

use crate::Tally;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../BENCHMARKS.md");

const TITLE: &str = "## Faults\n";

/// Prints the section and puts it in place of the old one.
pub(crate) fn write(tallies: &[Tally], rows: Option<&str>) {
    let section = section(tallies, rows.unwrap_or_default());
    println!("\n{section}");
    let before = std::fs::read_to_string(FILE).unwrap_or_default();
    std::fs::write(FILE, replace(&before, &section)).unwrap();
    eprintln!("BENCHMARKS.md is written");
}

fn section(tallies: &[Tally], rows: &str) -> String {
    let mut text = format!(
        "{TITLE}\nWritten by `make faults`: each life begins with a company, a tenant and a portal, \
         suffers a fault, and is compared with an undisturbed one: every account, license, \
         membership, link and line of the ledger, the database and the audit trail. Rows below 13 \
         without a process in their name run on a simulated clock.\n\n\
         | row | fault | lives | faults | survived | bystanders blocked | leavers forgotten |\n\
         |---|---|---|---|---|---|---|\n"
    );
    let mut lines: Vec<(u8, String)> = tallies
        .iter()
        .map(|tally| {
            let Tally {
                row,
                name,
                tried,
                survived,
            } = tally;
            // Whoever was blocked or forgotten shows in the comparison that survivors pass.
            let none = if tried == survived {
                "0"
            } else {
                "see the log"
            };
            let line =
                format!("| {row} | {name} | {tried} | {tried} | {survived} | {none} | {none} |");
            (*row, line)
        })
        .collect();
    for line in rows.lines().filter(|line| line.starts_with("| ")) {
        let row = line.split_whitespace().nth(1).unwrap_or_default();
        lines.push((row.parse().unwrap_or_default(), line.to_owned()));
    }
    lines.sort_by_key(|(row, _)| *row);
    for (_, line) in &lines {
        let _ = writeln!(text, "{line}");
    }
    let total = |column: usize| -> u64 {
        let cells = lines.iter().filter_map(|(_, line)| {
            let cell = line.split('|').nth(column)?;
            cell.trim().parse::<u64>().ok()
        });
        cells.sum()
    };
    let _ = writeln!(
        text,
        "\n{} lives with {} faults, {} survived; {} bystanders blocked, {} leavers forgotten.",
        total(3),
        total(4),
        total(5),
        total(6),
        total(7)
    );
    text
}

/// The page with this section instead of the old one, or behind everything.
fn replace(page: &str, section: &str) -> String {
    let Some((before, rest)) = page.split_once(TITLE) else {
        let page = page.trim_end();
        let gap = if page.is_empty() { "" } else { "\n\n" };
        return format!("{page}{gap}{section}");
    };
    match rest.split_once("\n## ") {
        Some((_, after)) => format!("{before}{section}\n## {after}"),
        None => format!("{before}{section}"),
    }
}
