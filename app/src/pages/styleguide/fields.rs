//! Every kind of field, and the provisioning card that holds most of them.

use leptos::prelude::*;

use crate::components::*;

/// The cards of this part.
#[component]
pub(super) fn Fields() -> impl IntoView {
    view! {
        <Texts />
        <Choices />
    }
}

#[component]
fn Texts() -> impl IntoView {
    let countries = vec![Choice::new("DE", "Germany"), Choice::new("PT", "Portugal")];
    view! {
        <Card id="texts" title="Text fields">
            <Form action="#texts" class="card__body stack" encoding=Encoding::Multipart>
                <TextField name="name" label="Your name" autocomplete="name" required=true />
                <TextField name="email" label="Email" kind=TextKind::Email autocomplete="username" value="alice@contoso.example" />
                <TextField name="password" label="Password" kind=TextKind::Password autocomplete="current-password" />
                <TextField name="code" label="Verification code" kind=TextKind::OneTimeCode autocomplete="one-time-code" max_length=8 />
                <TextField name="upn" label="User name" value="alice@contoso.example" read_only=true />
                <TextArea name="rule" label="Rule" code=true value="department == \"Sales\"" />
                <Select name="country" label="Country" choices=countries chosen="PT" />
                <FileField name="file" label="CSV file" accept=".csv,text/csv" hint="Up to 100,000 rows.".to_owned() />
                <CheckBox name="header" label="The first row holds names" checked=true hint="As Excel saves it.".to_owned() />
            </Form>
        </Card>
    }
}

#[component]
fn Choices() -> impl IntoView {
    view! {
        <Card id="choices" title="Add application, step 2 of 2">
            <Form action="#choices" class="card__body stack">
                <Stepper steps=vec!["Name", "User Access Type"] current=1 />
                <RadioGroup name="access" label="User Access Type">
                    <RadioCard
                        name="access"
                        value="assigned"
                        label="Assigned users and groups"
                        hint="Only users and groups that you assign can sign in.".to_owned()
                        checked=true
                    />
                    <RadioCard
                        name="access"
                        value="all"
                        label="All users"
                        hint="Everyone in the directory can sign in, now and later.".to_owned()
                    />
                    <RadioCard name="access" value="rule" label="Users that match a rule">
                        <TextField name="access_rule" label="Access rule" kind=TextKind::Code />
                    </RadioCard>
                </RadioGroup>
                <div class="row">
                    <Button look=Look::Primary>"Finish"</Button>
                    <LinkButton href="#choices" look=Look::Quiet>"Back"</LinkButton>
                </div>
            </Form>
        </Card>
    }
}

/// Settings, licenses and switches in one form, as on the Provisioning page.
#[component]
pub(super) fn Provisioning() -> impl IntoView {
    let aside = || view! { <StatusBadge status=Status::CONNECTED /> <span class="hint push">"contoso.onmicrosoft.com"</span> };
    view! {
        <Form action="#provisioning" guard=Guard::Unsaved>
            <ExpanderCard id="provisioning" title="Microsoft (Office) 365" open=true aside=aside>
                <div class="card__body">
                    <ConnectionFields />
                </div>
                <div class="card__split">
                    <LicenseTable />
                    <Switches />
                </div>
                <footer class="card__foot card__foot--sticky">
                    <span class="grow">"Checked at 14:02. 5 of 5 permissions granted, 4 licenses loaded."</span>
                    <Button name="do" value="test">"Test connection"</Button>
                    <Button look=Look::Primary>"Update Settings"</Button>
                </footer>
            </ExpanderCard>
        </Form>
    }
}

#[component]
fn ConnectionFields() -> impl IntoView {
    let state = SecretState::EndsSoon {
        saved: "Saved 3 Nov 2026".into(),
        expires: "expires in 21 days".into(),
    };
    view! {
        <div class="fields">
            <TextField
                name="tenant_id"
                label="Directory (tenant) ID"
                kind=TextKind::Code
                value="3f1c9a52-7d0e-4b61-9a3f-51c0b8e2d704"
                hint="Entra admin center, Overview, Tenant ID.".to_owned()
            />
            <TextField
                name="client_id"
                label="Application (client) ID"
                kind=TextKind::Code
                value="b8e0d2f4-16c7-4f0a-8b2d-90a4c7713e5b"
                hint="App registration, Overview, Application (client) ID.".to_owned()
            />
            <SecretField
                name="secret"
                label="Secret Value"
                state=state
                hint="Paste the Value from Entra, not the Secret ID.".to_owned()
            />
        </div>
    }
}

#[component]
fn LicenseTable() -> impl IntoView {
    let rows = [
        (
            "Microsoft 365 E3",
            "SPE_E3",
            Usage {
                used: 385,
                planned: 24,
                total: 420,
            },
        ),
        (
            "Visio Plan 2",
            "VISIOCLIENT",
            Usage {
                used: 12,
                planned: 0,
                total: 25,
            },
        ),
        (
            "Exchange Plan 1",
            "EXCHANGESTANDARD",
            Usage {
                used: 50,
                planned: 0,
                total: 50,
            },
        ),
    ];
    let rows = rows
        .into_iter()
        .map(|(name, part, usage)| {
            let full = usage.is_full();
            let free = if full {
                view! { <Badge tone=Tone::Bad>"None left"</Badge> }.into_any()
            } else {
                (usage.total - usage.used - usage.planned).to_string().into_any()
            };
            view! {
                <tr>
                    <td>
                        <RowCheck name="sku" value=part label=name checked=part == "SPE_E3" disabled=full />
                    </td>
                    <th scope="row">
                        <span class="strong">{name}</span>
                        <small class="mono">{part}</small>
                    </th>
                    <td>
                        <Meter usage=usage />
                    </td>
                    <td class="end">{free}</td>
                </tr>
            }
        })
        .collect_view();
    let columns = vec![
        Column::hidden("Assign"),
        Column::new("License"),
        Column::new("Seats"),
        Column::numeric("Free after sync"),
    ];
    view! {
        <CardSection id="licenses" title="Licenses" hint="Ticked licenses are given to every assigned user.".to_owned()>
            <DataTable caption="Licenses in the tenant" columns=columns>
                {rows}
            </DataTable>
            <div class="card__body">
                <MeterLegend />
            </div>
        </CardSection>
    }
}

#[component]
fn Switches() -> impl IntoView {
    view! {
        <CardSection id="actions" title="Actions" hint="What Signpost may change in Microsoft 365.".to_owned()>
            <SwitchGroup label="When a user is assigned or changed">
                <Switch name="create" label="Create accounts" on=true hint="If no account with this user name exists.".to_owned() />
                <Switch name="update" label="Update profiles" on=true hint="Name, department, job title, phone and manager.".to_owned() />
            </SwitchGroup>
            <SwitchGroup label="When a user is removed">
                <Switch name="block" label="Block sign-in when a user is removed from assignment" on=true />
                <Switch name="delete" label="Delete the account after removal" hint="Microsoft keeps it for 30 days more.".to_owned()>
                    <TextField name="delete_after" label="Days before deletion" kind=TextKind::Number value="30" />
                </Switch>
            </SwitchGroup>
        </CardSection>
    }
}
