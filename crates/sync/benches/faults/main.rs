//! The matrix of faults between us and Microsoft with many seeds: `make faults`.
//!
//! The first argument is the share of the full number of lives, 1 when left out. Prints a line per
//! life that went wrong, and a table row per fault for the server's part to write down.
#![expect(
    dead_code,
    reason = "the tests that share these modules need more of them"
)]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal, which stops at the first thing that goes wrong"
)]

#[path = "../../tests/applying/matrix.rs"]
mod matrix;
#[path = "../../tests/applying/portal.rs"]
mod portal;
#[path = "../../tests/applying/practice.rs"]
mod practice;

use matrix::{Lived, Row, rows, try_row};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let share: f64 = std::env::args()
        .skip(1)
        .find_map(|word| word.parse().ok())
        .unwrap_or(1.0);
    for row in rows() {
        let lives = ((row.times as f64 * share).ceil() as u64).max(1);
        let lived = try_row(&row, 0..lives).await;
        for (seed, one) in lived.iter().filter(|(_, one)| is_bad(one)) {
            let wrong = one.wrong.join("\n");
            eprintln!("row {} ({}), seed {seed}:\n{wrong}\n", row.number, row.name);
        }
        println!("{}", line(&row, &lived));
    }
}

fn is_bad(lived: &Lived) -> bool {
    !lived.wrong.is_empty() || lived.blocked + lived.forgotten > 0
}

/// A row of the table: what, lives, faults, survived, bystanders blocked, leavers forgotten.
fn line(row: &Row, lived: &[(u64, Lived)]) -> String {
    let sum = |of: fn(&Lived) -> u64| lived.iter().map(|(_, one)| of(one)).sum::<u64>();
    let survived = lived.iter().filter(|(_, one)| !is_bad(one)).count();
    format!(
        "| {} | {} | {} | {} | {survived} | {} | {} |",
        row.number,
        row.name,
        lived.len(),
        sum(|one| one.faults),
        sum(|one| one.blocked),
        sum(|one| one.forgotten),
    )
}
