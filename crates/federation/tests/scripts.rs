//! The scripts as files: they parse, they use what exists, and they say what we mean.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

mod powershell_lint;

use signpost_federation::{
    Certificate, FederationSettings, FederationValues, MfaBehavior, PromptLogin, Protocol,
    RegistrationValues, Script, SettingField, SettingProblemKind, per_user_mfa_script,
};
use signpost_model::Cloud;

use crate::powershell_lint::{Parsed, parse_errors};

fn certificate(name: &str) -> Certificate {
    let text = match name {
        "signing" => include_str!("fixtures/signing-certificate.pem"),
        _ => include_str!("fixtures/next-certificate.pem"),
    };
    Certificate::parse(text).unwrap()
}

fn contoso() -> FederationValues {
    let base = "https://login.signpost.example/federation/contoso.example";
    FederationValues {
        cloud: Cloud::Microsoft365,
        tenant_id: "8c1ef6f0-0000-4000-8000-000000000001".into(),
        domain: "contoso.example".into(),
        display_name: "Contoso’s sign-in".into(),
        issuer_uri: base.into(),
        passive_sign_in_uri: format!("{base}/sign-in"),
        active_sign_in_uri: None,
        sign_out_uri: format!("{base}/sign-out"),
        metadata_exchange_uri: None,
        metadata_uri: Some(format!("{base}/metadata.xml")),
        password_reset_uri: None,
        protocol: Protocol::WsFed,
        signing_certificate: certificate("signing"),
        next_signing_certificate: None,
        mfa_behavior: MfaBehavior::Accept,
        prompt_login: PromptLogin::Native,
    }
}

fn settings(values: FederationValues) -> FederationSettings {
    FederationSettings::new(values).unwrap()
}

fn hostile() -> Vec<FederationValues> {
    let names = [
        "'; Remove-Item -Recurse C:\\; '",
        "‘; exit 1; ’",
        "$(Get-Date) `n \"quoted\" ${env:TEMP}",
        "@' \" '@ #> <# {0} {1}",
        "Ünïcode 😀 ‚‛“”",
    ];
    names
        .into_iter()
        .map(|name| FederationValues {
            display_name: name.into(),
            ..contoso()
        })
        .chain([FederationValues {
            issuer_uri: "urn:contoso:$(x)@".into(),
            active_sign_in_uri: Some("https://a.example/active?x=$y&z=(1)".into()),
            metadata_exchange_uri: Some("https://a.example/mex".into()),
            metadata_uri: None,
            password_reset_uri: Some("https://a.example/reset".into()),
            next_signing_certificate: Some(certificate("next")),
            cloud: Cloud::China,
            protocol: Protocol::Saml,
            ..contoso()
        }])
        .collect()
}

#[test]
fn every_script_parses_whatever_the_values() {
    for values in hostile().into_iter().chain([contoso()]) {
        let settings = settings(values);
        for script in Script::ALL {
            let text = script.render(&settings);
            assert_eq!(parse_errors(&text), Vec::<String>::new(), "{script:?}");
        }
    }
}

#[test]
fn values_never_become_code() {
    let plain = settings(contoso());
    for values in hostile()
        .into_iter()
        .filter(|values| values.cloud == Cloud::Microsoft365)
    {
        let settings = settings(values);
        for script in Script::ALL {
            let commands = Parsed::new(&script.render(&settings)).command_names();
            assert_eq!(
                commands,
                Parsed::new(&script.render(&plain)).command_names()
            );
        }
    }
}

#[test]
fn every_command_and_parameter_exists() {
    for script in Script::ALL {
        let text = script.render(&settings(contoso()));
        assert_eq!(
            Parsed::new(&text).unknown_commands(),
            Vec::<String>::new(),
            "{script:?}"
        );
    }
}

#[test]
fn no_two_variables_of_a_scope_differ_only_in_case() {
    for script in Script::ALL {
        let text = script.render(&settings(contoso()));
        assert_eq!(
            Parsed::new(&text).variables_in_two_spellings(),
            Vec::<String>::new()
        );
    }
}

#[test]
fn every_own_function_is_called() {
    let texts: Vec<String> = Script::ALL
        .into_iter()
        .map(|script| script.render(&settings(contoso())))
        .collect();
    let mut uncalled: Option<Vec<String>> = None;
    for text in &texts {
        let here = Parsed::new(text).uncalled_functions();
        uncalled = Some(match uncalled {
            None => here,
            Some(before) => before
                .into_iter()
                .filter(|name| here.contains(name))
                .collect(),
        });
    }
    assert_eq!(uncalled, Some(Vec::new()));
}

#[test]
fn scripts_are_ascii_without_backticks_and_with_windows_line_ends() {
    for values in hostile() {
        let hostile_backtick = values.display_name.contains('`');
        let settings = settings(values);
        for script in Script::ALL {
            let text = script.render(&settings);
            assert!(text.is_ascii(), "{script:?}");
            assert!(
                !text.replace("\r\n", "").contains(['\r', '\n']),
                "{script:?}"
            );
            if !hostile_backtick {
                assert!(!text.contains('`'), "{script:?}");
            }
            assert!(
                !text.contains("signpost: "),
                "{script:?} has every part filled in"
            );
        }
    }
}

#[test]
fn the_lint_sees_what_it_is_for() {
    let bad = "function Show-It { param([string] $Name) $name; $Name }\n\
               Show-It -Nmae 'x'\nConect-MgGraph -TenantId 'x'\nGet-MgContext -Verbos\n\
               $request = @{ Methid = 'GET' }\nInvoke-MgGraphRequest @request\nfinaly { }\n";
    let parsed = Parsed::new(bad);
    assert_eq!(
        parsed.unknown_commands(),
        [
            "Show-It -Nmae",
            "Conect-MgGraph",
            "Get-MgContext -Verbos",
            "Invoke-MgGraphRequest -Methid",
            "finaly",
        ]
    );
    assert_eq!(parsed.variables_in_two_spellings(), ["Name name"]);
    assert!(!parse_errors("if ($true) {\n").is_empty());
    assert!(!parse_errors("$x = 'open\n").is_empty());
}

#[test]
fn values_stand_in_tables_before_the_code() {
    let everything = FederationValues {
        cloud: Cloud::Microsoft365,
        ..hostile().pop().unwrap()
    };
    for (name, values) in [("usual_values", contoso()), ("every_value", everything)] {
        let text = Script::Federate
            .render(&settings(values))
            .replace("\r\n", "\n");
        let tables = text.split_once("$Settings = @{").unwrap().1;
        let tables = tables.split_once("Set-StrictMode").unwrap().0;
        insta::assert_snapshot!(name, format!("$Settings = @{{{tables}"));
    }
}

#[test]
fn only_scripts_that_change_the_domain_carry_its_configuration() {
    let settings = settings(contoso());
    for script in Script::ALL {
        let text = script.render(&settings);
        let expected = matches!(script, Script::Check | Script::Federate | Script::Update);
        assert_eq!(
            text.contains("$Configuration = [ordered] @{"),
            expected,
            "{script:?}"
        );
        let asks = text.matches("\n    Confirm-Domain -What").count()
            + text.matches("\nConfirm-Domain -What").count();
        assert_eq!(
            asks > 0,
            script != Script::Check,
            "{script:?} asks before it changes"
        );
    }
}

#[test]
fn certificates_are_never_missing_and_always_compared() {
    for values in hostile() {
        let text = Script::Federate.render(&settings(values.clone()));
        let line = format!(
            "signingCertificate = '{}'",
            values.signing_certificate.base64()
        );
        assert!(text.contains(&line));
        assert!(text.contains(&values.signing_certificate.sha1_fingerprint()));
    }
}

#[test]
fn each_cloud_has_its_own_addresses() {
    for (cloud, environment, graph) in [
        (Cloud::Microsoft365, "Global", "https://graph.microsoft.com"),
        (Cloud::GccHigh, "USGov", "https://graph.microsoft.us"),
        (Cloud::Dod, "USGovDoD", "https://dod-graph.microsoft.us"),
        (
            Cloud::China,
            "China",
            "https://microsoftgraph.chinacloudapi.cn",
        ),
    ] {
        let text = Script::Check.render(&settings(FederationValues { cloud, ..contoso() }));
        assert!(text.contains(&format!("Environment = '{environment}'")));
        assert!(text.contains(&format!("GraphRoot = '{graph}'")));
    }
    let practice = FederationValues {
        cloud: Cloud::Practice,
        ..contoso()
    };
    assert!(
        Script::Check
            .render(&settings(practice))
            .contains("practice tenant")
    );
}

#[test]
fn wrong_values_are_named() {
    type Spoil = fn(&mut FederationValues);
    let cases: [(SettingField, SettingProblemKind, Spoil); 14] = [
        (SettingField::TenantId, SettingProblemKind::NotAGuid, |v| {
            v.tenant_id = "x".into()
        }),
        (SettingField::Domain, SettingProblemKind::NotADomain, |v| {
            v.domain = "a b".into()
        }),
        (
            SettingField::Domain,
            SettingProblemKind::InitialDomain,
            |v| {
                v.domain = "Contoso.onMicrosoft.com".into();
            },
        ),
        (SettingField::DisplayName, SettingProblemKind::Empty, |v| {
            v.display_name = " ".into()
        }),
        (
            SettingField::DisplayName,
            SettingProblemKind::ControlCharacter,
            |v| {
                v.display_name = "a\nb".into();
            },
        ),
        (
            SettingField::DisplayName,
            SettingProblemKind::ControlCharacter,
            |v| {
                v.display_name = "a\u{2028}b".into();
            },
        ),
        (
            SettingField::DisplayName,
            SettingProblemKind::TooLong { max_length: 256 },
            |v| {
                v.display_name = "x".repeat(257);
            },
        ),
        (SettingField::IssuerUri, SettingProblemKind::NotAUri, |v| {
            v.issuer_uri = "x".into()
        }),
        (SettingField::IssuerUri, SettingProblemKind::NotAUri, |v| {
            v.issuer_uri = "urn:a:b'c".into();
        }),
        (
            SettingField::PassiveSignInUri,
            SettingProblemKind::NotHttps,
            |v| {
                v.passive_sign_in_uri = "http://a.example/".into();
            },
        ),
        (
            SettingField::SignOutUri,
            SettingProblemKind::NotHttps,
            |v| {
                v.sign_out_uri = "https://user@a.example/".into();
            },
        ),
        (
            SettingField::MetadataUri,
            SettingProblemKind::NotHttps,
            |v| {
                v.metadata_uri = Some("https:a.example".into());
            },
        ),
        (
            SettingField::ActiveSignInUri,
            SettingProblemKind::Empty,
            |v| {
                v.active_sign_in_uri = Some(String::new());
            },
        ),
        (
            SettingField::NextSigningCertificate,
            SettingProblemKind::SameAsCurrent,
            |v| {
                v.next_signing_certificate = Some(v.signing_certificate.clone());
            },
        ),
    ];
    for (field, kind, spoil) in cases {
        let mut values = contoso();
        spoil(&mut values);
        let problems = FederationSettings::new(values).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!((problems[0].field, problems[0].kind), (field, kind));
        assert!(problems[0].to_string().starts_with(field.label()));
    }
}

/// The scripts about the tenant, with values that try to get out of their quotes.
fn tenant_scripts(name: &str, certificate: Option<Certificate>) -> [String; 2] {
    let registration = RegistrationValues {
        cloud: Cloud::Microsoft365,
        tenant_id: "8c1ef6f0-0000-4000-8000-000000000001".into(),
        name: name.into(),
        permissions: vec![
            ("User.ReadWrite.All", "741f803b-c850-494e-b5df-cde7c675a1ca"),
            ("Domain.Read.All", "dbb9058a-0e50-45d7-ae91-66909b5d4664"),
        ],
        certificate,
        owns_itself: true,
    };
    let mfa = per_user_mfa_script(Cloud::GccHigh, "8c1ef6f0", name);
    [registration.script(), mfa]
}

#[test]
fn scripts_about_the_tenant_parse_and_use_only_what_exists() {
    let plain = tenant_scripts("Signpost", None);
    for name in [
        "Signpost",
        "'; Remove-Item C:\\; '",
        "$(Get-Date) \u{2018}x",
        "@' \" #> <#",
    ] {
        let scripts = tenant_scripts(name, Some(certificate("signing")));
        for (text, plain) in scripts.iter().zip(&plain) {
            assert!(text.is_ascii() && !text.contains("# signpost: "));
            assert_eq!(parse_errors(text), Vec::<String>::new());
            let parsed = Parsed::new(text);
            assert_eq!(parsed.unknown_commands(), Vec::<String>::new());
            assert_eq!(parsed.variables_in_two_spellings(), Vec::<String>::new());
            assert_eq!(parsed.command_names(), Parsed::new(plain).command_names());
        }
    }
}

#[test]
fn the_registration_asks_for_exactly_its_permissions_and_uploads_no_key() {
    let [text, _] = tenant_scripts("Signpost", Some(certificate("signing")));
    assert!(text.contains("'User.ReadWrite.All' = '741f803b-c850-494e-b5df-cde7c675a1ca'"));
    assert_eq!(text.matches(".All' = '").count(), 2);
    assert!(text.contains(&certificate("signing").base64()));
    assert!(!text.contains("PRIVATE KEY"));
}
