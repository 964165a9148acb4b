//! Acts on the ticked rows. It stands inside the table's form, above the table.

use leptos::prelude::*;

use super::check_box::CheckBox;
use super::plural::digits;

/// The bar. Children are the buttons. A script adds the count and the box that ticks every row.
#[component]
pub fn BulkBar(
    /// What the rows are, as in `users`.
    #[prop(into)]
    rows: String,
    /// How many match the filter, when there are more than on this page: offers a box `all_matching`, the separate
    /// act of choosing them all.
    #[prop(default = None)]
    all_matching: Option<u64>,
    children: Children,
) -> impl IntoView {
    let every = format!("All {rows} on this page");
    let matching = all_matching.map(|n| format!("All {} {rows} that match", digits(n)));
    view! {
        <div class="bulk" data-bulk>
            <label class="row" data-needs-script>
                <input class="check" type="checkbox" data-select-all autocomplete="off" />
                {every}
            </label>
            {matching.map(|label| view! { <CheckBox name="all_matching" label=label /> })}
            <span class="strong num" aria-live="polite" data-selected-count data-needs-script></span>
            <span class="push row">{children()}</span>
        </div>
    }
}
