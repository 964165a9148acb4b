//! Faults on demand: what to match, what goes wrong, how often.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

/// One fault as the control API takes it; every field but the effect may be left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// HTTP method; any without.
    #[serde(default)]
    method: Option<String>,
    /// Route template such as `/users/{id}/assignLicense`; any without.
    #[serde(default)]
    route: Option<String>,
    /// Text that must occur in the URL or the body.
    #[serde(default)]
    contains: Option<String>,
    /// Only inside a batch, or only outside.
    #[serde(default)]
    within: Option<Within>,
    /// Matches to let pass first.
    #[serde(default)]
    skip: u64,
    /// How often it happens; for ever without.
    #[serde(default)]
    times: Option<u64>,
    /// The same as `times: 1`.
    #[serde(default)]
    once: bool,
    /// The share of matches it happens to, drawn from `seed`.
    #[serde(default)]
    share: Option<f64>,
    #[serde(default)]
    seed: u64,
    #[serde(flatten)]
    pub(crate) effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Within {
    Batch,
    Single,
}

/// What goes wrong.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Effect {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    /// A JSON value, or a string that is sent as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Value>,
    /// Code of a Graph error body, when `body` is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    #[serde(default)]
    pub(crate) delay_ms: u64,
    /// The request is carried out, then the fault answers.
    #[serde(default)]
    pub(crate) after: bool,
    /// The connection is cut, nothing was carried out.
    #[serde(default)]
    pub(crate) drop_before: bool,
    /// The request is carried out, then the connection is cut.
    #[serde(default)]
    pub(crate) drop_after: bool,
    /// The connection is cut, and the request is carried out this much later all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) late_ms: Option<u64>,
    /// The request is carried out, but its part is missing from the batch's answer.
    #[serde(default)]
    pub(crate) missing: bool,
    /// The request is carried out, and the answer is not JSON.
    #[serde(default)]
    pub(crate) garbage: bool,
    /// The part stands twice in its batch's answer.
    #[serde(default)]
    pub(crate) doubled: bool,
    /// The request waits until it is let go; with `after` it is carried out first.
    #[serde(default)]
    pub(crate) hold: bool,
    /// Where a held request waits.
    #[serde(skip)]
    pub(crate) held: Option<Held>,
}

/// What becomes of held requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Waits,
    GoesOn,
}

/// A request that waits for the word of whoever armed the fault.
#[derive(Debug, Clone)]
pub(crate) struct Held(watch::Receiver<Hold>);

impl Held {
    /// Waits; `false`: the fault was removed, and the connection is to be cut.
    pub(crate) async fn wait(mut self) -> bool {
        self.0.wait_for(|hold| *hold == Hold::GoesOn).await.is_ok()
    }
}

impl Effect {
    /// Where the request waits before it is carried out.
    pub(crate) fn take_hold_before(&mut self) -> Option<Held> {
        if self.after { None } else { self.held.take() }
    }

    /// Whether the request is still carried out.
    pub(crate) fn carries_out(&self) -> bool {
        if self.late_ms.is_some() {
            return false;
        }
        self.after
            || self.drop_after
            || self.missing
            || self.garbage
            || (self.status.is_none() && !self.drop_before)
    }
}

#[derive(Debug)]
struct Armed {
    id: u64,
    fault: Fault,
    seen: u64,
    happened: watch::Sender<u64>,
    hold: watch::Sender<Hold>,
    random: StdRng,
}

/// Every fault in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
    next_id: u64,
}

/// What a fault is matched with.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    /// `POST /users/{id}/assignLicense`.
    pub(crate) route: &'a str,
    pub(crate) url: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) within: Within,
}

/// More armed faults than this are a mistake.
const MAX_ARMED: usize = 1_000;

impl Faults {
    pub(crate) fn add(&mut self, mut fault: Fault) -> Result<u64, String> {
        if self.armed.len() >= MAX_ARMED {
            return Err("too many faults are armed".to_owned());
        }
        if fault
            .share
            .is_some_and(|share| !(0.0..=1.0).contains(&share))
        {
            return Err("share is a number from 0 to 1".to_owned());
        }
        if fault
            .effect
            .status
            .is_some_and(|status| !(100..=599).contains(&status))
        {
            return Err("status is an HTTP status".to_owned());
        }
        if fault.once {
            fault.times = Some(1);
        }
        fault.route = fault.route.as_deref().map(canonical);
        self.next_id += 1;
        let random = StdRng::seed_from_u64(fault.seed);
        self.armed.push(Armed {
            id: self.next_id,
            fault,
            seen: 0,
            happened: watch::Sender::new(0),
            hold: watch::Sender::new(Hold::Waits),
            random,
        });
        Ok(self.next_id)
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.armed.len();
        self.armed.retain(|armed| armed.id != id);
        self.armed.len() < before
    }

    /// Lets the requests go on that the fault holds.
    pub(crate) fn release(&mut self, id: u64) -> bool {
        let armed = self.armed.iter().find(|armed| armed.id == id);
        armed
            .map(|armed| armed.hold.send_replace(Hold::GoesOn))
            .is_some()
    }

    /// How often a fault has happened, to be waited for.
    pub(crate) fn watch(&self, id: u64) -> Option<watch::Receiver<u64>> {
        let armed = self.armed.iter().find(|armed| armed.id == id)?;
        Some(armed.happened.subscribe())
    }

    /// Every fault with how often it matched and happened.
    pub(crate) fn list(&self) -> Vec<Value> {
        let one = |armed: &Armed| serde_json::json!({"id": armed.id, "fault": armed.fault, "matched": armed.seen, "happened": *armed.happened.borrow()});
        self.armed.iter().map(one).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// The first fault that happens to this request.
    pub(crate) fn strike(&mut self, subject: &Subject<'_>) -> Option<Effect> {
        for armed in &mut self.armed {
            if !armed.fault.matches(subject) {
                continue;
            }
            armed.seen += 1;
            if armed.seen <= armed.fault.skip
                || armed
                    .fault
                    .times
                    .is_some_and(|times| *armed.happened.borrow() >= times)
            {
                continue;
            }
            if armed
                .fault
                .share
                .is_some_and(|share| armed.random.random::<f64>() >= share)
            {
                continue;
            }
            armed.happened.send_modify(|happened| *happened += 1);
            let mut effect = armed.fault.effect.clone();
            effect.held = effect.hold.then(|| Held(armed.hold.subscribe()));
            return Some(effect);
        }
        None
    }
}

impl Fault {
    fn matches(&self, subject: &Subject<'_>) -> bool {
        let (method, route) = subject.route.split_once(' ').unwrap_or(("", subject.route));
        self.method
            .as_ref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self
                .route
                .as_ref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(&canonical(route)))
            && self.within.is_none_or(|within| within == subject.within)
            && self.contains.as_ref().is_none_or(|text| {
                subject.url.contains(text.as_str()) || contains(subject.body, text.as_bytes())
            })
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty()
        || haystack
            .windows(needle.len())
            .any(|window| window == needle)
}

/// One spelling per template: no version, no empty parentheses, every parameter `{id}`.
fn canonical(route: &str) -> String {
    let route = route
        .strip_prefix("/v1.0")
        .or_else(|| route.strip_prefix("/beta"))
        .unwrap_or(route);
    let route = route
        .replace("microsoft.graph.", "graph.")
        .replace("()", "");
    let segments = route.trim_matches('/').split('/').map(|segment| {
        let is_parameter = segment.starts_with('{') && segment.ends_with('}');
        if is_parameter {
            "{id}".to_owned()
        } else {
            segment.replace("{appId}", "{id}")
        }
    });
    format!("/{}", segments.collect::<Vec<_>>().join("/"))
}
