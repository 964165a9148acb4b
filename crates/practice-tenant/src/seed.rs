//! The tenant's first day: Contoso Practice, the same for the same seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::clock::Millis;
use crate::domains::Domain;
use crate::fields::Field;
use crate::groups::{Group, Member};
use crate::licenses::grant;
use crate::policies::Policies;
use crate::practice::Options;
use crate::registrations::{Registration, Secret};
use crate::roles::DirectoryRole;
use crate::skus::{Plan, Sku};
use crate::tenant::{DeltaRules, Index, Tenant, UserNo};
use crate::user::User;
use crate::user_changes::Author;
use crate::{members, users};

/// The verified domain people sign in with.
pub(crate) const DOMAIN: &str = "contoso.example";
const INITIAL: &str = "contoso-practice.onmicrosoft.com";
const DAY_MS: Millis = 24 * 3600 * 1000;

/// A fresh tenant.
pub(crate) fn tenant(options: &Options) -> Tenant {
    let now = options.clock.now_ms();
    let mut tenant = Tenant {
        id: Uuid::nil(),
        name: "Contoso Practice".to_owned(),
        created: now - 400 * DAY_MS,
        seed: options.seed,
        minted: 0,
        seq: 0,
        domains: domains(),
        skus: Vec::new(),
        users: Vec::with_capacity(options.users + 32),
        groups: Vec::new(),
        roles: Vec::new(),
        registrations: Vec::new(),
        policies: Policies::new(now - 30 * DAY_MS),
        delta: DeltaRules {
            // A tenant made anew knows no token of one before it.
            epoch: epoch(now),
            ..DeltaRules::default()
        },
        replication_delay: 0,
        index: Index::default(),
    };
    tenant.id = tenant.mint();
    add_skus(&mut tenant, now);
    add_registrations(&mut tenant, now);
    add_accounts(&mut tenant, now - 90 * DAY_MS);
    add_generated(&mut tenant, options, now - 60 * DAY_MS);
    tenant
}

/// The low bits of the time a tenant was made.
fn epoch(now: Millis) -> u32 {
    u32::try_from(now & 0xffff_ffff).unwrap_or_default()
}

fn domains() -> Vec<Domain> {
    vec![
        Domain {
            default: true,
            initial: true,
            ..Domain::new(INITIAL)
        },
        Domain::new(DOMAIN),
        Domain {
            verified: false,
            ..Domain::new("unverified.example")
        },
    ]
}

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().skip(1).map(|line| line.split('\t').collect())
}

fn add_skus(tenant: &mut Tenant, now: Millis) {
    for row in rows(include_str!("../data/skus.tsv")) {
        let [part_number, id, seats, applies_to, status, product_name] = row.as_slice() else {
            continue;
        };
        let plans = rows(include_str!("../data/plans.tsv"))
            .filter(|plan| plan.first() == Some(part_number));
        let plans = plans.filter_map(|plan| {
            Some(Plan {
                id: Uuid::parse_str(plan.get(1)?).ok()?,
                name: (*plan.get(2)?).to_owned(),
            })
        });
        let subscription_id = tenant.mint();
        tenant.skus.push(Sku {
            id: Uuid::parse_str(id).unwrap_or_default(),
            part_number: (*part_number).to_owned(),
            product_name: (*product_name).to_owned(),
            plans: plans.collect(),
            for_users: *applies_to == "User",
            status: (*status).to_owned(),
            enabled: seats.parse().unwrap_or_default(),
            warning: 0,
            suspended: if *status == "Suspended" { 10 } else { 0 },
            locked_out: 0,
            consumed: 0,
            subscription_id,
            next_lifecycle: now + 200 * DAY_MS,
        });
    }
}

/// What Signpost asks for: sync, checks, and nothing else.
const GOOD: &[&str] = &[
    "User.ReadWrite.All",
    "User.RevokeSessions.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "GroupMember.ReadWrite.All",
    "LicenseAssignment.ReadWrite.All",
    "Organization.Read.All",
    "Domain.Read.All",
    "RoleManagement.Read.Directory",
    "Policy.Read.All",
    "Application.Read.All",
    "AuditLog.Read.All",
];
/// What the switches need beside that.
const SWITCHES: &[&str] = &[
    "Group.Create",
    "ProfilePhoto.ReadWrite.All",
    "Policy.ReadWrite.SecurityDefaults",
    "Policy.ReadWrite.AuthenticationMethod",
    "Policy.ReadWrite.Authorization",
    "Policy.ReadWrite.ConditionalAccess",
    "Domain.ReadWrite.All",
    "Domain-InternalFederation.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
];

fn add_registrations(tenant: &mut Tenant, now: Millis) {
    let year = 365 * DAY_MS;
    let all: Vec<&str> = GOOD.iter().chain(SWITCHES).copied().collect();
    let excess: Vec<&str> = GOOD
        .iter()
        .copied()
        .chain(["Directory.ReadWrite.All", "AppRoleAssignment.ReadWrite.All"])
        .collect();
    let rows: [(&str, &str, &[&str], Millis); 6] = [
        ("good", "Signpost", GOOD, now + year),
        (
            "expired-secret",
            "Signpost (secret expired)",
            GOOD,
            now - 3 * DAY_MS,
        ),
        (
            "expiring-secret",
            "Signpost (secret ends soon)",
            GOOD,
            now + 6 * DAY_MS,
        ),
        ("no-consent", "Signpost (no admin consent)", &[], now + year),
        (
            "excess",
            "Signpost (more than it needs)",
            &excess,
            now + year,
        ),
        ("full", "Signpost (every switch)", &all, now + year),
    ];
    for (key, name, permissions, secret_end) in rows {
        let secret = Secret {
            key_id: tenant.mint(),
            name: "Signpost".to_owned(),
            value: secret_value(tenant),
            start: now - year,
            end: secret_end,
        };
        let registration = Registration {
            key: key.to_owned(),
            name: name.to_owned(),
            object_id: tenant.mint(),
            app_id: tenant.mint(),
            principal_id: tenant.mint(),
            secrets: vec![secret],
            certificates: Vec::new(),
            permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
            enabled: true,
            privileged: false,
            created: now - year,
        };
        tenant.registrations.push(registration);
    }
}

/// Forty characters in the shape of a real secret.
fn secret_value(tenant: &mut Tenant) -> String {
    let letters = format!("{}{}", tenant.mint().simple(), tenant.mint().simple());
    format!("{}8Q~{}", &letters[..3], &letters[3..37])
}

/// An account with the usual properties, plus or minus what `more` says.
fn account(
    tenant: &mut Tenant,
    upn: &str,
    display_name: &str,
    more: Value,
    now: Millis,
) -> Option<UserNo> {
    let nickname: String = upn
        .split('@')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '.')
        .collect();
    let mut body: Map<String, Value> = Map::new();
    body.insert("userPrincipalName".to_owned(), json!(upn));
    body.insert("displayName".to_owned(), json!(display_name));
    body.insert("mailNickname".to_owned(), json!(nickname));
    body.insert("accountEnabled".to_owned(), json!(true));
    if let Value::Object(more) = more {
        body.extend(more);
    }
    users::create_account(tenant, &body, Author::SomebodyElse, now).ok()
}

/// Administrators, and people some of whom the sample directory will match.
fn add_accounts(tenant: &mut Tenant, now: Millis) {
    let first = account(
        tenant,
        &format!("breakglass1@{INITIAL}"),
        "Break Glass 1",
        json!({}),
        now,
    );
    let second = account(
        tenant,
        &format!("breakglass2@{INITIAL}"),
        "Break Glass 2",
        json!({}),
        now,
    );
    let helpdesk = account(
        tenant,
        &format!("helpdesk@{DOMAIN}"),
        "Helpdesk",
        json!({"usageLocation": "TR", "mail": format!("helpdesk@{DOMAIN}")}),
        now,
    );
    add_role(
        tenant,
        "62e90394-69f5-4237-9190-012177145e10",
        "Global Administrator",
        "Can manage all aspects of Microsoft Entra ID.",
        [first, second],
    );
    add_role(
        tenant,
        "fe930be7-5e62-47db-91af-98c3a49a38b1",
        "User Administrator",
        "Can manage all aspects of users and groups.",
        [helpdesk, None],
    );

    let alice = json!({"givenName": "Alice", "surname": "Martins", "mail": format!("alice.martins@{DOMAIN}"), "usageLocation": "PT", "jobTitle": "Chief Executive Officer", "department": "Board"});
    let alice = account(
        tenant,
        &format!("alice.martins@{DOMAIN}"),
        "Alice Martins",
        alice,
        now,
    );
    let bob = json!({"givenName": "Bob", "surname": "Keller", "mail": format!("bob.keller@{DOMAIN}"), "usageLocation": "DE", "mobilePhone": "+49 151 0000000"});
    account(
        tenant,
        &format!("Bob.Keller@{DOMAIN}"),
        "Bob Keller",
        bob,
        now,
    );
    let carol = json!({"givenName": "Carol", "surname": "Whitfield", "mail": format!("carol.whitfield@{DOMAIN}"), "usageLocation": "US"});
    account(
        tenant,
        &format!("c.whitfield@{DOMAIN}"),
        "Carol Whitfield",
        carol,
        now,
    );
    for nickname in ["dave", "dobrien"] {
        let no = account(
            tenant,
            &format!("{nickname}@{DOMAIN}"),
            "Dave O'Brien",
            json!({"usageLocation": "GB"}),
            now,
        );
        share_mail(tenant, no, &format!("dave.o'brien@{DOMAIN}"));
    }
    let kiosk = account(
        tenant,
        &format!("warehouse.kiosk@{DOMAIN}"),
        "Warehouse Kiosk",
        json!({"usageLocation": "DE", "onPremisesImmutableId": "q1wK0m4pT0GkHn3sVYbB1Q=="}),
        now,
    );
    if let Some(no) = kiosk {
        tenant.users[no as usize].synced = Some(now);
    }
    if let Some(no) = alice {
        grant(tenant, no, "SPE_E3", now);
    }
    add_groups(tenant, alice, now);
}

/// Two accounts with one mail: possible in real tenants, and ambiguous for a match.
fn share_mail(tenant: &mut Tenant, no: Option<UserNo>, mail: &str) {
    let Some(no) = no else { return };
    tenant.unindex_user(no);
    tenant.users[no as usize].set_text(Field::Mail, Some(mail));
    tenant.index_user(no);
}

fn add_role(
    tenant: &mut Tenant,
    template: &str,
    name: &str,
    description: &str,
    members: [Option<UserNo>; 2],
) {
    let role = DirectoryRole {
        id: tenant.mint(),
        template_id: Uuid::parse_str(template).unwrap_or_default(),
        name: name.to_owned(),
        description: description.to_owned(),
        members: members.into_iter().flatten().collect(),
    };
    tenant.roles.push(role);
}

fn add_groups(tenant: &mut Tenant, alice: Option<UserNo>, now: Millis) {
    let mut everyone = Group::new(tenant.mint(), "All Company", now);
    everyone.types = vec!["Unified".to_owned()];
    everyone.mail_enabled = true;
    everyone.security_enabled = false;
    everyone.mail = Some(format!("allcompany@{INITIAL}"));
    everyone.mail_nickname = "allcompany".to_owned();
    everyone.visibility = Some("Public".to_owned());
    let everyone = tenant.insert_group(everyone, now);
    let mut sales = Group::new(tenant.mint(), "Sales Team", now);
    sales.description = Some("Made by hand before Signpost came".to_owned());
    tenant.insert_group(sales, now);
    let mut dynamic = Group::new(tenant.mint(), "Everyone in Germany", now);
    dynamic.types = vec!["DynamicMembership".to_owned()];
    dynamic.membership_rule = Some("user.usageLocation -eq \"DE\"".to_owned());
    tenant.insert_group(dynamic, now);
    if let Some(no) = alice {
        members::enter(tenant, everyone, Member::User(no), now);
    }
}

const GIVEN: &[&str] = &[
    "Ada", "Bruno", "Clara", "Deniz", "Elif", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Kaan",
    "Lea", "Mert", "Nina", "Omar", "Petra", "Quinn", "Rosa", "Selin", "Tom", "Uma", "Vera", "Wim",
    "Xenia", "Yusuf", "Zeynep",
];
const FAMILY: &[&str] = &[
    "Arslan", "Becker", "Costa", "Demir", "Evans", "Fischer", "Garcia", "Haas", "Ivanov", "Jansen",
    "Kaya", "Lopez", "Meyer", "Novak", "Olsen", "Petit", "Rossi", "Schmidt", "Tan", "Ueda",
    "Vogel", "Weber", "Yilmaz", "Zimmer",
];
const DEPARTMENTS: &[&str] = &[
    "Sales",
    "Engineering",
    "Finance",
    "People",
    "Support",
    "Marketing",
    "Legal",
    "Operations",
];
const PLACES: &[&str] = &["TR", "DE", "US", "GB", "FR", "PT", "NL"];

/// Accounts by the thousand, straight into the directory.
fn add_generated(tenant: &mut Tenant, options: &Options, now: Millis) {
    let mut random = StdRng::seed_from_u64(options.seed ^ 0x7e4a);
    for number in 1..=options.users {
        let (given, family) = (
            GIVEN[random.random_range(0..GIVEN.len())],
            FAMILY[random.random_range(0..FAMILY.len())],
        );
        let upn = format!(
            "{}.{}{number}@{DOMAIN}",
            given.to_lowercase(),
            family.to_lowercase()
        );
        let mut user = User::new(tenant.mint(), now);
        user.set_text(Field::UserPrincipalName, Some(&upn));
        user.set_text(Field::DisplayName, Some(&format!("{given} {family}")));
        user.set_text(Field::GivenName, Some(given));
        user.set_text(Field::Surname, Some(family));
        user.set_text(Field::Mail, Some(&upn));
        user.set_text(Field::MailNickname, upn.split('@').next());
        user.set_text(
            Field::UsageLocation,
            Some(PLACES[random.random_range(0..PLACES.len())]),
        );
        user.set_text(
            Field::Department,
            Some(DEPARTMENTS[random.random_range(0..DEPARTMENTS.len())]),
        );
        user.set_text(Field::UserType, Some("Member"));
        tenant.insert_user(user, now);
    }
}
