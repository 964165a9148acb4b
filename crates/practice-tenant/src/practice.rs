//! The practice tenant as a whole: its state, its clock, its options.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::calls::CallLog;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::sign_in::SignIns;
use crate::tenant::Tenant;
use crate::throttle::Quotas;
use crate::tokens::Tokens;

/// Whether the documented quotas are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Throttle {
    /// As Microsoft documents them: 429 with `Retry-After`.
    Documented,
    /// Never.
    #[default]
    Off,
}

impl Throttle {
    /// The word on the command line and in the control API.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Off => "off",
        }
    }
}

/// How a practice tenant starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Generated accounts beside the default ones.
    pub users: usize,
    /// The same seed makes the same tenant.
    pub seed: u64,
    /// Whether quotas are enforced.
    pub throttle: Throttle,
    /// How long a write stays invisible to readers.
    pub replication_delay_ms: u64,
    /// `http://host:port` for every link; taken from the listener or the `Host` header when left out.
    pub base_url: Option<String>,
    /// Where the tenant is kept between starts; in memory only when left out.
    pub state_file: Option<PathBuf>,
    /// The tenant's time.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            users: 0,
            seed: 1,
            throttle: Throttle::Off,
            replication_delay_ms: 0,
            base_url: None,
            state_file: None,
            clock: Clock::system(),
        }
    }
}

/// A simulated Microsoft 365 tenant.
pub struct PracticeTenant {
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    tenant: Mutex<Tenant>,
    tokens: Mutex<Tokens>,
    faults: Mutex<Faults>,
    calls: Mutex<CallLog>,
    quotas: Mutex<Quotas>,
    sign_ins: Mutex<SignIns>,
    throttle: RwLock<Throttle>,
    base_url: RwLock<Option<String>>,
    changed: AtomicBool,
}

impl std::fmt::Debug for PracticeTenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PracticeTenant")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A handler that panicked leaves a tenant as consistent as any other answer did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PracticeTenant {
    /// A tenant from its file if there is one, otherwise a fresh one.
    pub fn new(options: Options) -> Arc<Self> {
        let clock = options.clock.clone();
        let tenant = options
            .state_file
            .as_deref()
            .and_then(crate::persist::load)
            .unwrap_or_else(|| crate::seed::tenant(&options));
        Arc::new(Self {
            tokens: Mutex::new(Tokens::new(&options.seed.to_le_bytes())),
            faults: Mutex::new(Faults::default()),
            calls: Mutex::new(CallLog::new(options.seed)),
            quotas: Mutex::new(Quotas::new(clock.now_ms())),
            sign_ins: Mutex::new(SignIns::new(options.seed, clock.now_ms())),
            throttle: RwLock::new(options.throttle),
            base_url: RwLock::new(options.base_url.clone()),
            changed: AtomicBool::new(false),
            tenant: Mutex::new(with_delay(tenant, &options)),
            clock,
            options,
        })
    }

    /// Back to the first day: content, counts, faults, tokens and quotas.
    pub(crate) fn reset(&self) {
        let mut fresh = with_delay(crate::seed::tenant(&self.options), &self.options);
        let mut tenant = self.tenant();
        // Delta tokens of the tenant that was must not fit the one that is.
        fresh.delta.epoch = tenant.delta.epoch.wrapping_add(1);
        *tenant = fresh;
        drop(tenant);
        self.faults().clear();
        self.calls().reset();
        self.tokens().forget_all();
        *lock(&self.quotas) = Quotas::new(self.clock.now_ms());
        self.sign_ins().forget_all();
        self.mark_changed();
    }

    pub(crate) fn tenant(&self) -> MutexGuard<'_, Tenant> {
        lock(&self.tenant)
    }

    pub(crate) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        lock(&self.tokens)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    /// Taken after the tenant when both are needed.
    pub(crate) fn sign_ins(&self) -> MutexGuard<'_, SignIns> {
        lock(&self.sign_ins)
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, CallLog> {
        lock(&self.calls)
    }

    /// The quotas, when they are enforced.
    pub(crate) fn quotas(&self) -> Option<MutexGuard<'_, Quotas>> {
        (self.throttle() == Throttle::Documented).then(|| lock(&self.quotas))
    }

    /// Whether quotas are enforced now.
    pub fn throttle(&self) -> Throttle {
        *self.throttle.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_throttle(&self, throttle: Throttle) {
        *self
            .throttle
            .write()
            .unwrap_or_else(PoisonError::into_inner) = throttle;
        *lock(&self.quotas) = Quotas::new(self.clock.now_ms());
    }

    /// The tenant's clock; moving it moves the tenant.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// `http://host:port`, once known.
    pub fn base_url(&self) -> Option<String> {
        self.base_url
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_base_url(&self, url: String) {
        let mut base = self
            .base_url
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        base.get_or_insert(url);
    }

    pub(crate) fn mark_changed(&self) {
        self.changed.store(true, Ordering::Relaxed);
    }

    /// Whether anything changed since the last time this was asked.
    pub(crate) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::Relaxed)
    }
}

fn with_delay(mut tenant: Tenant, options: &Options) -> Tenant {
    tenant.replication_delay = i64::try_from(options.replication_delay_ms).unwrap_or(i64::MAX / 4);
    tenant
}
