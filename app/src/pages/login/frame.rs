//! What the login pages have around them: whose they are, in their colour.

use leptos::nonce::use_nonce;
use leptos::prelude::*;

use crate::components::{ErrorSummary, FieldError, initials};
use crate::identity::Issuer;
use crate::shell::NarrowPage;
use crate::urls;
use crate::visit::visit;

/// A login page, headed with the application's own name.
#[component]
pub(super) fn LoginPage(
    title: &'static str,
    issuer: Option<Issuer>,
    errors: Vec<FieldError>,
    children: Children,
) -> impl IntoView {
    let logo = issuer.as_ref().and_then(|issuer| {
        let logo = issuer.logo.clone()?;
        Some((
            urls::federation_logo(issuer.application.id, &logo.digest),
            logo,
        ))
    });
    let settings = issuer.map(|issuer| issuer.settings).unwrap_or_default();
    let organisation = visit().organisation.name.clone();
    let name = [settings.title, organisation]
        .into_iter()
        .find(|name| !name.is_empty())
        // A picture needs words for whoever does not see it.
        .or_else(|| logo.is_some().then(|| "Microsoft 365".to_owned()));
    // A colour is six digits, checked when it was saved: nothing else can stand in this text.
    let colours = settings.colour.map(|colour| {
        let (fill, text) = (colour.to_string(), colour.on());
        format!(":root{{--accent:{fill};--accent-hover:{fill};--on-accent:{text}}}")
    });
    let brand = name.map(|name| {
        ViewFnOnce::from(move || match logo {
            Some((address, logo)) => view! {
                <p class="brand">
                    <img
                        class="brand__logo"
                        src=address
                        width=logo.width
                        height=logo.height
                        alt=name
                    />
                </p>
            }
            .into_any(),
            None => {
                let letters = initials(&name);
                view! {
                    <p class="brand">
                        <span class="avatar avatar--square" aria-hidden="true">{letters}</span>
                        <span>{name}</span>
                    </p>
                }
                .into_any()
            }
        })
    });
    let body = view! {
        {colours.map(|colours| view! { <style nonce=use_nonce()>{colours}</style> })}
        <ErrorSummary errors=errors />
        {children()}
    }
    .into_any();
    match brand {
        Some(brand) => view! { <NarrowPage title=title brand=brand>{body}</NarrowPage> }.into_any(),
        None => view! { <NarrowPage title=title>{body}</NarrowPage> }.into_any(),
    }
}
