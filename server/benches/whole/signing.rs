//! Tokens against the bare signatures in them: everything else about a token should cost little.

use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom as KeyRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use signpost_federation::saml::AuthnRequest;
use signpost_federation::wsfed::SignInRequest;
use signpost_federation::{
    Demands, IdentityProvider, RelyingParty, SignIn, Signer, SigningKey, Strength,
};
use signpost_model::{Clock, Cloud};
use signpost_server::ambient::{SystemClock, SystemRandom};

use crate::report::{Line, Section, Unit, median};
use crate::{Scale, machine};

const ROUNDS: usize = 7;

/// Signatures and tokens per second of one core.
pub(crate) fn measure(scale: Scale) -> Section {
    eprintln!("signing");
    let now = SystemClock.now();
    let key = SigningKey::generate().unwrap();
    let secret = key.to_secret().unwrap();
    let bare = KeyPair::from_pkcs8(&STANDARD.decode(secret.expose()).unwrap()).unwrap();
    let certificate = key
        .certify(
            "contoso.example",
            [7; 16],
            now.plus_days(-1),
            now.plus_days(365),
        )
        .unwrap();
    let provider = IdentityProvider {
        domain: "contoso.example".to_owned(),
        issuer_uri: "https://id.contoso.example/federation/1".to_owned(),
        relying_party: RelyingParty::of(Cloud::Microsoft365).unwrap(),
        signer: Signer::new(key, certificate).unwrap(),
    };
    let sign_in = SignIn {
        user_name: "person7@contoso.example".to_owned(),
        immutable_id: "0123456789abcdefghijklmnopqrstuv".to_owned(),
        authenticated_at: now.plus_millis(-5_000),
        strength: Strength::MultiFactor,
    };
    let wsfed = SignInRequest {
        demands: Demands::default(),
        context: Some("estsredirect=2&estsrequest=rQIIAY2RO2".to_owned()),
        login_hint: None,
    };
    let saml = AuthnRequest {
        id: "_7171b0b2-19f2-4ba2-8f94-24b5e56b7f1e".to_owned(),
        demands: Demands::default(),
        relay_state: wsfed.context.clone(),
        login_hint: None,
    };
    let sign = || {
        let mut signature = vec![0; bare.public_modulus_len()];
        bare.sign(
            &RSA_PKCS1_SHA256,
            &KeyRandom::new(),
            &[7; 700],
            &mut signature,
        )
        .unwrap();
        signature.len()
    };
    let by_wsfed = || {
        let made = provider.answer_wsfed(&wsfed, &sign_in, now, &SystemRandom);
        made.unwrap().fields.len()
    };
    let by_saml = || {
        let made = provider.answer_saml(&saml, &sign_in, now, &SystemRandom);
        made.unwrap().fields.len()
    };
    let time = Duration::from_millis(200 * scale.seconds);
    let (mut bare_rates, mut wsfed_rates, mut saml_rates) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        bare_rates.push(rate(time, &sign));
        wsfed_rates.push(rate(time, &by_wsfed));
        saml_rates.push(rate(time, &by_saml));
    }
    let bare_rate = median(&bare_rates);
    let share = |rates: &[f64]| 100.0 * median(rates) / bare_rate;
    Section {
        title: "Tokens".to_owned(),
        note: format!(
            "Per second of one core's time, {ROUNDS} interleaved rounds, medians. The bare rate is RSA-2048 with \
             SHA-256 over 700 bytes and nothing else."
        ),
        lines: vec![
            Line::plain("bare signatures", Unit::PerSecond, bare_rate),
            Line::at_least(
                "WS-Federation tokens (SAML 1.1): share of the bare rate",
                Unit::Percent,
                share(&wsfed_rates),
                80.0,
                90.0,
            ),
            Line::at_least(
                "SAML 2.0 responses: share of the bare rate",
                Unit::Percent,
                share(&saml_rates),
                80.0,
                90.0,
            ),
        ],
    }
}

/// How often per second of this thread's processor time: whatever else runs does not count.
fn rate(time: Duration, work: &dyn Fn() -> usize) -> f64 {
    let (watch, before) = (Instant::now(), machine::processor_time());
    let mut times = 0u32;
    while watch.elapsed() < time {
        std::hint::black_box(work());
        times += 1;
    }
    f64::from(times) / (machine::processor_time() - before)
}
