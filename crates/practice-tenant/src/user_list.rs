//! `GET /users`, `/users/$count` and the deleted users: filter, order, search, pages.

use std::ops::Bound;

use crate::answer::{Answer, Outcome, Refusal};
use crate::fields::Field;
use crate::filter::{self, Comparison, Filter, Literal, Seen, Test};
use crate::request::Call;
use crate::select::{Page, Selection, cursor, expanded_manager, next_link, page_size};
use crate::tenant::{Tenant, UserNo};
use crate::user::{User, UserView};

fn resolve(name: &str) -> Option<(Field, bool)> {
    Field::parse(name).map(|field| (field, field.is_filtered_only_advanced()))
}

/// Which users a request wants.
#[derive(Debug, Default)]
struct Wanted {
    filter: Option<Filter<Field>>,
    search: Vec<(Option<Field>, String)>,
}

impl Wanted {
    fn parse(call: &Call<'_>) -> Result<Self, Refusal> {
        let mut wanted = Self::default();
        if let Some(text) = call.query.get("$filter") {
            let parsed = filter::parse(text, resolve)?;
            let is_ordered = call.query.get("$orderby").is_some();
            if (parsed.advanced || is_ordered) && !call.is_advanced() {
                return Err(Refusal::unsupported_query(
                    "Unsupported or invalid query filter clause specified for property of resource 'User'. Advanced queries need the header ConsistencyLevel: eventual and $count=true.",
                ));
            }
            wanted.filter = Some(parsed.filter);
        }
        if let Some(text) = call.query.get("$search") {
            if !call.wishes.eventual {
                return Err(Refusal::unsupported_query(
                    "Request with $search query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'",
                ));
            }
            wanted.search = parse_search(text)?;
        }
        Ok(wanted)
    }

    fn is_everyone(&self) -> bool {
        self.filter.is_none() && self.search.is_empty()
    }

    fn matches(&self, tenant: &Tenant, user: &User) -> bool {
        let see = |field: &Field, sub: Option<&str>| user.see(tenant, *field, sub);
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.matches(&see))
            && (self.search.is_empty()
                || self
                    .search
                    .iter()
                    .any(|(field, word)| has_word(tenant, user, *field, word)))
    }
}

/// `"displayName:ada" OR "mail:ada"`: any of the quoted terms.
fn parse_search(text: &str) -> Result<Vec<(Option<Field>, String)>, Refusal> {
    let terms = text
        .split('"')
        .skip(1)
        .step_by(2)
        .map(|term| match term.split_once(':') {
            Some((name, word)) => Ok((
                Some(Field::parse(name).ok_or_else(|| {
                    Refusal::bad_request(format!("Property '{name}' cannot be searched."))
                })?),
                word.to_lowercase(),
            )),
            None => Ok((None, term.to_lowercase())),
        });
    let terms: Vec<_> = terms.collect::<Result<_, Refusal>>()?;
    if terms.is_empty() {
        Err(Refusal::bad_request(
            "Syntax error in $search: terms must be in double quotes.",
        ))
    } else {
        Ok(terms)
    }
}

fn has_word(tenant: &Tenant, user: &User, field: Option<Field>, word: &str) -> bool {
    let fields = field.map_or_else(
        || vec![Field::DisplayName, Field::Mail, Field::UserPrincipalName],
        |field| vec![field],
    );
    let starts = |text: &str| {
        text.to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .any(|part| part.starts_with(word))
            || text.to_lowercase().starts_with(word)
    };
    fields
        .into_iter()
        .any(|field| match user.see(tenant, field, None) {
            Seen::Text(text) => starts(&text),
            Seen::Texts(all) => all.iter().any(|text| starts(text)),
            Seen::Null | Seen::Flag(_) => false,
        })
}

/// `GET /users`.
pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if call.query.get("$skip").is_some() {
        return Err(Refusal::bad_request(
            "'$skip' is not supported by the service.",
        ));
    }
    let selection = Selection::of_users(call)?;
    let manager = expanded_manager(call)?;
    let wanted = Wanted::parse(call)?;
    let at = cursor(call)?;
    let size = page_size(call)?;
    let (numbers, next) = match order(call)? {
        Some((field, descending)) => ordered_page(
            tenant,
            call,
            &wanted,
            (field, descending),
            at.as_deref(),
            size,
        )?,
        None => plain_page(tenant, call, &wanted, at.as_deref(), size)?,
    };
    let counted = call.is_advanced() && at.is_none();
    let count = counted.then(|| count_users(tenant, call, &wanted));
    let view = |no: &UserNo| UserView {
        tenant,
        user: tenant.seen(*no, call.now),
        fields: &selection.fields,
        context: None,
        typed: false,
        manager: manager.as_deref(),
        now: call.now,
    };
    let views: Vec<UserView<'_>> = numbers.iter().map(view).collect();
    let link = next.map(|at| ("@odata.nextLink", next_link(call, &at)));
    Ok(Answer::ok(&Page {
        context: selection.context(call, "users", ""),
        count,
        link,
        value: &views,
    }))
}

/// `GET /users/$count`.
pub(crate) fn count(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if !call.wishes.eventual {
        return Err(Refusal::bad_request("$count is not currently supported."));
    }
    let wanted = Wanted::parse_counting(call)?;
    Ok(Answer::raw(
        "text/plain",
        count_users(tenant, call, &wanted).to_string().into_bytes(),
    ))
}

impl Wanted {
    /// As `parse`, but `/$count` is itself the count an advanced query asks for.
    fn parse_counting(call: &Call<'_>) -> Result<Self, Refusal> {
        let filter = call
            .query
            .get("$filter")
            .map(|text| filter::parse(text, resolve))
            .transpose()?;
        Ok(Self {
            filter: filter.map(|parsed| parsed.filter),
            search: Vec::new(),
        })
    }
}

fn count_users(tenant: &Tenant, call: &Call<'_>, wanted: &Wanted) -> usize {
    if wanted.is_everyone() && tenant.replication_delay == 0 {
        return tenant.index.live;
    }
    let candidates = candidates(tenant, wanted);
    let is_match = |no: &UserNo| {
        tenant.is_visible(*no, call.now) && wanted.matches(tenant, tenant.seen(*no, call.now))
    };
    match candidates {
        Some(all) => all.iter().filter(|no| is_match(no)).count(),
        None => everyone(tenant).filter(is_match).count(),
    }
}

fn everyone(tenant: &Tenant) -> impl Iterator<Item = UserNo> + use<> {
    0..UserNo::try_from(tenant.users.len()).unwrap_or(UserNo::MAX)
}

/// Users in the order they were created, from a place on; candidates come from an index where one fits.
fn plain_page(
    tenant: &Tenant,
    call: &Call<'_>,
    wanted: &Wanted,
    at: Option<&str>,
    size: usize,
) -> Result<(Vec<UserNo>, Option<String>), Refusal> {
    let from: UserNo = at
        .map_or(Ok(0), str::parse)
        .map_err(|_| Refusal::bad_request("The specified value for $skiptoken is not valid."))?;
    let is_match = |no: &UserNo| {
        tenant.is_visible(*no, call.now) && wanted.matches(tenant, tenant.seen(*no, call.now))
    };
    let mut found: Vec<UserNo> = match candidates(tenant, wanted) {
        Some(all) => all
            .into_iter()
            .filter(|no| *no >= from)
            .filter(is_match)
            .take(size + 1)
            .collect(),
        None => everyone(tenant)
            .skip(from as usize)
            .filter(is_match)
            .take(size + 1)
            .collect(),
    };
    let next = (found.len() > size).then(|| found[size].to_string());
    found.truncate(size);
    Ok((found, next))
}

/// Users in the order of one property; the place is how many came before.
fn ordered_page(
    tenant: &Tenant,
    call: &Call<'_>,
    wanted: &Wanted,
    order: (Field, Descending),
    at: Option<&str>,
    size: usize,
) -> Result<(Vec<UserNo>, Option<String>), Refusal> {
    let skip: usize = at
        .map_or(Ok(0), str::parse)
        .map_err(|_| Refusal::bad_request("The specified value for $skiptoken is not valid."))?;
    let key = |no: UserNo| match tenant.seen(no, call.now).see(tenant, order.0, None) {
        Seen::Text(text) => text.to_lowercase(),
        _ => String::new(),
    };
    let is_match = |no: &UserNo| {
        tenant.is_visible(*no, call.now) && wanted.matches(tenant, tenant.seen(*no, call.now))
    };
    let mut found: Vec<(String, UserNo)> = everyone(tenant)
        .filter(is_match)
        .map(|no| (key(no), no))
        .collect();
    found.sort();
    if order.1 == Descending::Yes {
        found.reverse();
    }
    let next = (found.len() > skip + size).then(|| (skip + size).to_string());
    Ok((
        found
            .into_iter()
            .skip(skip)
            .take(size)
            .map(|(_, no)| no)
            .collect(),
        next,
    ))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Descending {
    Yes,
    No,
}

fn order(call: &Call<'_>) -> Result<Option<(Field, Descending)>, Refusal> {
    let Some(text) = call.query.get("$orderby") else {
        return Ok(None);
    };
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default();
    let field = Field::parse(name).filter(|field| {
        matches!(
            field,
            Field::DisplayName
                | Field::UserPrincipalName
                | Field::CreatedDateTime
                | Field::DeletedDateTime
        )
    });
    let field = field.ok_or_else(|| {
        Refusal::unsupported_query(format!("Sorting by '{name}' is not supported."))
    })?;
    let descending = match words.next() {
        Some(word) if word.eq_ignore_ascii_case("desc") => Descending::Yes,
        _ => Descending::No,
    };
    Ok(Some((field, descending)))
}

/// Users an index names for the filter, in order of their number; `None` when no index fits.
fn candidates(tenant: &Tenant, wanted: &Wanted) -> Option<Vec<UserNo>> {
    let mut all = from_index(tenant, wanted.filter.as_ref()?)?;
    all.sort_unstable();
    all.dedup();
    Some(all)
}

fn from_index(tenant: &Tenant, filter: &Filter<Field>) -> Option<Vec<UserNo>> {
    match filter {
        Filter::And(a, b) => from_index(tenant, a).or_else(|| from_index(tenant, b)),
        Filter::Or(a, b) => {
            let mut all = from_index(tenant, a)?;
            all.extend(from_index(tenant, b)?);
            Some(all)
        }
        Filter::Test {
            property,
            sub: None,
            test,
        } => match test {
            Test::Compare(Comparison::Eq, Literal::Text(text)) => by_value(tenant, *property, text),
            Test::In(values) => {
                let mut all = Vec::new();
                for value in values {
                    let Literal::Text(text) = value else {
                        return None;
                    };
                    all.extend(by_value(tenant, *property, text)?);
                }
                Some(all)
            }
            Test::StartsWith(start) => by_prefix(tenant, *property, &start.to_lowercase()),
            _ => None,
        },
        _ => None,
    }
}

fn by_value(tenant: &Tenant, field: Field, text: &str) -> Option<Vec<UserNo>> {
    let index = &tenant.index;
    let lower = text.to_lowercase();
    Some(match field {
        Field::Id => uuid::Uuid::parse_str(text)
            .ok()
            .and_then(|id| index.users.get(&id))
            .copied()
            .into_iter()
            .collect(),
        Field::UserPrincipalName => index
            .upns
            .get(lower.as_str())
            .copied()
            .into_iter()
            .collect(),
        Field::Mail => index.mails.get(lower.as_str()).cloned().unwrap_or_default(),
        Field::ProxyAddresses => index
            .proxies
            .get(lower.as_str())
            .copied()
            .into_iter()
            .collect(),
        Field::ImmutableId => index.anchors.get(text).copied().into_iter().collect(),
        _ => return None,
    })
}

fn by_prefix(tenant: &Tenant, field: Field, start: &str) -> Option<Vec<UserNo>> {
    let from = (Bound::Included(start), Bound::Unbounded);
    match field {
        Field::UserPrincipalName => Some(
            tenant
                .index
                .upns
                .range::<str, _>(from)
                .take_while(|(upn, _)| upn.starts_with(start))
                .map(|(_, no)| *no)
                .collect(),
        ),
        Field::Mail => Some(
            tenant
                .index
                .mails
                .range::<str, _>(from)
                .take_while(|(mail, _)| mail.starts_with(start))
                .flat_map(|(_, all)| all.iter().copied())
                .collect(),
        ),
        _ => None,
    }
}

/// `GET /directory/deletedItems/graph.user`.
pub(crate) fn list_deleted(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let selection = Selection::of_users(call)?;
    let wanted = Wanted::parse(call)?;
    if call.query.get("$orderby").is_some() && !call.is_advanced() {
        return Err(Refusal::unsupported_query(
            "Sorting deleted items needs the header ConsistencyLevel: eventual and $count=true.",
        ));
    }
    let from: UserNo = cursor(call)?
        .map_or(Ok(0), |at| at.parse())
        .map_err(|_| Refusal::bad_request("The specified value for $skiptoken is not valid."))?;
    let size = page_size(call)?;
    let is_match = |no: &&UserNo| wanted.matches(tenant, tenant.user(**no));
    let mut found: Vec<UserNo> = tenant
        .index
        .deleted
        .range(from..)
        .filter(is_match)
        .take(size + 1)
        .copied()
        .collect();
    let next = (found.len() > size).then(|| found[size].to_string());
    found.truncate(size);
    let mut fields = selection.fields.clone();
    if !fields.contains(&Field::DeletedDateTime) {
        fields.push(Field::DeletedDateTime);
    }
    let view = |no: &UserNo| UserView {
        tenant,
        user: tenant.user(*no),
        fields: &fields,
        context: None,
        typed: false,
        manager: None,
        now: call.now,
    };
    let views: Vec<UserView<'_>> = found.iter().map(view).collect();
    let link = next.map(|at| ("@odata.nextLink", next_link(call, &at)));
    let count = call.is_advanced().then_some(tenant.index.deleted.len());
    Ok(Answer::ok(&Page {
        context: selection.context(call, "users", ""),
        count,
        link,
        value: &views,
    }))
}
