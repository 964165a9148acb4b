//! The client against the practice tenant.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use signpost_graph::{
    Account, AccountPatch, CertificateCredential, Change, Client, Clock, Cloud, Config, Credential,
    ErrorKind, NewCertificate, ObjectId, Profile, SecretText, Selection, Write,
};
use signpost_graph_schema::Conformance;
use signpost_practice_tenant::{Options, PracticeTenant, Throttle};
use tokio::net::TcpListener;
use url::Url;

use crate::every_call::{Routes, new_user, walk};

/// The practice tenant's clock, which waiting moves on.
#[derive(Debug)]
pub(crate) struct Shared(signpost_practice_tenant::Clock);

impl Clock for Shared {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.advance(duration.as_micros().div_ceil(1_000) as i64);
        Box::pin(tokio::task::yield_now())
    }
}

pub(crate) struct Practice {
    base: Url,
    clock: Arc<Shared>,
    http: reqwest::Client,
    /// Judges every exchange by Microsoft's description.
    conformance: Conformance,
}

impl Practice {
    /// A tenant whose every exchange is judged by Microsoft's description.
    async fn start(options: Options) -> Self {
        let conformance = Conformance::new();
        let clock = options.clock.clone();
        let router = conformance.record(PracticeTenant::new(options).router());
        Self::serve(clock, router, conformance).await
    }

    /// For thousands of exchanges of a kind that is judged elsewhere.
    async fn start_unjudged(options: Options) -> Self {
        let clock = options.clock.clone();
        Self::serve(
            clock,
            PracticeTenant::new(options).router(),
            Conformance::new(),
        )
        .await
    }

    async fn serve(
        clock: signpost_practice_tenant::Clock,
        router: axum::Router,
        conformance: Conformance,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            base,
            clock: Arc::new(Shared(clock)),
            http,
            conformance,
        }
    }

    async fn ask(&self, path: &str) -> Value {
        let url = self.base.join("/_practice/").unwrap().join(path).unwrap();
        self.http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    async fn tell(&self, path: &str, body: Value) {
        let url = self.base.join("/_practice/").unwrap().join(path).unwrap();
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
    }

    /// A client as the application with this key, and its configuration to change before.
    async fn client(&self, key: &str, change: impl FnOnce(&mut Config)) -> Client {
        let credentials = self.ask("credentials").await;
        let applications = credentials["applications"].as_array().unwrap();
        let application = applications.iter().find(|a| a["key"] == key).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let cloud = Cloud::Custom {
            authority: self.base.clone(),
            graph: self.base.clone(),
        };
        let mut config = Config::new(
            cloud,
            text(&credentials["tenant_id"]).parse().unwrap(),
            text(&application["client_id"]).parse().unwrap(),
            Credential::Secret(SecretText::new(text(&application["secret"]))),
            Arc::clone(&self.clock) as Arc<dyn Clock>,
            11,
        );
        change(&mut config);
        Client::new(config).unwrap()
    }
}

fn simulated() -> Options {
    let clock = signpost_practice_tenant::Clock::simulated(1_788_250_530_000);
    Options {
        clock,
        ..Options::default()
    }
}

#[tokio::test]
async fn every_call_works_and_none_is_forgotten() {
    let practice = Practice::start(simulated()).await;
    let routes = Arc::new(Routes::default());
    let observer = Arc::clone(&routes);
    let client = practice
        .client("full", |config| config.observer = observer)
        .await;
    walk(&client).await;
    let own = practice.ask("credentials").await;
    let client_id = own["applications"][0]["client_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let registration = client
        .application_credentials(client_id)
        .await
        .unwrap()
        .unwrap();
    let secret = SecretText::new(own["applications"][0]["secret"].as_str().unwrap());
    assert!(registration.secret_ends_at(&secret).is_some());
    rotate_own_secret(&client, &own).await;
    rotate_own_certificate(&practice, &client, &own, &routes).await;
    assert_eq!(routes.unused(), Vec::<String>::new());
    practice.conformance.assert_clean();
}

/// The registration that may change itself makes a secret, and removes it again.
async fn rotate_own_secret(client: &Client, own: &Value) {
    let applications = own["applications"].as_array().unwrap();
    let full = applications.iter().find(|a| a["key"] == "full").unwrap();
    let id = full["client_id"].as_str().unwrap().parse().unwrap();
    let secrets = async || {
        let found = client.application_credentials(id).await.unwrap().unwrap();
        (found.id.unwrap(), found.secrets.len())
    };
    let (object, before) = secrets().await;
    let ends = jiff::Timestamp::from_millisecond(1_800_000_000_000).unwrap();
    let made = client.add_password(object, "Next", ends).await.unwrap();
    assert!(made.value.expose().len() > 20);
    assert_eq!(made.ends_at, Some(ends));
    assert_eq!(secrets().await.1, before + 1);
    client.remove_password(object, made.key_id).await.unwrap();
    assert_eq!(secrets().await.1, before);
}

/// A certificate with its key, as PEM, and its DER in base64.
fn own_certificate() -> (String, SecretText, String) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["signpost.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2028, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let der = STANDARD.encode(certificate.der());
    (certificate.pem(), SecretText::new(key.serialize_pem()), der)
}

fn listed_as(base64: &str) -> NewCertificate<'_> {
    let at = |ms| jiff::Timestamp::from_millisecond(ms).unwrap();
    NewCertificate {
        name: "Signpost",
        base64,
        starts_at: at(1_788_250_530_000),
        ends_at: at(1_800_000_000_000),
    }
}

/// The registration gets its first certificate while the application signs in with a secret, and
/// the next one by the first.
async fn rotate_own_certificate(
    practice: &Practice,
    client: &Client,
    own: &Value,
    routes: &Arc<Routes>,
) {
    let applications = own["applications"].as_array().unwrap();
    let full = applications.iter().find(|a| a["key"] == "full").unwrap();
    let id = full["client_id"].as_str().unwrap().parse().unwrap();
    let held = async || {
        let found = client.application_credentials(id).await.unwrap().unwrap();
        let keys: Vec<_> = found
            .certificates
            .iter()
            .map(|one| one.key_id.unwrap())
            .collect();
        (found.id.unwrap(), keys)
    };
    let (object, before) = held().await;
    let (pem, key, first) = own_certificate();
    client
        .add_certificate(id, object, &listed_as(&first))
        .await
        .unwrap();
    let (_, with_first) = held().await;
    assert_eq!(with_first.len(), before.len() + 1, "what was there stays");
    let credential = CertificateCredential::from_pem(&pem, &key).unwrap();
    let observer = Arc::clone(routes);
    let by_certificate = practice
        .client("full", |config| {
            config.credential = Credential::Certificate(credential);
            config.observer = observer;
        })
        .await;
    let (_, _, second) = own_certificate();
    by_certificate
        .add_certificate(id, object, &listed_as(&second))
        .await
        .unwrap();
    let (_, with_both) = held().await;
    assert_eq!(with_both.len(), before.len() + 2);
    // By proof of the first key, and as a whole list by the secret.
    let first_der = first;
    let [second, first] = [
        with_both[with_both.len() - 1],
        with_first[with_first.len() - 1],
    ];
    by_certificate
        .remove_certificate(id, object, second)
        .await
        .unwrap();
    client.remove_certificate(id, object, first).await.unwrap();
    assert_eq!(held().await.1, before);
    let refused = by_certificate
        .add_certificate(id, object, &listed_as(&first_der))
        .await;
    assert!(refused.is_err(), "a key that is gone proves nothing");
}

#[tokio::test]
async fn create_whose_answer_was_lost_is_found_by_its_immutable_id() {
    let practice = Practice::start(simulated()).await;
    let client = practice.client("good", |_| {}).await;
    let fault = json!({"method": "POST", "route": "/users", "drop_after": true, "once": true});
    practice.tell("faults", fault).await;
    let user = new_user("contoso.example", "lost");
    let key = user.immutable_id.clone().unwrap();
    let error = client
        .write(Write::CreateUser(Box::new(user)))
        .await
        .unwrap_err();
    assert!(error.outcome_unknown());
    let found = client.find_many_by_immutable_id(vec![key.clone()]).await;
    assert_eq!(found[&key].as_ref().unwrap().len(), 1);
    practice.conformance.assert_clean();
}

#[tokio::test]
async fn secret_that_has_expired_says_so() {
    let practice = Practice::start(simulated()).await;
    let client = practice.client("expired-secret", |_| {}).await;
    let error = client.organization().await.unwrap_err();
    let ErrorKind::Unauthorized(token) = error.kind() else {
        panic!("{error}")
    };
    assert_eq!(token.kind, signpost_graph::TokenErrorKind::SecretExpired);
}

#[tokio::test]
async fn application_without_consent_lacks_the_least_permission_of_the_call() {
    let practice = Practice::start(simulated()).await;
    let client = practice.client("no-consent", |_| {}).await;
    assert_eq!(client.granted_roles().await.unwrap(), Vec::<String>::new());
    let error = client
        .list_users(Selection::Properties)
        .next()
        .await
        .unwrap()
        .unwrap_err();
    let missing = Some("User.Read.All");
    assert!(matches!(error.kind(), ErrorKind::Forbidden { missing: m, .. } if *m == missing));
}

/// Changes every account `rounds` times, twenty to a batch, four batches at once.
async fn change_all(client: &Client, ids: &[ObjectId], rounds: usize) {
    let patch = |title: String| {
        let job_title = Change::Set(title);
        let profile = Profile {
            job_title,
            ..Profile::default()
        };
        Box::new(AccountPatch {
            profile,
            ..AccountPatch::default()
        })
    };
    for round in 0..rounds {
        let batches: Vec<Vec<ObjectId>> = ids.chunks(20).map(<[_]>::to_vec).collect();
        stream::iter(batches)
            .for_each_concurrent(4, |batch| async {
                let write = |id| Write::PatchUser {
                    id,
                    patch: patch(format!("Round {round}")),
                };
                let writes = batch.into_iter().map(|id| (id, write(id))).collect();
                for (id, result) in client.batch(writes).await {
                    result.unwrap_or_else(|error| panic!("{id}: {error}"));
                }
            })
            .await;
    }
}

/// Accounts that may be changed.
async fn ordinary_accounts(client: &Client) -> Vec<ObjectId> {
    let accounts = client
        .list_users(Selection::Properties)
        .try_concat()
        .await
        .unwrap();
    let is_ordinary = |account: &&Account| account.synchronised != Some(true);
    let ids = accounts
        .iter()
        .filter(is_ordinary)
        .map(|account| account.id);
    // The first ones are the administrators.
    ids.rev().take(1_000).collect()
}

fn throttled() -> Options {
    Options {
        users: 1_000,
        throttle: Throttle::Documented,
        ..simulated()
    }
}

#[tokio::test]
async fn ten_thousand_writes_stay_just_under_the_documented_quota() {
    let practice = Practice::start_unjudged(throttled()).await;
    let client = practice.client("good", |_| {}).await;
    let ids = ordinary_accounts(&client).await;
    let started_ms = practice.clock.now_ms();
    change_all(&client, &ids, 10).await;
    let ended_ms = practice.clock.now_ms();
    let seconds = (ended_ms - started_ms) as f64 / 1_000.0;
    let ideal = (10_000.0 - 3_000.0) / 20.0;
    assert!(seconds <= 1.05 * ideal, "{seconds} s against {ideal} s");

    for id in ids.into_iter().take(20) {
        client
            .interactive()
            .write(Write::RevokeSessions { id })
            .await
            .unwrap();
    }
    assert_eq!(
        practice.clock.now_ms(),
        ended_ms,
        "a person waits for nothing"
    );
    let calls = practice.ask("calls").await;
    assert_eq!(calls["writes"], 10_020);
    assert_eq!(calls["throttled"], 0);
}

#[tokio::test]
async fn two_clients_that_do_not_know_of_each_other_share_the_quota_without_a_failure() {
    let practice = Practice::start_unjudged(throttled()).await;
    let (one, other) = (
        practice.client("good", |_| {}).await,
        practice.client("good", |c| c.seed = 12).await,
    );
    let ids = ordinary_accounts(&one).await;
    let (left, right) = ids.split_at(500);
    tokio::join!(change_all(&one, left, 10), change_all(&other, right, 10));
    let calls = practice.ask("calls").await;
    assert_eq!(calls["writes"], 10_000);
    let throttled = calls["throttled"].as_u64().unwrap();
    assert!(throttled <= 500, "{throttled} of 10,000 refused");
}
