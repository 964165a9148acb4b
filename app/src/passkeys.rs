//! Passkeys: public keys whose private half a device keeps and guards with a finger, a face or a
//! PIN. The library always demands that guard, so a passkey alone is two factors.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use signpost_model::{Timestamp, User, UserId};
use signpost_store::Write;
use signpost_store::passkeys::{self, Passkey as Stored};
use webauthn_rs::prelude::{
    AuthenticationResult, DiscoverableAuthentication, DiscoverableKey, Passkey,
    PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential,
    Url, Uuid, Webauthn, WebauthnBuilder,
};

use crate::error::PortalError;
use crate::forms::internal;
use crate::portal::Portal;

/// The longest answer of an authenticator that is read.
const LONGEST_ANSWER: usize = 32 * 1024;

/// What a browser is asked, and what its answer is held against. Kept on the server.
#[derive(Serialize, Deserialize)]
pub struct Asked<S> {
    /// As the browser's API takes it.
    pub options: Value,
    state: S,
}

impl<S> std::fmt::Debug for Asked<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asked")
    }
}

/// A sign-in that waits for a passkey.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of", content = "asked")]
pub enum Challenge {
    /// Whoever has one for this site.
    Anybody(Asked<DiscoverableAuthentication>),
    /// The user who gave the password.
    User(Asked<PasskeyAuthentication>),
    /// The user who gave the password and has no second factor yet: a new one.
    New(Enrolment),
}

impl Challenge {
    /// As the browser's API takes it.
    pub const fn options(&self) -> &Value {
        match self {
            Self::Anybody(asked) => &asked.options,
            Self::User(asked) => &asked.options,
            Self::New(asked) => &asked.options,
        }
    }
}

/// A new passkey that waits for its authenticator.
pub type Enrolment = Asked<PasskeyRegistration>;

/// Why an answer does not count; people get one sentence for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// Passkeys of this installation; `None` where its address is a bare number, for which browsers
/// make none.
pub fn find(portal: &Portal) -> Option<Webauthn> {
    let origin = Url::parse(&portal.settings.public_url).ok()?;
    let host = origin.domain()?.to_owned();
    WebauthnBuilder::new(&host, &origin)
        .ok()?
        .rp_name("Signpost")
        .build()
        .ok()
}

/// Asks whoever has a passkey for this site. It names nobody's, so it tells nobody who exists.
pub fn ask_anybody(webauthn: &Webauthn) -> Result<Challenge, PortalError> {
    let (options, state) = webauthn
        .start_discoverable_authentication()
        .map_err(|error| internal(&error))?;
    let options = plain(&options)?;
    Ok(Challenge::Anybody(Asked { options, state }))
}

/// Asks for one of these passkeys.
pub fn ask_user(webauthn: &Webauthn, known: &[Stored]) -> Result<Challenge, PortalError> {
    let keys = known
        .iter()
        .map(read)
        .collect::<Result<Vec<Passkey>, PortalError>>()?;
    let (options, state) = webauthn
        .start_passkey_authentication(&keys)
        .map_err(|error| internal(&error))?;
    let options = plain(&options)?;
    Ok(Challenge::User(Asked { options, state }))
}

/// Whose passkey answered a challenge; its use is written down.
pub async fn accept(
    tx: &mut Write,
    webauthn: &Webauthn,
    challenge: Challenge,
    answer: &str,
    expected: Option<UserId>,
    now: Timestamp,
) -> Result<Result<UserId, Refused>, PortalError> {
    if answer.len() > LONGEST_ANSWER {
        return Ok(Err(Refused));
    }
    let Ok(answer) = serde_json::from_str::<PublicKeyCredential>(answer) else {
        return Ok(Err(Refused));
    };
    let Some(stored) = passkeys::find(tx, &name_of(answer.get_credential_id())).await? else {
        return Ok(Err(Refused));
    };
    if expected.is_some_and(|expected| expected != stored.user_id) {
        return Ok(Err(Refused));
    }
    let mut key = read(&stored)?;
    let verified = match challenge {
        Challenge::Anybody(asked) => {
            let whose = webauthn.identify_discoverable_authentication(&answer);
            // The device says whose it is, and we know: both must agree.
            match whose {
                Ok((id, _)) if id.to_string() == stored.user_id.to_string() => webauthn
                    .finish_discoverable_authentication_v2(
                        &answer,
                        asked.state,
                        DiscoverableKey::from(&key),
                    ),
                _ => return Ok(Err(Refused)),
            }
        }
        Challenge::User(asked) => webauthn.finish_passkey_authentication(&answer, &asked.state),
        Challenge::New(_) => return Ok(Err(Refused)),
    };
    let Ok(result) = verified else {
        return Ok(Err(Refused));
    };
    if !result.user_verified() {
        return Ok(Err(Refused));
    }
    keep_use(tx, &stored, &mut key, &result, now).await?;
    Ok(Ok(stored.user_id))
}

async fn keep_use(
    tx: &mut Write,
    stored: &Stored,
    key: &mut Passkey,
    result: &AuthenticationResult,
    now: Timestamp,
) -> Result<(), PortalError> {
    key.update_credential(result);
    let body = serde_json::to_string(key).map_err(|error| internal(&error))?;
    Ok(passkeys::record_use(tx, stored.id, &body, now).await?)
}

/// Asks a device to make a passkey for this user.
pub fn ask_for_new(
    webauthn: &Webauthn,
    user: &User,
    known: &[Stored],
) -> Result<Enrolment, PortalError> {
    let id = user.id.to_string();
    let id = Uuid::parse_str(&id).map_err(|error| internal(&error))?;
    let excluded = known
        .iter()
        .map(|stored| read(stored).map(|key| key.cred_id().clone()))
        .collect::<Result<Vec<_>, PortalError>>()?;
    let profile = &user.profile;
    let (options, state) = webauthn
        .start_passkey_registration(
            id,
            &profile.user_name,
            &profile.display_name,
            Some(excluded),
        )
        .map_err(|error| internal(&error))?;
    let mut options = plain(&options)?;
    // So that the device can be asked without a user name; what cannot keep one still serves as a
    // second factor.
    options["publicKey"]["authenticatorSelection"]["residentKey"] = "preferred".into();
    Ok(Asked { options, state })
}

/// A passkey that a device made: its name to the authenticator, and what is kept of it.
pub fn accept_new(
    webauthn: &Webauthn,
    enrolment: &Enrolment,
    answer: &str,
) -> Result<(String, String), Refused> {
    if answer.len() > LONGEST_ANSWER {
        return Err(Refused);
    }
    let answer: RegisterPublicKeyCredential = serde_json::from_str(answer).map_err(|_| Refused)?;
    let key = webauthn
        .finish_passkey_registration(&answer, &enrolment.state)
        .map_err(|_| Refused)?;
    let body = serde_json::to_string(&key).map_err(|_| Refused)?;
    Ok((name_of(key.cred_id()), body))
}

fn read(stored: &Stored) -> Result<Passkey, PortalError> {
    serde_json::from_str(&stored.body).map_err(|error| internal(&error))
}

fn name_of(credential: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(credential)
}

/// The options without the wish to hide behind a field's autofill: a button asks.
fn plain<T: Serialize>(options: &T) -> Result<Value, PortalError> {
    let mut value = serde_json::to_value(options).map_err(|error| internal(&error))?;
    if let Some(map) = value.as_object_mut() {
        map.remove("mediation");
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_survives_storing_and_names_nobody() {
        let origin = Url::parse("https://signpost.contoso.example").unwrap();
        let webauthn = WebauthnBuilder::new("signpost.contoso.example", &origin)
            .unwrap()
            .build()
            .unwrap();
        let challenge = ask_anybody(&webauthn).unwrap();
        let options = &challenge.options()["publicKey"];
        assert_eq!(options["userVerification"], "required");
        assert_eq!(options["allowCredentials"], serde_json::json!([]));
        let text = serde_json::to_string(&challenge).unwrap();
        let again: Challenge = serde_json::from_str(&text).unwrap();
        assert_eq!(again.options(), challenge.options());
    }
}
