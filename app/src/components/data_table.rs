//! Tables: a caption, heads that sort by links, a frame that scrolls by keyboard on its own.

use leptos::prelude::*;

use super::icon::{Glyph, Icon, IconSize};

/// The order of a column that the rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// A before Z.
    Ascending,
    /// Z before A.
    Descending,
}

/// One column's head.
#[derive(Debug, Clone, Default)]
pub struct Column {
    label: String,
    hidden: bool,
    numeric: bool,
    sort: Option<(String, Option<Order>)>,
}

impl Column {
    /// A head with these words.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..Self::default()
        }
    }

    /// A head whose words only screen readers get: of check boxes, of actions.
    pub fn hidden(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            hidden: true,
            ..Self::default()
        }
    }

    /// A head over numbers: they end at the same edge. Give their cells the class `end`.
    pub fn numeric(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            numeric: true,
            ..Self::default()
        }
    }

    /// Sorts by a link to `href`; `order` is how the rows are sorted by this column now.
    #[must_use]
    pub fn sorted_by(mut self, href: impl Into<String>, order: Option<Order>) -> Self {
        self.sort = Some((href.into(), order));
        self
    }

    fn head(self) -> AnyView {
        let class = self.numeric.then_some("end");
        if self.hidden {
            return view! { <th scope="col" class=class><span class="hidden-words">{self.label}</span></th> }.into_any();
        }
        let Some((href, order)) = self.sort else {
            return view! { <th scope="col" class=class>{self.label}</th> }.into_any();
        };
        let (state, arrow) = match order {
            Some(Order::Ascending) => ("ascending", Some("")),
            Some(Order::Descending) => ("descending", Some("icon--down")),
            None => ("none", None),
        };
        view! {
            <th scope="col" class=class aria-sort=state>
                <a class="table__sort" href=href>
                    {self.label}
                    {arrow.map(|class| view! { <span class=class><Glyph icon=Icon::ArrowUp size=IconSize::Small /></span> })}
                </a>
            </th>
        }
        .into_any()
    }
}

/// How a table's rows look on a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Narrow {
    /// The table scrolls sideways in its own region.
    #[default]
    Scrolls,
    /// Each row becomes a block; cells name themselves by `data-label`.
    Stacks,
}

/// The table around rows of `<tr>`: the first cell of a row is `<th scope="row">`, numbers have the class `end`.
#[component]
pub fn DataTable(
    /// What the table holds; the frame is called so too. A group, not a region: pages name their own regions.
    #[prop(into)]
    caption: String,
    columns: Vec<Column>,
    #[prop(optional)] narrow: Narrow,
    children: Children,
) -> impl IntoView {
    let class = match narrow {
        Narrow::Scrolls => "table",
        Narrow::Stacks => "table table--top table--stacked",
    };
    let label = format!("Table: {caption}");
    let heads = columns.into_iter().map(Column::head).collect_view();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label=label>
            <table class=class>
                <caption class="hidden-words">{caption}</caption>
                <thead>
                    <tr>{heads}</tr>
                </thead>
                <tbody>{children()}</tbody>
            </table>
        </div>
    }
}
