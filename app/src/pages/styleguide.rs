//! Every component with sample data: what a page author picks from, and what the render test walks through.

mod acts;
mod fields;
mod figures;
mod lists;

use leptos::prelude::*;

use crate::components::PageHeader;
use crate::shell::{Notices, Page, Section};

/// The page, in the order of a page's own parts: acts and notices, fields, figures, lists.
#[component]
pub fn Styleguide() -> impl IntoView {
    view! {
        <Page title="Styleguide" section=Section::Settings>
            <PageHeader
                title="Styleguide"
                facts=|| {
                    view! {
                        <span>"Every piece is plain HTML and works without JavaScript."</span>
                    }
                }
            />
            <Notices />
            <figures::Figures />
            <div class="grid">
                <acts::Acts />
                <fields::Fields />
                <figures::Readiness />
                <figures::Licenses />
                <figures::Activity />
            </div>
            <fields::Provisioning />
            <figures::Runs />
            <lists::Plan />
            <lists::Users />
        </Page>
    }
}

#[cfg(test)]
mod tests;
