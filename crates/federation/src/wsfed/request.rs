//! Requests: the query of a redirect from Microsoft.

use crate::parameters::{ParameterProblem, Parameters};
use crate::saml::MULTI_FACTOR;
use crate::{Demands, IdentityProvider};

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WsFedRequest {
    SignIn(SignInRequest),
    /// End the session, then perhaps go back to Microsoft.
    SignOut {
        return_to: Option<String>,
    },
    /// End the session quietly: this may run in a hidden frame.
    CleanUp,
}

/// A wish to have somebody signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInRequest {
    pub demands: Demands,
    /// `wctx`: goes back byte for byte, and not at all when it did not come.
    pub context: Option<String>,
    /// A user name to fill in beforehand.
    pub login_hint: Option<String>,
}

/// Why a request is refused. The person sees an id; the log gets this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WsFedRejection {
    #[error(transparent)]
    Parameters(#[from] ParameterProblem),
    #[error("wa names nothing that is done here")]
    UnknownAction,
    #[error("the request is not from Microsoft")]
    UnknownRealm,
    #[error("the request wants the answer elsewhere")]
    OtherReplyAddress,
    #[error("wfresh is not a number of minutes")]
    Malformed,
}

impl WsFedRequest {
    /// Reads a query. What it does not name is left alone; `wreq`, `wreqptr` and `wresult` are
    /// never looked at, least of all fetched.
    pub fn parse(query: &str, provider: &IdentityProvider) -> Result<Self, WsFedRejection> {
        let parameters = Parameters::parse(query.as_bytes())?;
        match parameters.find("wa") {
            Some("wsignin1.0") => read_sign_in(&parameters, provider).map(Self::SignIn),
            Some("wsignout1.0") => Ok(Self::SignOut {
                return_to: parameters
                    .find("wreply")
                    .filter(|address| provider.relying_party.is_own_address(address))
                    .map(str::to_owned),
            }),
            Some("wsignoutcleanup1.0") => Ok(Self::CleanUp),
            _ => Err(WsFedRejection::UnknownAction),
        }
    }
}

fn read_sign_in(
    parameters: &Parameters,
    provider: &IdentityProvider,
) -> Result<SignInRequest, WsFedRejection> {
    let microsoft = &provider.relying_party;
    if parameters.find("wtrealm") != Some(microsoft.realm()) {
        return Err(WsFedRejection::UnknownRealm);
    }
    if parameters
        .find("wreply")
        .is_some_and(|address| address != microsoft.reply_address())
    {
        return Err(WsFedRejection::OtherReplyAddress);
    }
    let fresh = match parameters.find("wfresh") {
        None | Some("") => None,
        Some(text) => Some(text.parse::<u32>().map_err(|_| WsFedRejection::Malformed)?),
    };
    let prompt = (parameters.find("prompt") == Some("login")).then_some(0);
    // `wauth` for a password means at least that: people with passkeys need not type one.
    Ok(SignInRequest {
        demands: Demands {
            max_age_minutes: fresh.into_iter().chain(prompt).min(),
            multi_factor: parameters.find("wauth") == Some(MULTI_FACTOR),
            passive: false,
        },
        context: parameters.find_context("wctx")?,
        login_hint: parameters.find_login_hint(),
    })
}
