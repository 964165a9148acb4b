//! The real binary in child processes, and what the operating system counts of them.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::load;

/// The binary of this build.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_signpost");

/// Ticks per second of `/proc/PID/stat`: the same on every Linux.
const TICKS: f64 = 100.0;

/// Children under way, so that none outlives a program that gives up.
static UNDER_WAY: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn under_way() -> MutexGuard<'static, Vec<u32>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends every child at once.
pub(crate) fn end_all() {
    let children: Vec<String> = under_way().iter().map(u32::to_string).collect();
    // There is nothing left to do about one that does not end.
    let _ = Command::new("kill").arg("-9").args(children).status();
}

/// A child process that ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
}

impl Process {
    /// A practice tenant without throttling.
    pub(crate) fn practice_tenant() -> Self {
        let address = free_address();
        let mut command = Command::new(BINARY);
        command
            .args(["practice-tenant", "--throttle", "off", "--log", "warn"])
            .args(["--listen", &address.to_string()]);
        let process = Self::start(command, address);
        process.wait_for("/_practice/health");
        process
    }

    /// A portal with its worker; the caller waits until it answers.
    pub(crate) fn portal(folder: &Path, practice: Option<&Self>) -> Self {
        let address = free_address();
        let mut command = Command::new(BINARY);
        command
            .args(["serve", "--log", "warn", "--setup-code", "bench"])
            .args(["--listen", &address.to_string()])
            // The flood comes from many addresses, as floods do.
            .args(["--trusted-proxies", "127.0.0.1"])
            .arg("--data-dir")
            .arg(folder);
        if let Some(practice) = practice {
            command.args(["--practice-url", &practice.url]);
        }
        Self::start(command, address)
    }

    /// This program as a bare axum server.
    pub(crate) fn bare() -> Self {
        let address = free_address();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["bare", &address.to_string()]);
        let process = Self::start(command, address);
        process.wait_for("/");
        process
    }

    fn start(mut command: Command, address: SocketAddr) -> Self {
        let child = command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        under_way().push(child.id());
        Self {
            child,
            address,
            url: format!("http://{address}"),
        }
    }

    /// Waits for the first 200 at this path.
    pub(crate) fn wait_for(&self, path: &str) {
        let watch = Instant::now();
        let request = load::get(self.address, path, &[]);
        while watch.elapsed() < Duration::from_secs(60) {
            if load::fetch(self.address, &request).is_ok_and(|answer| answer.status == 200) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("nothing answers at {}{path}", self.url);
    }

    /// Processor time of the process so far.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = self.proc("stat");
        // The name may hold spaces: fields are counted behind its closing bracket.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks: f64 = [11, 12]
            .iter()
            .filter_map(|at| fields.get(*at)?.parse::<f64>().ok())
            .sum();
        ticks / TICKS
    }

    /// The largest resident memory since the last [`Process::forget_peak`], in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        kib(&self.proc("status"), "VmHWM:") / 1_024.0
    }

    /// Starts measuring the peak anew.
    pub(crate) fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        std::fs::write(path, "5").unwrap();
    }

    /// The proportional set size now, in MiB.
    pub(crate) fn pss_mib(&self) -> f64 {
        kib(&self.proc("smaps_rollup"), "Pss:") / 1_024.0
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        under_way().retain(|id| *id != self.child.id());
    }
}

fn kib(text: &str, name: &str) -> f64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
