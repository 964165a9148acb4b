//! The matrix of faults with few fixed seeds; `make faults` has many.

use crate::matrix::{rows, try_row};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_between_us_and_microsoft_is_survived() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for row in rows() {
        let all = try_row(&row, 0..SEEDS).await;
        println!(
            "row {}: {SEEDS} of {} lives, {} clean syncs at most, {} writes without a change",
            row.number,
            row.times,
            all.iter().map(|(_, one)| one.syncs).max().unwrap_or(0),
            all.iter().map(|(_, one)| one.unchanged).sum::<u64>(),
        );
        for (seed, lived) in all {
            tried += 1;
            let place = format!("row {} ({}), seed {seed}", row.number, row.name);
            if !lived.wrong.is_empty() {
                wrong.push(format!("{place}:\n{}", lived.wrong.join("\n")));
            }
            if lived.blocked + lived.forgotten > 0 {
                let (blocked, forgotten) = (lived.blocked, lived.forgotten);
                wrong.push(format!("{place}: {blocked} blocked, {forgotten} forgotten"));
            }
        }
    }
    println!("{tried} lives with faults, {} went wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Of each row in `make test`.
const SEEDS: u64 = 4;
