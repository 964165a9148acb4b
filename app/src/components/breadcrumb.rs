//! The way back up.

use leptos::prelude::*;

/// One page above, or the page itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crumb {
    /// Its name.
    pub label: String,
    /// Where it is; the page itself has none.
    pub href: Option<String>,
}

impl Crumb {
    /// A page above this one.
    pub fn link(label: impl Into<String>, href: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            href: Some(href.into()),
        }
    }
}

/// The pages above, then this one.
#[component]
pub fn Breadcrumb(above: Vec<Crumb>, #[prop(into)] here: String) -> impl IntoView {
    let links = above
        .into_iter()
        .map(|crumb| match crumb.href {
            Some(href) => {
                view! { <li class="crumbs__item"><a href=href>{crumb.label}</a></li> }.into_any()
            }
            None => view! { <li class="crumbs__item">{crumb.label}</li> }.into_any(),
        })
        .collect_view();
    view! {
        <nav aria-label="Breadcrumb">
            <ol class="crumbs" role="list">
                {links}
                <li class="crumbs__item" aria-current="page">
                    {here}
                </li>
            </ol>
        </nav>
    }
}
