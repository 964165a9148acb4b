//! A card: a titled part of a page.

use leptos::prelude::*;

/// The weight of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CardKind {
    /// Everything else.
    #[default]
    Plain,
    /// Holds an act that takes away.
    Danger,
}

/// A region named by its title. `actions` stand at the end of the header, `footer` below the content; children
/// bring their own padding (`card__body`), since a table has none.
#[component]
pub fn Card(
    /// Unique on its page; the title's id is made of it.
    #[prop(into)]
    id: String,
    #[prop(into)] title: String,
    #[prop(optional)] kind: CardKind,
    #[prop(default = None, into)] hint: Option<String>,
    /// Before the title: a ring, an icon.
    #[prop(optional, into)]
    lead: ViewFnOnce,
    #[prop(optional, into)] actions: ViewFnOnce,
    #[prop(optional, into)] footer: Option<ViewFnOnce>,
    children: Children,
) -> impl IntoView {
    let class = match kind {
        CardKind::Plain => "card",
        CardKind::Danger => "card card--danger",
    };
    let title_id = format!("{id}-title");
    view! {
        <section class=class id=id aria-labelledby=title_id>
            <header class="card__head">
                {lead.run()}
                <div class="grow">
                    <h2 id=title_id.clone()>{title}</h2>
                    {hint.map(|hint| view! { <p class="card__hint">{hint}</p> })}
                </div>
                {actions.run()}
            </header>
            {children()}
            {footer.map(|footer| view! { <footer class="card__foot">{footer.run()}</footer> })}
        </section>
    }
}

/// A titled part inside a card, a region of its own.
#[component]
pub fn CardSection(
    #[prop(into)] id: String,
    #[prop(into)] title: String,
    #[prop(default = None, into)] hint: Option<String>,
    #[prop(optional, into)] actions: ViewFnOnce,
    children: Children,
) -> impl IntoView {
    let title_id = format!("{id}-title");
    view! {
        <section id=id aria-labelledby=title_id>
            <header class="card__section">
                <div class="grow">
                    <h3 id=title_id.clone()>{title}</h3>
                    {hint.map(|hint| view! { <p class="card__hint">{hint}</p> })}
                </div>
                {actions.run()}
            </header>
            {children()}
        </section>
    }
}
