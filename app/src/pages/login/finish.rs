//! The last page: a form that posts the answer to Microsoft, by itself where scripts run.

use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use signpost_federation::PostForm;

use super::frame::LoginPage;
use crate::components::{Button, Look};
use crate::identity::Issuer;
use crate::policy::login_policy;

/// Sends the form at once; the button is for browsers without scripts.
const SUBMIT: &str = "document.forms[0].submit()";

#[component]
pub(super) fn PostPage(form: PostForm, issuer: Option<Issuer>) -> impl IntoView {
    send_login_policy(Some(&form.action));
    let fields = form
        .fields
        .into_iter()
        .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
        .collect_view();
    view! {
        <LoginPage title="Going on" issuer=issuer errors=Vec::new()>
            <p class="text-2">"You are being sent back to Microsoft 365."</p>
            <form method="post" action=form.action>
                {fields}
                <Button look=Look::Primary>"Continue"</Button>
            </form>
            <script nonce=use_nonce()>{SUBMIT}</script>
        </LoginPage>
    }
    .into_any()
}

/// The policy of this page in place of the usual one.
pub(super) fn send_login_policy(post_to: Option<&str>) {
    let (Some(options), Some(nonce)) = (use_context::<ResponseOptions>(), use_nonce()) else {
        return;
    };
    if let Ok(policy) = HeaderValue::from_str(&login_policy(&nonce, post_to)) {
        options.insert_header(CONTENT_SECURITY_POLICY, policy);
    }
}
