//! What every page of an application has around it: title, state, tabs.

use leptos::prelude::*;
use signpost_model::{Application, ConnectionState};
use signpost_store::connections::Connection;

use crate::components::{Crumb, Icon, PageHeader, Status, StatusBadge, Tab, TabPlace, Tabs};
use crate::shell::{Notices, Page, Section};
use crate::urls;

/// The pages of an application that the tabs lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Assignments,
    Provisioning,
    Runs,
    SignOn,
    Readiness,
    Settings,
}

impl Part {
    const ALL: [Self; 6] = [
        Self::Assignments,
        Self::Provisioning,
        Self::Runs,
        Self::SignOn,
        Self::Readiness,
        Self::Settings,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Assignments => "Assignments",
            Self::Provisioning => "Provisioning",
            Self::Runs => "Runs",
            Self::SignOn => "Sign-on",
            Self::Readiness => "Readiness",
            Self::Settings => "Settings",
        }
    }

    fn href(self, application: &Application) -> String {
        match self {
            Self::Assignments => urls::application_assignments(application.id),
            Self::Provisioning => urls::application_provisioning(application.id),
            Self::Runs => urls::application_runs(application.id),
            Self::SignOn => urls::application_sign_on(application.id),
            Self::Readiness => urls::application_readiness(application.id),
            Self::Settings => urls::application_settings(application.id),
        }
    }
}

/// The looks of a connection's state.
pub const fn status_of(state: ConnectionState) -> Status {
    match state {
        ConnectionState::NotSetUp => Status::NOT_SET_UP,
        ConnectionState::Connected => Status::CONNECTED,
        ConnectionState::WithProblems => Status::WITH_PROBLEMS,
        ConnectionState::Stopped => Status::STOPPED,
    }
}

/// A page of an application. `below` names a page under a tab, such as *Assign users*.
#[component]
pub fn ApplicationPage(
    application: Application,
    connection: Option<Connection>,
    part: Part,
    #[prop(optional)] below: Option<&'static str>,
    /// More facts under the title.
    #[prop(default = Vec::new())]
    facts: Vec<String>,
    #[prop(optional, into)] actions: ViewFnOnce,
    children: Children,
) -> impl IntoView {
    let mut above = vec![
        Crumb::link("Applications", urls::APPLICATIONS),
        Crumb::link(application.name.clone(), urls::application(application.id)),
    ];
    if below.is_some() {
        above.push(Crumb::link(part.label(), part.href(&application)));
    }
    let tabs = Part::ALL
        .into_iter()
        .map(|one| Tab {
            label: one.label(),
            href: one.href(&application),
            place: match below {
                Some(_) if one == part => TabPlace::Above,
                _ => TabPlace::here(one == part),
            },
        })
        .collect();
    let state = connection
        .as_ref()
        .map_or(ConnectionState::NotSetUp, |connection| connection.state);
    let domain = connection.map(|connection| connection.settings.domain);
    let facts = move || {
        view! {
            <StatusBadge status=status_of(state) />
            {domain.map(|domain| view! { <span>{domain}</span> })}
            {facts.into_iter().map(|fact| view! { <span>{fact}</span> }).collect_view()}
        }
    };
    view! {
        <Page title=below.unwrap_or(part.label()) section=Section::Applications above=above>
            <PageHeader
                title=application.name
                icon=Icon::CloudCog
                facts=facts
                actions=move || actions.run()
            />
            <Tabs label="Application" tabs=tabs />
            <Notices />
            {children()}
        </Page>
    }
    .into_any()
}
