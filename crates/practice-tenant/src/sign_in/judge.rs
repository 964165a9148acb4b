//! Whether Microsoft would have taken an answer. Each rule stands alone and is applied even when
//! another has already refused, so that the page names everything at once.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::claims::{Claims, Delivery};
use super::refusal::{Code, Refused};
use super::xml::{At, parse};
use super::{
    Asked, PATIENCE_MS, Protocol, Purpose, REALM, SKEW_MS, SignInResult, SignIns, configuration,
    saml, signature, text, wsfed,
};
use crate::clock::Millis;
use crate::domains::Domain;
use crate::fields::Field;
use crate::tenant::Tenant;

/// The longest life of a token.
const MAX_LIFE_MS: Millis = 60 * 60_000;

/// What a browser handed in.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) protocol: Protocol,
    pub(super) message: String,
    /// `RelayState` or `wctx`.
    pub(super) context: Option<String>,
    /// The address it came to, in every spelling that is ours.
    pub(super) addresses: Vec<String>,
}

/// Judges a sign-in, and takes the request it answers.
pub(super) fn sign_in(
    tenant: &Tenant,
    sign_ins: &mut SignIns,
    answer: &Answer,
    now: Millis,
) -> SignInResult {
    let mut result = SignInResult {
        id: 0,
        at: now,
        asked: take_request(sign_ins, answer),
        claims: None,
        account: None,
        purpose: Purpose::SignIn,
        refusals: Vec::new(),
    };
    match read(tenant, answer) {
        Err(refused) => result.refusals.push(refused),
        Ok((claims, domain, configuration)) => {
            let refusals = &mut result.refusals;
            let mut check = |outcome: Result<(), Refused>| refusals.extend(outcome.err());
            let is_new = sign_ins.note_token(&claims.assertion_id);
            check(check_once(&claims, is_new));
            check(check_request(result.asked.as_ref(), answer, domain, now));
            check(check_audience(&claims));
            check(check_times(&claims, now));
            if let Some(delivery) = &claims.delivery {
                check(check_delivery(delivery, result.asked.as_ref(), answer, now));
            }
            check(check_shape(&claims));
            check(check_second_factor(
                &claims,
                result.asked.as_ref(),
                configuration,
            ));
            check(check_freshness(&claims, result.asked.as_ref()));
            match find_account(tenant, &claims, domain) {
                Ok(account) => result.account = Some(account),
                Err(refused) => refusals.push(refused),
            }
            result.claims = Some(claims);
        }
    }
    if !result.refusals.is_empty() {
        result.account = None;
    }
    result
}

/// The request that this answers: by the id in the response, or by the context that came back.
fn take_request(sign_ins: &mut SignIns, answer: &Answer) -> Option<Asked> {
    let id = match answer.protocol {
        Protocol::WsFed => None,
        Protocol::Saml => parse(&answer.message).ok().and_then(|tree| {
            let root = At::root(&tree)?;
            root.attribute("InResponseTo").map(str::to_owned)
        }),
    };
    let by_id = id.and_then(|id| {
        sign_ins.take_asked(|asked| asked.purpose == Purpose::SignIn && asked.id == id)
    });
    by_id.or_else(|| {
        let context = answer.context.as_deref()?;
        sign_ins.take_asked(|asked| asked.purpose == Purpose::SignIn && asked.context == context)
    })
}

type Read<'t> = (Claims, &'t Domain, &'t Map<String, Value>);

/// Everything up to the signature: without it nothing in the message is worth judging.
fn read<'t>(tenant: &'t Tenant, answer: &Answer) -> Result<Read<'t>, Refused> {
    let tree = parse(&answer.message)?;
    let (assertion, issuer, id) = match answer.protocol {
        Protocol::Saml => {
            let assertion = saml::find_assertion(&tree)?;
            (assertion, saml::issuer(assertion)?, "ID")
        }
        Protocol::WsFed => {
            let assertion = wsfed::find_assertion(&tree)?;
            (assertion, wsfed::issuer(assertion), "AssertionID")
        }
    };
    let (domain, configuration) = find_domain(tenant, &issuer)?;
    signature::check(&tree, &answer.message, assertion, id, configuration)?;
    let claims = match answer.protocol {
        Protocol::Saml => saml::read(&tree, assertion)?,
        Protocol::WsFed => wsfed::read(&tree, assertion)?,
    };
    Ok((claims, domain, configuration))
}

/// The federated domain with this issuer, compared byte by byte.
pub(super) fn find_domain<'t>(
    tenant: &'t Tenant,
    issuer: &str,
) -> Result<(&'t Domain, &'t Map<String, Value>), Refused> {
    tenant
        .domains
        .iter()
        .filter_map(|domain| Some((domain, configuration(domain)?)))
        .find(|(_, configuration)| text(configuration, "issuerUri") == Some(issuer))
        .ok_or_else(|| {
            Refused::new(
                Code::UnknownRealm,
                format!("The issuer is \"{issuer}\". No federated domain has it as its issuerUri."),
            )
        })
}

fn check_once(claims: &Claims, is_new: bool) -> Result<(), Refused> {
    let wrong = |because: &str| Err(Refused::new(Code::Assertion, because));
    match (claims.assertion_id.is_empty(), is_new) {
        (true, _) => wrong("The assertion has no id."),
        (false, false) => wrong("The same assertion was handed in before."),
        (false, true) => Ok(()),
    }
}

fn check_request(
    asked: Option<&Asked>,
    answer: &Answer,
    domain: &Domain,
    now: Millis,
) -> Result<(), Refused> {
    let (code, context) = match answer.protocol {
        Protocol::Saml => (Code::SamlToken, "RelayState"),
        Protocol::WsFed => (Code::WsFedMessage, "wctx"),
    };
    let wrong = |because: String| Err(Refused::new(code, because));
    let Some(asked) = asked else {
        return wrong(format!(
            "Nothing was asked that this answers: {context} and InResponseTo belong to no request."
        ));
    };
    if asked.is_answered {
        return wrong(
            "This request was answered before; a second answer to it counts for nothing."
                .to_owned(),
        );
    }
    if now - asked.at > PATIENCE_MS {
        return wrong("The request is older than 15 minutes.".to_owned());
    }
    if answer.context.as_deref() != Some(asked.context.as_str()) {
        return wrong(format!("{context} did not come back byte for byte."));
    }
    if asked.protocol != answer.protocol {
        return wrong(format!(
            "It was asked in {} and answered in {}.",
            asked.protocol.label(),
            answer.protocol.label()
        ));
    }
    if asked.domain != domain.name {
        return wrong(format!(
            "Somebody of {} was asked for, and the issuer of {} answers.",
            asked.domain, domain.name
        ));
    }
    Ok(())
}

fn check_audience(claims: &Claims) -> Result<(), Refused> {
    if claims.audiences == [REALM] {
        return Ok(());
    }
    Err(Refused::new(
        Code::SamlToken,
        format!(
            "The audience is {}, not {REALM}.",
            quoted(&claims.audiences)
        ),
    ))
}

fn check_times(claims: &Claims, now: Millis) -> Result<(), Refused> {
    let wrong = |because: &str| Err(Refused::new(Code::TimeRange, because));
    let (Some(from), Some(until)) = (claims.not_before, claims.not_on_or_after) else {
        return wrong("Conditions do not say from when until when they hold.");
    };
    let (Some(issued), Some(authenticated)) = (claims.issued_at, claims.authenticated_at) else {
        return wrong("The times of the token or of the sign-in are missing.");
    };
    if now + SKEW_MS < from {
        return wrong("The token is not valid yet. Check the provider's clock.");
    }
    if until <= now - SKEW_MS {
        return wrong("The token has expired. Check the provider's clock.");
    }
    if until > now + MAX_LIFE_MS + SKEW_MS {
        return wrong("The token is valid for longer than an hour.");
    }
    if issued > now + SKEW_MS || authenticated > now + SKEW_MS {
        return wrong("The token or the sign-in is of a time that is still to come.");
    }
    if authenticated > issued {
        return wrong("The person signed in after the token was made.");
    }
    Ok(())
}

fn check_delivery(
    delivery: &Delivery,
    asked: Option<&Asked>,
    answer: &Answer,
    now: Millis,
) -> Result<(), Refused> {
    let wrong = |because: String| Err(Refused::new(Code::SamlToken, because));
    for (name, address) in [
        ("Destination", &delivery.destination),
        ("Recipient", &delivery.recipient),
    ] {
        let address = address.as_deref().unwrap_or_default();
        if !answer.addresses.iter().any(|own| own == address) {
            return wrong(format!(
                "{name} is \"{address}\", and it was handed in elsewhere."
            ));
        }
    }
    match delivery.until {
        Some(until) if until > now - SKEW_MS => {}
        _ => {
            return Err(Refused::new(
                Code::TimeRange,
                "The time in which the answer could be handed in is over, or is not given.",
            ));
        }
    }
    let id = asked.map_or("", |asked| asked.id.as_str());
    if delivery
        .in_response_to
        .iter()
        .all(|one| one.as_deref() == Some(id))
    {
        Ok(())
    } else {
        wrong(
            "InResponseTo of the response and of its confirmation is not the request's id."
                .to_owned(),
        )
    }
}

/// Rules of the protocol that need no other knowledge.
fn check_shape(claims: &Claims) -> Result<(), Refused> {
    let wrong = |because: String| Err(Refused::new(Code::SamlToken, because));
    if claims.delivery.is_some() && claims.name_format.as_deref() != Some(saml::PERSISTENT) {
        return wrong("The format of NameID is not persistent.".to_owned());
    }
    if claims.names.iter().any(|name| name != claims.name()) {
        return wrong("The statements are about different people.".to_owned());
    }
    if claims.delivery.is_none() && claims.immutable_ids != [claims.name()] {
        return wrong(format!(
            "The claim ImmutableID is {}, and NameIdentifier \"{}\".",
            quoted(&claims.immutable_ids),
            claims.name()
        ));
    }
    if claims.methods.is_empty() || claims.methods.iter().any(String::is_empty) {
        return wrong("Nothing is said about how the person signed in.".to_owned());
    }
    Ok(())
}

fn check_second_factor(
    claims: &Claims,
    asked: Option<&Asked>,
    configuration: &Map<String, Value>,
) -> Result<(), Refused> {
    let is_asked = asked.is_some_and(|asked| asked.wishes.multi_factor);
    let is_ours = text(configuration, "federatedIdpMfaBehavior") == Some("rejectMfaByFederatedIdp");
    if !is_asked || is_ours || claims.is_multi_factor() {
        return Ok(());
    }
    Err(Refused::new(
        Code::SecondFactor,
        format!(
            "A second factor was asked for. The answer says {} and not {}.",
            quoted(&claims.methods),
            super::MULTI_FACTOR
        ),
    ))
}

fn check_freshness(claims: &Claims, asked: Option<&Asked>) -> Result<(), Refused> {
    let Some(asked) = asked.filter(|asked| asked.wishes.fresh) else {
        return Ok(());
    };
    if claims.authenticated_at.is_some_and(|at| at >= asked.at) {
        return Ok(());
    }
    Err(Refused::new(
        Code::Stale,
        "A fresh sign-in was asked for, and the answer tells of an older one.",
    ))
}

/// The account with this ImmutableId and this name, of the issuer's own domain.
fn find_account(
    tenant: &Tenant,
    claims: &Claims,
    domain: &Domain,
) -> Result<(Uuid, String), Refused> {
    let user_name = match claims.user_names.as_slice() {
        [only] => only.as_str(),
        [] => {
            return Err(Refused::new(
                Code::EmailClaim,
                "The claim with the user principal name is missing.",
            ));
        }
        _ => {
            return Err(Refused::new(
                Code::EmailClaim,
                "The claim with the user principal name is there more than once.",
            ));
        }
    };
    let of_issuer = tenant
        .domain_of(user_name)
        .is_some_and(|own| tenant.root_of(own).name == domain.name);
    if !of_issuer {
        return Err(Refused::new(
            Code::EmailClaim,
            format!(
                "\"{user_name}\" is not of {}, and this issuer may speak for nobody else.",
                domain.name
            ),
        ));
    }
    let missing = |because: String| Err(Refused::new(Code::NotInDirectory, because));
    let Some(no) = tenant.index.anchors.get(claims.name()).copied() else {
        return missing(format!(
            "No account has the onPremisesImmutableId \"{}\".",
            claims.name()
        ));
    };
    let user = tenant.user(no);
    let anchor = user.text(Field::ImmutableId).unwrap_or_default();
    if !user.is_live() || !user.upn().eq_ignore_ascii_case(user_name) {
        return missing(format!(
            "The account with the onPremisesImmutableId \"{anchor}\" is {}, not {user_name}.",
            user.upn()
        ));
    }
    if !user.enabled {
        return Err(Refused::new(
            Code::Disabled,
            format!("Sign-in of {} is blocked in the tenant.", user.upn()),
        ));
    }
    Ok((user.id, user.upn().to_owned()))
}

fn quoted(values: &[String]) -> String {
    if values.is_empty() {
        return "missing".to_owned();
    }
    let quoted: Vec<String> = values.iter().map(|one| format!("\"{one}\"")).collect();
    quoted.join(", ")
}
