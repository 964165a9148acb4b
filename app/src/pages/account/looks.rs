//! How the portal looks and listens in this browser. Both travel in cookies, so no page flashes.

use http::header::{HeaderValue, SET_COOKIE};
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use signpost_model::Role;

use crate::components::{Button, Card, CheckBox, Form, Look, RadioCard, RadioGroup};
use crate::error::PortalError;
use crate::forms::{Answer, Posted, respond};
use crate::portal::portal;
use crate::shell::{Shortcuts, Theme};
use crate::urls;
use crate::visit::{Notice, require};

#[component]
pub(super) fn LooksCard(theme: Theme, shortcuts: Shortcuts) -> impl IntoView {
    let choices = [
        (Theme::System, "System"),
        (Theme::Light, "Light"),
        (Theme::Dark, "Dark"),
    ]
    .map(|(choice, label)| {
        view! { <RadioCard name="theme" value=choice.name() label=label checked=choice == theme /> }
    });
    view! {
        <Card id="looks" title="Looks and keys" hint="In this browser.".to_owned()>
            <Form action="/api/account/looks" class="card__body stack">
                <RadioGroup name="theme" label="Theme">
                    {choices.into_iter().collect_view()}
                </RadioGroup>
                <CheckBox
                    name="shortcuts"
                    label="Keyboard shortcuts"
                    checked=shortcuts == Shortcuts::On
                    hint="The key / searches a list, and ? shows the shortcuts.".to_owned()
                />
                <div class="row">
                    <Button look=Look::Primary>"Save looks"</Button>
                </div>
            </Form>
        </Card>
    }
    .into_any()
}

/// Sets both cookies.
#[server(prefix = "/api", endpoint = "account/looks")]
pub async fn save_looks(#[server(default)] theme: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Auditor)?;
        let theme = Theme::parse(&theme);
        let shortcuts = if Posted::current().has("shortcuts") {
            Shortcuts::On
        } else {
            Shortcuts::Off
        };
        set_cookie(Theme::COOKIE, theme.name())?;
        set_cookie(Shortcuts::COOKIE, shortcuts.name())?;
        Ok(Answer::to(urls::ACCOUNT).notice(Notice::success("Saved for this browser.")))
    })
    .await
}

fn set_cookie(name: &str, value: &str) -> Result<(), PortalError> {
    let secure = if portal()?.settings.public_url.starts_with("https://") {
        "; Secure"
    } else {
        ""
    };
    let cookie =
        format!("{name}={value}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax{secure}");
    let cookie = HeaderValue::from_str(&cookie).map_err(|_| PortalError::BadRequest)?;
    if let Some(options) = use_context::<ResponseOptions>() {
        options.append_header(SET_COOKIE, cookie);
    }
    Ok(())
}
