//! The fields of a profile: on the page, and as they come back.

use leptos::prelude::*;
use signpost_model::directory::ProfileProblemKind;
use signpost_model::{Attribute, Profile};

use crate::components::{TextField, TextKind};
use crate::forms::{FormErrors, FormState, Posted};

/// The name of the field for the manager's user name.
pub(super) const MANAGER: &str = "manager";

/// What the form shows: stored values, and who the manager is by user name.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    pub profile: Profile,
    pub manager: String,
    pub version: i64,
}

impl Stored {
    /// Whether what was typed was made from an older version than the stored one.
    pub(super) fn is_newer_than(&self, form: &FormState) -> bool {
        form.is_refused() && form.typed("version") != Some(self.version.to_string().as_str())
    }
}

/// Every attribute, then the manager.
#[component]
pub(super) fn ProfileFields(
    stored: Stored,
    form: FormState,
    /// People who could be meant by what was typed as manager.
    proposals: Vec<(String, String)>,
) -> impl IntoView {
    let show_stored = stored.version > 0 && stored.is_newer_than(&form);
    let fields = Attribute::ALL
        .into_iter()
        .map(|attribute| field(attribute, &stored, &form, show_stored))
        .collect_view();
    let typed = form.value(MANAGER, &stored.manager);
    let hint = if show_stored && typed != stored.manager {
        stored_now(&stored.manager)
    } else {
        "A user name, or part of a name.".to_owned()
    };
    let options = proposals
        .into_iter()
        .map(|(user_name, name)| view! { <option value=user_name>{name}</option> })
        .collect_view();
    view! {
        <div class="fields">
            {fields}
            <TextField
                name=MANAGER
                label="Manager"
                value=typed
                hint=hint
                error=form.error(MANAGER)
                proposals="managers"
            />
        </div>
        <datalist id="managers">{options}</datalist>
    }
    .into_any()
}

fn field(attribute: Attribute, stored: &Stored, form: &FormState, show_stored: bool) -> AnyView {
    let key = attribute.key();
    let before = stored.profile.value(attribute);
    let value = form.value(key, before);
    let hint = if show_stored && value != before {
        Some(stored_now(before))
    } else {
        hint(attribute).map(str::to_owned)
    };
    let kind = match attribute {
        Attribute::UserName | Attribute::EmployeeId => TextKind::Code,
        _ => TextKind::Text,
    };
    view! {
        <TextField
            name=key
            label=attribute.label()
            kind=kind
            value=value
            hint=hint
            error=form.error(key)
            max_length=u32::try_from(attribute.max_length()).unwrap_or(u32::MAX)
            required=attribute == Attribute::UserName
        />
    }
    .into_any()
}

fn stored_now(value: &str) -> String {
    if value.is_empty() {
        "Stored now: nothing".to_owned()
    } else {
        format!("Stored now: {value}")
    }
}

const fn hint(attribute: Attribute) -> Option<&'static str> {
    match attribute {
        Attribute::UserName => Some("What they sign in with, for example ada@contoso.com."),
        Attribute::DisplayName => Some("Left empty, it is made of the given name and surname."),
        Attribute::UsageLocation => {
            Some("Two letters, for example PT. Microsoft gives no license without it.")
        }
        Attribute::PreferredLanguage => Some("For example pt-PT."),
        _ => None,
    }
}

/// The profile as it was typed, with everything that is wrong with it. The manager comes apart.
pub(super) fn typed_profile() -> (Profile, FormErrors) {
    let posted = Posted::current();
    let mut profile = Profile::default();
    for attribute in Attribute::ALL {
        profile.set(attribute, posted.first(attribute.key()));
    }
    profile.normalize();
    let mut errors = FormErrors::new();
    for problem in profile.check() {
        let key = problem.attribute.key();
        if errors.fields.iter().any(|(field, _)| field == key) {
            continue;
        }
        match problem.kind {
            ProfileProblemKind::UserName(why) => errors.add(key, sentence(&why.to_string())),
            _ => errors.add(key, problem.to_string()),
        }
    }
    (profile, errors)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
