//! Scripts about the tenant rather than its federation: the app registration, and per-user MFA.

use signpost_model::Cloud;

use crate::Certificate;
use crate::powershell::{BASE, Hosts, hosts, push_row, quote};

/// What the registration is to be.
#[derive(Debug, Clone)]
pub struct RegistrationValues {
    pub cloud: Cloud,
    /// Empty while it is not known: the administrator's own tenant then.
    pub tenant_id: String,
    /// What the registration is called.
    pub name: String,
    /// Application permissions of Microsoft Graph with the ids of their app roles.
    pub permissions: Vec<(&'static str, &'static str)>,
    /// Uploaded instead of making a secret.
    pub certificate: Option<Certificate>,
    /// Whether the application owns its registration, so that it may renew its secret.
    pub owns_itself: bool,
}

impl RegistrationValues {
    /// The script that makes the registration and prints the three values.
    pub fn script(&self) -> String {
        let certificate = self.certificate.as_ref().map(Certificate::base64);
        let own = [
            ("Name", self.name.as_str()),
            ("Certificate", certificate.as_deref().unwrap_or_default()),
            ("OwnsItself", if self.owns_itself { "yes" } else { "no" }),
        ];
        let mut permissions = "$Permissions = [ordered] @{\n".to_owned();
        for (name, id) in &self.permissions {
            push_row(&mut permissions, &quote(name), &quote(id));
        }
        permissions.push_str("}\n");
        render(include_str!("powershell/register.ps1"), |part| match part {
            "settings" => Some(settings(self.cloud, &self.tenant_id, &own)),
            "permissions" => Some(permissions.clone()),
            _ => None,
        })
    }
}

/// The script that shows per-user MFA of a domain's people and turns it off.
pub fn per_user_mfa_script(cloud: Cloud, tenant_id: &str, domain: &str) -> String {
    render(include_str!("powershell/per-user-mfa.ps1"), |part| {
        (part == "settings").then(|| settings(cloud, tenant_id, &[("Domain", domain)]))
    })
}

/// The text: ASCII with CRLF line ends, as old Windows editors and PowerShell 5.1 want it.
fn render(template: &str, part: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    for line in template.lines() {
        match line.strip_prefix("# signpost: ") {
            Some("base") => text.push_str(BASE),
            Some(name) => text.push_str(&part(name).unwrap_or_default()),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text.replace('\n', "\r\n")
}

fn settings(cloud: Cloud, tenant_id: &str, own: &[(&str, &str)]) -> String {
    let Hosts {
        environment, graph, ..
    } = hosts(cloud);
    let mut text = String::new();
    if cloud == Cloud::Practice {
        text.push_str(
            "# Written for the practice tenant, which Microsoft does not know:\n\
             # the sign-in will refuse it. Connect a real tenant and download the script again.\n",
        );
    }
    text.push_str("$Settings = @{\n");
    let shared = [
        ("TenantId", tenant_id),
        ("Environment", environment),
        ("GraphRoot", graph),
    ];
    for (name, value) in shared.iter().chain(own) {
        push_row(&mut text, name, &quote(value));
    }
    text + "}\n"
}
