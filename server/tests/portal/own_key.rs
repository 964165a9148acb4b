//! A signing key that an organisation brings along.

use signpost_model::Role;
use signpost_model::time::DAY_MS;
use signpost_store::signing_keys::{self, SigningKey, SigningKeyState};

use crate::support::login::Domain;
use crate::support::{Answer, Browser, post_file};

const FILE: &[u8] =
    include_bytes!("../../../crates/federation/tests/fixtures/signing-key-legacy.pfx");
const CERTIFICATE: &str =
    include_str!("../../../crates/federation/tests/fixtures/signing-certificate.pem");
const KEY: &str = include_str!("../../../crates/federation/tests/fixtures/signing-key.pem");
const OTHER: &str = include_str!("../../../crates/federation/tests/fixtures/next-certificate.pem");
const PRINT: &str = "41DAD3CC68843AD2D57F166AFD2AABE17E8DF62B";
const IMPORT_FILE: &str = "/api/applications/certificates/import-file";

/// Hands a key file in; the page that follows.
async fn hand_in(domain: &Domain, admin: &Browser, file: &[u8], password: &str) -> Answer {
    let id = domain.id.to_string();
    let fields = [
        ("csrf", admin.csrf.as_str()),
        ("application", &id),
        ("key_password", password),
    ];
    let answer = post_file(admin, IMPORT_FILE, &fields, ("key_file", "x.pfx"), file).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    admin.get(answer.location()).await
}

async fn paste(domain: &Domain, admin: &Browser, certificate: &str, key: &str) -> Answer {
    let id = domain.id.to_string();
    let fields = [
        ("application", id.as_str()),
        ("certificate", certificate),
        ("private_key", key),
    ];
    admin
        .submit("/api/applications/certificates/import", &fields)
        .await
}

async fn next_key(domain: &Domain) -> Option<SigningKey> {
    let store = &domain.app.portal.store;
    let mut read = store.read().await.unwrap();
    signing_keys::find(&mut read, store.sealer(), domain.id, SigningKeyState::Next)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_key_from_outside_becomes_the_next_one_as_a_file_or_as_pem() {
    for as_file in [true, false] {
        let domain = Domain::new().await;
        let admin = domain.app.sign_in(Role::Administrator).await;
        let page = if as_file {
            hand_in(&domain, &admin, FILE, "ein Paßwort").await
        } else {
            paste(&domain, &admin, CERTIFICATE, KEY).await
        };
        let says = |words: &str| assert!(page.body.contains(words), "{words}: {}", page.body);
        says("The certificate is the next one.");
        says(PRINT);
        let kept = next_key(&domain).await.unwrap();
        let secret = &kept.private_key.expose()[40..120];
        assert!(!page.body.contains(secret));
        let page = hand_in(&domain, &admin, FILE, "ein Paßwort").await;
        let words = "There is a next certificate already";
        assert!(page.body.contains(words), "{}", page.body);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_key_stands_at_its_field_and_nothing_is_kept() {
    let domain = Domain::new().await;
    let admin = domain.app.sign_in(Role::Administrator).await;
    let large = vec![0x30; 70 * 1024];
    for (file, password, said) in [
        (FILE, "otherwise", "does not open with this password"),
        (CERTIFICATE.as_bytes(), "x", "not a PKCS #12 file"),
        (b"".as_slice(), "x", "Choose a file"),
        (&large, "x", "too large to be a key file"),
    ] {
        let page = hand_in(&domain, &admin, file, password).await;
        assert!(page.body.contains(said), "{said}: {}", page.body);
        assert!(!page.body.contains("otherwise"), "a password comes back");
    }
    for (certificate, key, said) in [
        (OTHER, KEY, "does not belong to the certificate"),
        (CERTIFICATE, "x", "not an RSA private key"),
        ("x", KEY, "Paste the certificate as PEM or base64"),
    ] {
        let page = paste(&domain, &admin, certificate, key).await;
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    domain.app.clock.advance_millis(3 * 366 * DAY_MS);
    let admin = domain.app.sign_in(Role::Administrator).await;
    let page = hand_in(&domain, &admin, FILE, "ein Paßwort").await;
    assert!(page.body.contains("not valid now"), "{}", page.body);
    assert!(next_key(&domain).await.is_none());

    let auditor = domain.app.sign_in(Role::Auditor).await;
    let fields = [("csrf", auditor.csrf.as_str())];
    let answer = post_file(&auditor, IMPORT_FILE, &fields, ("key_file", "x.pfx"), FILE).await;
    assert_eq!(answer.status, 403);
}
