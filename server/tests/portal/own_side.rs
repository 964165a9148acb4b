//! The portal behind real TLS, looked at by itself: certificates that browsers accept and refuse.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use signpost_app::portal::{Portal, PortalSettings};
use signpost_app::readiness::look_trusting;
use signpost_model::readiness::{Check, CheckKey, CheckState};
use signpost_server::{router, tls};
use signpost_store::both_engines;

use crate::syncing::Rehearsal;

/// Somebody who signs certificates.
struct Authority {
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    // Whatever the day on which this runs.
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2099, 1, 1);
    params
}

impl Authority {
    fn new(name: &str, above: Option<&Self>) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = match above {
            Some(above) => params.signed_by(&key, &above.issuer),
            None => params.self_signed(&key),
        };
        Self {
            der: certificate.unwrap().der().to_vec(),
            issuer: Issuer::new(params, key),
        }
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            chain: vec![certificate.der().to_vec()],
            key: key.serialize_der(),
        }
    }
}

/// What a server shows.
struct Identity {
    chain: Vec<Vec<u8>>,
    key: Vec<u8>,
}

impl Identity {
    fn with(mut self, above: &Authority) -> Self {
        self.chain.push(above.der.clone());
        self
    }
}

/// The portal under an https address of its own, which answers with these pages.
async fn behind(rehearsal: &Rehearsal, identity: Identity, pages: Option<axum::Router>) -> Portal {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let portal = at(rehearsal, listener.local_addr().unwrap());
    let pages = pages.unwrap_or_else(|| router::build(portal.clone(), Vec::new()));
    let service = pages.into_make_service_with_connect_info::<SocketAddr>();
    let chain = identity.chain.into_iter().map(CertificateDer::from);
    let key = PrivateKeyDer::Pkcs8(identity.key.into());
    let tls = tls::with(chain.collect(), key).unwrap();
    let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
    tokio::spawn(async move { server.serve(service).await.unwrap() });
    portal
}

fn at(rehearsal: &Rehearsal, address: SocketAddr) -> Portal {
    let usual = rehearsal.app.portal.clone();
    Portal {
        settings: Arc::new(PortalSettings {
            public_url: format!("https://localhost:{}", address.port()),
            practice: usual.settings.practice.clone(),
        }),
        ..usual
    }
}

async fn look(rehearsal: &Rehearsal, portal: &Portal, trusted: &Authority) -> (Check, Check) {
    let checks = look_trusting(
        portal,
        rehearsal.application,
        std::slice::from_ref(&trusted.der),
    )
    .await;
    let checks = checks.unwrap().unwrap();
    let of = |key| {
        checks
            .iter()
            .find(|check| check.key == key)
            .unwrap()
            .clone()
    };
    (of(CheckKey::Tls), of(CheckKey::Metadata))
}

both_engines! {
    async fn a_certificate_that_browsers_accept_passes_and_its_chain_is_told(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let root = Authority::new("Contoso Root", None);
        let between = Authority::new("Contoso Issuing", Some(&root));
        let host = params("portal", &["localhost"]);
        for (identity, told) in [
            (root.sign(&host), "Signed by Contoso Root; the certificate alone is sent."),
            (between.sign(&host).with(&between), "Signed by Contoso Issuing; a chain of 2 certificates is sent."),
        ] {
            let portal = behind(&rehearsal, identity, None).await;
            let (tls, metadata) = look(&rehearsal, &portal, &root).await;
            assert_eq!(tls.state, CheckState::Passed, "{tls:#?}");
            assert!(tls.sentence.contains("The certificate of localhost is trusted"), "{tls:#?}");
            assert_eq!(tls.notes, [told]);
            assert_eq!(metadata.state, CheckState::Passed, "{metadata:#?}");
        }
    }

    async fn a_certificate_that_browsers_refuse_fails_with_the_reason(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let root = Authority::new("Contoso Root", None);
        let between = Authority::new("Contoso Issuing", Some(&root));
        let stranger = Authority::new("Nobody", None);
        let below = Authority::new("Nobody Issuing", Some(&stranger));
        let host = || params("portal", &["localhost"]);
        let mut ended = host();
        ended.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let mut early = host();
        early.not_before = rcgen::date_time_ymd(2090, 1, 1);
        let alone = KeyPair::generate().unwrap();
        let itself = Identity {
            chain: vec![host().self_signed(&alone).unwrap().der().to_vec()],
            key: alone.serialize_der(),
        };
        for (identity, words, next) in [
            (root.sign(&ended), "has ended", "Renew it"),
            (root.sign(&early), "holds only from 2090-01-01", "clock"),
            (
                root.sign(&params("portal", &["id.other.example"])),
                "is for id.other.example and not for localhost",
                "Get a certificate for localhost",
            ),
            (itself, "signed by nobody but itself", "authority that browsers know"),
            (
                between.sign(&host()),
                "signed by Contoso Issuing, whose certificate is not sent",
                "Give the whole chain",
            ),
            (
                below.sign(&host()).with(&below),
                "signed by Nobody Issuing, whom this machine does not trust",
                "authority that browsers know",
            ),
        ] {
            let portal = behind(&rehearsal, identity, None).await;
            let (tls, metadata) = look(&rehearsal, &portal, &root).await;
            assert_eq!(tls.state, CheckState::Failed, "{words}: {tls:#?}");
            assert!(tls.sentence.contains(words), "{tls:#?}");
            assert!(tls.next.contains(next), "{tls:#?}");
            assert_eq!(metadata.state, CheckState::Attention, "{metadata:#?}");
            assert!(tls.may_be_waived(), "an own authority may be known to people's browsers");
        }
    }

    async fn an_address_that_cannot_be_opened_from_here_is_not_taken_for_refused(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let root = Authority::new("Contoso Root", None);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let (tls, metadata) = look(&rehearsal, &at(&rehearsal, address), &root).await;
        for check in [tls, metadata] {
            assert_eq!(check.state, CheckState::Attention, "{check:#?}");
            assert!(check.next.contains("in a browser outside of your network"), "{check:#?}");
        }
    }

    async fn somebody_else_at_the_address_is_told_apart_from_us(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let root = Authority::new("Contoso Root", None);
        let host = params("portal", &["localhost"]);
        let another = axum::Router::new().fallback(|| async { "<h1>It works!</h1>" });
        let nothing = axum::Router::new();
        for (pages, state) in [(another, CheckState::Failed), (nothing, CheckState::Attention)] {
            let portal = behind(&rehearsal, root.sign(&host), Some(pages)).await;
            let (tls, metadata) = look(&rehearsal, &portal, &root).await;
            assert_eq!(tls.state, CheckState::Passed, "{tls:#?}");
            assert_eq!(metadata.state, state, "{metadata:#?}");
        }
    }
}

/// The program as it is installed, with its certificate in files.
#[tokio::test]
async fn the_program_speaks_tls_itself_with_a_certificate_from_files() {
    let root = Authority::new("Contoso Root", None);
    let identity = root.sign(&params("portal", &["localhost"]));
    let folder = tempfile::tempdir().unwrap();
    let pem = |label: &str, der: &[u8]| {
        signpost_app::connector::pem(
            label,
            &base64::engine::general_purpose::STANDARD.encode(der),
        )
    };
    let (certificate, key) = (
        folder.path().join("chain.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&certificate, pem("CERTIFICATE", &identity.chain[0])).unwrap();
    std::fs::write(&key, pem("PRIVATE KEY", &identity.key)).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_signpost"))
        .arg("serve")
        .env_clear()
        .env("SIGNPOST_DATA_DIR", folder.path())
        .env("SIGNPOST_LISTEN", format!("127.0.0.1:{port}"))
        .env("SIGNPOST_PUBLIC_URL", format!("https://localhost:{port}"))
        .env("SIGNPOST_TLS_CERT", certificate)
        .env("SIGNPOST_TLS_KEY", key)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let browser = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_der(&root.der).unwrap()])
        .no_proxy()
        .build()
        .unwrap();
    let address = format!("https://localhost:{port}/healthz");
    let mut rhythm = tokio::time::interval(Duration::from_millis(50));
    let status = loop {
        rhythm.tick().await;
        assert_eq!(program.try_wait().unwrap(), None, "the program ended");
        if let Ok(answer) = browser.get(&address).send().await {
            break answer.status();
        }
    };
    assert_eq!(status, 200);
}
