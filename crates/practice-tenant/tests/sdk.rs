//! Microsoft's own Python SDK against the practice tenant, over TLS.
//!
//! Installs the SDK into the build folder once (about 100 MB), then runs `sdk/check.py` with it.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use signpost_practice_tenant::{Options, PracticeTenant, TestIdentity};

#[test]
fn microsofts_sdk_is_satisfied() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let python = install(&folder);
    let authority = folder.join("authority.pem");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let identity = TestIdentity::generate().unwrap();
    std::fs::write(&authority, identity.authority_pem()).unwrap();
    let practice = PracticeTenant::new(Options {
        users: 300,
        ..Options::default()
    });
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let base = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let trusted = reqwest::Certificate::from_pem(identity.authority_pem().as_bytes()).unwrap();
    runtime.spawn(async move {
        practice
            .serve_tls(listener, &identity, std::future::pending())
            .await
    });
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([trusted])
        .build()
        .unwrap();
    let credentials: Value = runtime
        .block_on(async {
            http.get(format!("{base}/_practice/credentials"))
                .send()
                .await
                .unwrap()
                .json()
                .await
        })
        .unwrap();
    let full = credentials["applications"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["key"] == "full")
        .unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/check.py");
    let output = Command::new(python)
        .arg(script)
        .arg(&base)
        .args(
            [
                &credentials["tenant_id"],
                &full["client_id"],
                &full["secret"],
            ]
            .map(|value| value.as_str().unwrap()),
        )
        .envs([
            ("SSL_CERT_FILE", &authority),
            ("REQUESTS_CA_BUNDLE", &authority),
        ])
        .env("NO_PROXY", "localhost")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A virtual environment with the SDK, made once.
fn install(folder: &Path) -> PathBuf {
    let environment = folder.join("sdk");
    let python = environment.join("bin/python");
    let has_sdk = || {
        Command::new(&python)
            .args(["-c", "import msgraph"])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if !has_sdk() {
        let made = Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment)
            .status()
            .unwrap();
        assert!(
            made.success(),
            "python3 -m venv failed; on Debian install python3-venv"
        );
        let packages = ["msgraph-sdk==1.65.0", "azure-identity==1.27.0"];
        let installed = Command::new(&python)
            .args(["-m", "pip", "install", "--quiet"])
            .args(packages)
            .status()
            .unwrap();
        assert!(installed.success(), "pip could not install the SDK");
    }
    python
}
