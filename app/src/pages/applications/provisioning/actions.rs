//! What Signpost may do to accounts: the switches, their limits, who is never touched.

use leptos::prelude::*;
use signpost_model::policy::Limits;
use signpost_model::{Policy, text};

use super::Fields;
use crate::components::{
    CardSection, Expander, Switch, SwitchGroup, TextArea, TextField, TextKind,
};
use crate::forms::{FormErrors, FormState, Posted};

/// Names of accounts on the protected list.
const MOST_PROTECTED: usize = 200;

/// The region.
#[component]
pub fn Actions(fields: Fields) -> impl IntoView {
    let policy = fields.shown.stored.policy.clone();
    let form = fields.shown.rest();
    let assigned = (policy.clone(), form.clone());
    let removed = (policy.clone(), form.clone());
    view! {
        <CardSection
            id="actions"
            title="Actions"
            hint="What Signpost may change in Microsoft 365.".to_owned()
        >
            <Assigned policy=assigned.0 form=assigned.1 />
            <Removed policy=removed.0 form=removed.1 />
            <div class="card__body">
                <LimitFields policy=policy form=form />
            </div>
        </CardSection>
    }
    .into_any()
}

#[component]
fn Assigned(policy: Policy, form: FormState) -> impl IntoView {
    view! {
        <SwitchGroup label="When a user is assigned or changed">
            <Switch
                name="create_accounts"
                label="Create accounts"
                on=form.checked("create_accounts", policy.create_accounts)
                hint="If no account of this person exists.".to_owned()
            />
            <Switch
                name="update_profiles"
                label="Update profiles"
                on=form.checked("update_profiles", policy.update_profiles)
                hint="Name, department, job title, phone and manager.".to_owned()
            />
            <Switch
                name="assign_licenses"
                label="Assign licenses"
                on=form.checked("assign_licenses", policy.assign_licenses)
                hint="The licenses ticked on this page.".to_owned()
            />
        </SwitchGroup>
    }
    .into_any()
}

#[component]
fn Removed(policy: Policy, form: FormState) -> impl IntoView {
    let days = form.value(
        "days_before_deletion",
        &policy.days_before_deletion.to_string(),
    );
    let error = form.error("days_before_deletion");
    let license_days = form.value(
        "days_before_license_removal",
        &policy.days_before_license_removal.to_string(),
    );
    let license_error = form.error("days_before_license_removal");
    view! {
        <SwitchGroup label="When a user no longer has the application">
            <Switch
                name="block_sign_in"
                label="Block sign-in when a user is removed from assignment"
                on=form.checked("block_sign_in", policy.block_sign_in)
                hint="The mailbox and files stay.".to_owned()
            />
            <Switch
                name="end_sessions"
                label="End sessions when sign-in is blocked"
                on=form.checked("end_sessions", policy.end_sessions)
                hint="Programs that are signed in have to sign in again, and cannot.".to_owned()
            />
            <Switch
                name="remove_licenses"
                label="Remove licenses when a user is removed"
                on=form.checked("remove_licenses", policy.remove_licenses)
                hint="Only those Signpost gave. Microsoft deletes mailbox data 30 days later.".to_owned()
            >
                <TextField
                    name="days_before_license_removal"
                    label="Days before license removal"
                    kind=TextKind::Number
                    value=license_days
                    error=license_error
                />
            </Switch>
            <Switch
                name="delete_accounts"
                label="Delete the account after removal"
                on=form.checked("delete_accounts", policy.delete_accounts)
                hint="Microsoft keeps a deleted account for 30 more days.".to_owned()
            >
                <TextField
                    name="days_before_deletion"
                    label="Days before deletion"
                    kind=TextKind::Number
                    value=days
                    error=error
                />
            </Switch>
        </SwitchGroup>
    }
    .into_any()
}

#[component]
fn LimitFields(policy: Policy, form: FormState) -> impl IntoView {
    let names = ["limit_percent", "limit_floor", "limit_ceiling", "protected"];
    let open = names.iter().any(|name| form.error(name).is_some());
    let Limits {
        floor,
        ceiling,
        percent,
    } = policy.limits;
    let summary = format!(
        "Limits and protected accounts: asks above {percent} % of accounts, {} protected",
        policy.protected.len()
    );
    let number = |name: &'static str, stored: String| (form.value(name, &stored), form.error(name));
    let (percent, percent_error) = number("limit_percent", percent.to_string());
    let (floor, floor_error) = number("limit_floor", floor.to_string());
    let (ceiling, ceiling_error) = number("limit_ceiling", ceiling.to_string());
    let protected = form.value("protected", &policy.protected.join("\n"));
    let protected_error = form.error("protected");
    view! {
        <Expander summary=summary open=open>
            <div class="stack">
                <p class="hint">
                    "A sync that would take sign-in, licenses or existence from more accounts than this waits for your approval."
                </p>
                <div class="fields">
                    <TextField
                        name="limit_percent"
                        label="Percent of linked accounts"
                        kind=TextKind::Number
                        value=percent
                        error=percent_error
                    />
                    <TextField
                        name="limit_floor"
                        label="Never ask up to"
                        kind=TextKind::Number
                        value=floor
                        error=floor_error
                        hint="Accounts in one sync.".to_owned()
                    />
                    <TextField
                        name="limit_ceiling"
                        label="Always ask above"
                        kind=TextKind::Number
                        value=ceiling
                        error=ceiling_error
                        hint="Accounts in one sync.".to_owned()
                    />
                </div>
                <TextArea
                    name="protected"
                    label="Protected accounts"
                    value=protected
                    rows=3
                    max_length=20_000
                    code=true
                    error=protected_error
                    hint="User principal names, one per line. Signpost never touches them. Administrators and accounts synchronised from elsewhere are protected anyway.".to_owned()
                />
            </div>
        </Expander>
    }
    .into_any()
}

/// The Actions of the posted form; what is wrong is added to `errors`, and `None` comes back.
pub fn read_policy(posted: &Posted, errors: &mut FormErrors) -> Option<Policy> {
    let mut wrong = FormErrors::new();
    let mut number = |name: &str, what: &str, most: u32| {
        let value = posted.first(name).trim().parse().ok();
        match value.filter(|value: &u32| *value <= most) {
            Some(value) => value,
            None => {
                wrong.add(name, format!("Enter {what} as a number from 0 to {most}"));
                0
            }
        }
    };
    let days = number("days_before_deletion", "the days", 3_650);
    // A form of an older page does not have it yet.
    let license_days = if posted.has("days_before_license_removal") {
        number("days_before_license_removal", "the days", 3_650)
    } else {
        0
    };
    let limits = Limits {
        percent: u8::try_from(number("limit_percent", "the share", 100)).unwrap_or(100),
        floor: number("limit_floor", "the accounts", 1_000_000),
        ceiling: number("limit_ceiling", "the accounts", 1_000_000),
    };
    if wrong.is_empty() && limits.floor > limits.ceiling {
        wrong.add(
            "limit_ceiling",
            "Enter at least as many as under Never ask up to",
        );
    }
    let protected: Vec<String> = posted
        .first("protected")
        .split(['\n', ',', ';'])
        .map(text::fold)
        .filter(|name| !name.is_empty())
        .collect();
    if protected.len() > MOST_PROTECTED {
        wrong.add(
            "protected",
            format!("Name at most {MOST_PROTECTED} accounts"),
        );
    }
    if let Some(name) = protected.iter().find(|name| !text::is_mail_address(name)) {
        wrong.add(
            "protected",
            format!("“{name}” is not a user principal name"),
        );
    }
    if !wrong.is_empty() {
        errors.fields.extend(wrong.fields);
        return None;
    }
    Some(Policy {
        create_accounts: posted.has("create_accounts"),
        update_profiles: posted.has("update_profiles"),
        assign_licenses: posted.has("assign_licenses"),
        block_sign_in: posted.has("block_sign_in"),
        end_sessions: posted.has("end_sessions"),
        remove_licenses: posted.has("remove_licenses"),
        delete_accounts: posted.has("delete_accounts"),
        days_before_license_removal: u16::try_from(license_days).unwrap_or(u16::MAX),
        days_before_deletion: u16::try_from(days).unwrap_or(u16::MAX),
        limits,
        protected,
        ..Policy::default()
    })
}
