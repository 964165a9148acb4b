//! Buttons, states, notices, dialogs, what is under way.

use leptos::prelude::*;

use crate::components::*;

/// The cards of this part.
#[component]
pub(super) fn Acts() -> impl IntoView {
    view! {
        <Buttons />
        <Badges />
        <UnderWay />
        <Results />
        <Errors />
        <Deletion />
        <Shown />
        <Empty />
    }
}

#[component]
fn Buttons() -> impl IntoView {
    view! {
        <Card id="buttons" title="Buttons" hint="One primary button in each card.".to_owned()>
            <Form action="#buttons" class="card__body stack">
                <div class="row">
                    <Button look=Look::Primary icon=Icon::Play>"Sync Users"</Button>
                    <Button name="do" value="test">"Test connection"</Button>
                    <LinkButton href="#buttons" look=Look::Quiet>"Cancel"</LinkButton>
                    <Button look=Look::Danger>"Remove"</Button>
                    <Button look=Look::Destroy>"Delete application"</Button>
                </div>
                <div class="row">
                    <Button size=ButtonSize::Small icon=Icon::RefreshCw>"Reload"</Button>
                    <IconButton icon=Icon::Trash2 label="Remove the rule" />
                    <Button disabled_because="Make a preview first.".to_owned()>"Apply"</Button>
                </div>
                <div class="row">
                    <Button opens="script" icon=Icon::Terminal>"Show PowerShell Script"</Button>
                </div>
            </Form>
            <Dialog id="script" title="PowerShell script">
                <div class="card__body">
                    <CodeBlock
                        id="script-code"
                        label="Script"
                        code="Connect-MgGraph -Scopes \"Domain.ReadWrite.All\"\nGet-MgDomain -DomainId \"contoso.example\""
                        download="#script"
                    />
                </div>
            </Dialog>
        </Card>
    }
}

const STATES: &[Status] = &[
    Status::QUEUED,
    Status::PLANNING,
    Status::AWAITING_APPROVAL,
    Status::APPLYING,
    Status::SUCCEEDED,
    Status::COMPLETED_WITH_FAILURES,
    Status::FAILED,
    Status::CANCELLED,
    Status::PASSED,
    Status::ATTENTION,
    Status::UNKNOWN,
    Status::WAIVED,
    Status::NOT_SET_UP,
    Status::CONNECTED,
    Status::WITH_PROBLEMS,
    Status::STOPPED,
    Status::ACTIVE,
    Status::BLOCKED,
    Status::DELETED,
];

#[component]
fn Badges() -> impl IntoView {
    view! {
        <Card id="badges" title="States" hint="A word and an icon. Never a colour alone.".to_owned()>
            <div class="card__body row">
                {STATES.iter().map(|status| view! { <StatusBadge status=*status /> }).collect_view()}
                <Badge tone=Tone::Info>"35 changes waiting"</Badge>
            </div>
        </Card>
    }
}

#[component]
fn UnderWay() -> impl IntoView {
    view! {
        <Card
            id="running"
            title="Sync running"
            hint="Live with a script; without one the page reloads every 5 seconds.".to_owned()
            footer=|| {
                view! {
                    <span class="grow">"You can leave this page. The sync keeps running."</span>
                    <Button size=ButtonSize::Small>"Cancel"</Button>
                }
            }
        >
            <div class="card__body stack">
                <Live>
                    <LiveStatus>
                        <StatusBadge status=Status::APPLYING />
                    </LiveStatus>
                    <Progress label="Run progress" done=21 total=35 />
                    <p class="hint num">"21 of 35 changes done: 17 created, 4 updated, 0 failed."</p>
                </Live>
                <Progress label="Finished run" done=35 total=35 kind=ProgressKind::Done />
            </div>
        </Card>
    }
}

#[component]
fn Results() -> impl IntoView {
    view! {
        <Card id="results" title="Notices" hint="They stay on the page, where the result is.".to_owned()>
            <div class="card__body stack">
                <Notice tone=Tone::Ok urgency=Urgency::Status title="Settings saved.">
                    "Connected to Contoso. 5 of 5 permissions granted, 4 licenses loaded."
                </Notice>
                <Notice tone=Tone::Warn title="34 of 35 changes made, 1 failed.">
                    "No seats of Microsoft 365 E3 were left for dave@contoso.example."
                </Notice>
                <Notice tone=Tone::Bad urgency=Urgency::Alert title="Microsoft does not accept the client secret.">
                    "It was not saved. Create a new secret in the app registration and paste its Value here."
                    <Expander summary="Details for support">
                        <pre tabindex="0" role="group" aria-label="Error details">
                            "AADSTS7000215, 14:02:11 UTC"
                        </pre>
                    </Expander>
                </Notice>
                <Notice>"The provider behind these addresses is set up under Sign-on."</Notice>
            </div>
        </Card>
    }
}

#[component]
fn Errors() -> impl IntoView {
    let malformed = "Enter the tenant ID as 32 letters and digits with dashes";
    let errors = vec![
        FieldError::new("tenant_sample", malformed),
        FieldError::new(
            "secret_sample",
            "This is a Secret ID. Paste the secret’s Value",
        ),
        FieldError::new("", "The domain is used by another application"),
    ];
    view! {
        <Card id="errors" title="Error summary and field errors" hint="After a plain post. Values stay.".to_owned()>
            <Form action="#errors" class="card__body stack" guard=Guard::Unsaved>
                <ErrorSummary errors=errors />
                <TextField
                    name="tenant_sample"
                    label="Directory (tenant) ID"
                    kind=TextKind::Code
                    value="contoso.onmicrosoft"
                    error=malformed.to_owned()
                    hint="Entra admin center, Overview, Tenant ID.".to_owned()
                />
                <SecretField
                    name="secret_sample"
                    label="Secret Value"
                    error="This is a Secret ID. Paste the secret’s Value".to_owned()
                />
            </Form>
        </Card>
    }
}

#[component]
fn Deletion() -> impl IntoView {
    view! {
        <Card
            id="deletion"
            title="Delete application"
            kind=CardKind::Danger
            hint="On a page of its own.".to_owned()
        >
            <Form action="#deletion" class="card__body stack">
                <p class="text-2">
                    "Signpost stops managing Microsoft 365 for 412 users. Their accounts, licenses and files stay in Microsoft 365."
                </p>
                <TextField name="confirmation" label="Type Microsoft 365 to confirm" confirms="Microsoft 365" />
                <div class="row">
                    <Button look=Look::Destroy>"Delete application"</Button>
                    <LinkButton href="#deletion">"Cancel"</LinkButton>
                </div>
            </Form>
        </Card>
    }
}

#[component]
fn Shown() -> impl IntoView {
    view! {
        <Card id="secrets" title="Values to carry elsewhere">
            <div class="card__body stack">
                <SecretOnce id="token" secret="spt_4Jm2vT9qLw7xQe0RkYb3Hs8nUcZ1fPdA" noun="token" />
                <CopyField
                    name="issuer"
                    label="Issuer"
                    value="https://id.contoso.example/saml/3f1c9a52"
                    hint="Microsoft compares it letter by letter.".to_owned()
                />
            </div>
        </Card>
    }
}

#[component]
fn Empty() -> impl IntoView {
    view! {
        <Card id="empty" title="Nothing to show">
            <EmptyState
                icon=Icon::SearchX
                title="No users match “moreu”"
                why="Check the spelling, or search for a user name, an email address or a department."
            >
                <LinkButton href="#empty">"Clear search"</LinkButton>
            </EmptyState>
        </Card>
    }
}
