//! What an import would do, or did, row by row.

use leptos::prelude::*;
use signpost_store::Page as ListPage;
use signpost_store::imports::{Import, ImportRow, RowOutcome};

use super::number;
use crate::components::plural::count;
use crate::components::{
    Badge, ButtonSize, Chip, Chips, Column, DataTable, DiffList, Difference, EmptyState, Icon,
    LinkButton, Look, Narrow, Pager, Person, Tone,
};
use crate::listing::Query;
use crate::urls;

/// The rows that are asked for.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub query: Query,
    pub outcome: Option<RowOutcome>,
    pub found: ListPage<ImportRow>,
}

/// Chips with counts, then the rows.
#[component]
pub(super) fn Preview(import: Import, rows: Rows, file_is_kept: bool) -> impl IntoView {
    let address = urls::import(import.id);
    let pages = rows.query.pages(&address, &rows.found);
    let words = count(rows.found.items.len() as u64, "row", "rows") + " on this page";
    let download = (import.counts.refused > 0 && file_is_kept).then(|| {
        view! {
            <LinkButton
                href=urls::import_problems(import.id)
                look=Look::Quiet
                size=ButtonSize::Small
                icon=Icon::Download
            >
                "Download refused rows"
            </LinkButton>
        }
    });
    let chips = chips(&import, &rows, &address);
    let body = if rows.found.items.is_empty() {
        view! { <EmptyState icon=Icon::SearchX title="No such rows" why="The file has none of this kind." /> }
            .into_any()
    } else {
        let heads = ["Line", "User", "What happens", "Details"].map(Column::new);
        let lines = rows.found.items.into_iter().map(row).collect_view();
        view! {
            <DataTable caption="Rows of the file" columns=heads.to_vec() narrow=Narrow::Stacks>
                {lines}
            </DataTable>
        }
        .into_any()
    };
    view! {
        <section class="card" aria-label="Rows">
            <h2 class="hidden-words">"Rows"</h2>
            <Chips label="Kinds of rows" chips=chips>{download}</Chips>
            {body}
            <footer class="card__foot">
                <Pager summary=words pages=pages label="Pages of rows" />
            </footer>
        </section>
    }
    .into_any()
}

fn chips(import: &Import, rows: &Rows, address: &str) -> Vec<Chip> {
    let counts = import.counts;
    let all = counts.create + counts.update + counts.unchanged + counts.refused;
    let kinds = [
        (None, "All rows", all, None),
        (
            Some(RowOutcome::Refused),
            "Refused",
            counts.refused,
            Some((Icon::CircleX, Tone::Bad)),
        ),
        (
            Some(RowOutcome::Create),
            "New",
            counts.create,
            Some((Icon::Plus, Tone::Ok)),
        ),
        (
            Some(RowOutcome::Update),
            "Changed",
            counts.update,
            Some((Icon::Pencil, Tone::Info)),
        ),
        (
            Some(RowOutcome::Unchanged),
            "Unchanged",
            counts.unchanged,
            Some((Icon::Check, Tone::Plain)),
        ),
    ];
    kinds
        .into_iter()
        .map(|(outcome, label, n, icon)| Chip {
            label: label.to_owned(),
            count: u64::try_from(n).unwrap_or(0),
            href: rows
                .query
                .with(address, &[("show", outcome.map_or("", RowOutcome::key))]),
            icon,
            current: rows.outcome == outcome,
        })
        .collect()
}

fn row(row: ImportRow) -> AnyView {
    let label = (!row.reasons.is_empty() || !row.changes.is_empty()).then_some("Details");
    let name = if row.display_name.is_empty() {
        row.user_name.clone()
    } else {
        row.display_name
    };
    view! {
        <tr>
            <td class="num" data-label="Line">{number(row.line)}</td>
            <th scope="row">
                <Person name=name detail=row.user_name />
            </th>
            <td data-label="What happens">{badge(row.outcome)}</td>
            <td data-label=label>{details(row.reasons, row.changes)}</td>
        </tr>
    }
    .into_any()
}

fn badge(outcome: RowOutcome) -> AnyView {
    let (tone, icon, word) = match outcome {
        RowOutcome::Refused => (Tone::Bad, Icon::CircleX, "Refused"),
        RowOutcome::Create => (Tone::Ok, Icon::Plus, "New"),
        RowOutcome::Update => (Tone::Info, Icon::Pencil, "Changed"),
        RowOutcome::Unchanged => (Tone::Plain, Icon::Check, "Unchanged"),
    };
    view! { <Badge tone=tone icon=icon>{word}</Badge> }.into_any()
}

fn details(reasons: Vec<String>, changes: Vec<signpost_store::imports::RowChange>) -> AnyView {
    if !reasons.is_empty() {
        return reasons
            .into_iter()
            .map(|reason| view! { <p>{reason}</p> })
            .collect_view()
            .into_any();
    }
    if changes.is_empty() {
        return ().into_any();
    }
    let filled = |text: String| (!text.is_empty()).then_some(text);
    let changes = changes
        .into_iter()
        .map(|change| Difference::new(change.what, filled(change.before), filled(change.after)))
        .collect();
    view! { <DiffList changes=changes /> }.into_any()
}
