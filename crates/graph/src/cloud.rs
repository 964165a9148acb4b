//! Where Microsoft is: each cloud has its own sign-in authority and its own Graph.

use url::Url;

use crate::ids::{ClientId, TenantId};

/// One of Microsoft's clouds. Base URLs come from here and from nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// The global service, US GCC included.
    Global,
    /// US Government L4.
    GccHigh,
    /// US Department of Defense, L5.
    Dod,
    /// Operated by 21Vianet in China.
    China,
    /// Other base URLs: the practice tenant and tests.
    Custom {
        /// Base of the sign-in authority, without the tenant.
        authority: Url,
        /// Base of Graph, without the version.
        graph: Url,
    },
}

impl Cloud {
    /// The sign-in authority, without a slash at its end.
    pub fn authority(&self) -> &str {
        match self {
            Self::Global => "https://login.microsoftonline.com",
            Self::GccHigh | Self::Dod => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
            Self::Custom { authority, .. } => authority.as_str().trim_end_matches('/'),
        }
    }

    /// Graph's base, without the version and without a slash at its end.
    pub fn graph(&self) -> &str {
        match self {
            Self::Global => "https://graph.microsoft.com",
            Self::GccHigh => "https://graph.microsoft.us",
            Self::Dod => "https://dod-graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
            Self::Custom { graph, .. } => graph.as_str().trim_end_matches('/'),
        }
    }

    /// Whether Graph is on this very machine, where no proxy can reach it.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Custom { graph, .. } => match graph.host() {
                Some(url::Host::Domain(name)) => name == "localhost",
                Some(url::Host::Ipv4(address)) => address.is_loopback(),
                Some(url::Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            },
            _ => false,
        }
    }

    /// The scope that stands for every application permission granted for this Graph.
    pub fn scope(&self) -> String {
        format!("{}/.default", self.graph())
    }

    /// Where tokens of `tenant` are issued; also the audience of a client assertion.
    pub fn token_endpoint(&self, tenant: &TenantId) -> String {
        format!("{}/{tenant}/oauth2/v2.0/token", self.authority())
    }

    /// The page on which an administrator grants every permission the registration asks for.
    /// `redirect` must be registered with the application; the answer's `state` is `state`.
    pub fn admin_consent_url(
        &self,
        tenant: &TenantId,
        client: ClientId,
        redirect: Option<(&Url, &str)>,
    ) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", &client.to_string());
        if let Some((uri, state)) = redirect {
            query
                .append_pair("redirect_uri", uri.as_str())
                .append_pair("state", state);
        }
        format!(
            "{}/{tenant}/adminconsent?{}",
            self.authority(),
            query.finish()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_link_names_tenant_client_and_state() {
        let tenant = "contoso.com".parse().unwrap();
        let client = "7f0c0000-0000-4000-8000-000000000001".parse().unwrap();
        let back = Url::parse("https://portal.example/consent?a=b").unwrap();
        assert_eq!(
            Cloud::GccHigh.admin_consent_url(&tenant, client, Some((&back, "s 1"))),
            "https://login.microsoftonline.us/contoso.com/adminconsent\
             ?client_id=7f0c0000-0000-4000-8000-000000000001\
             &redirect_uri=https%3A%2F%2Fportal.example%2Fconsent%3Fa%3Db&state=s+1"
        );
    }

    #[test]
    fn custom_cloud_has_no_doubled_slash() {
        let base = Url::parse("http://127.0.0.1:4300/").unwrap();
        let cloud = Cloud::Custom {
            authority: base.clone(),
            graph: base,
        };
        assert_eq!(cloud.scope(), "http://127.0.0.1:4300/.default");
        assert_eq!(
            cloud.token_endpoint(&"contoso.com".parse().unwrap()),
            "http://127.0.0.1:4300/contoso.com/oauth2/v2.0/token"
        );
    }
}
