//! The real binary in child processes, which end without warning.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::tenant::PATIENCE;

/// The binary of this build.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_signpost");

/// A child process that is killed with this value at the latest.
pub(crate) struct Process {
    child: Child,
    /// What it said so far.
    said: Arc<Mutex<Vec<String>>>,
    lines: watch::Receiver<usize>,
}

impl Drop for Process {
    /// A story that ends badly shows what its processes said.
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "the test's own output")]
            {
                eprintln!("a process said:\n{}", self.tail());
            }
        }
    }
}

impl Process {
    /// Starts the binary.
    pub(crate) fn start(arguments: &[String]) -> Self {
        Self::spawn(Command::new(BINARY).args(arguments))
    }

    /// Starts the binary with something in its environment.
    pub(crate) fn start_with(environment: &[(&str, &str)], arguments: &[String]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(arguments);
        Self::spawn_with(&mut command, environment)
    }

    /// Starts the binary so that it survives the signal that comes with a file too large: the error
    /// is what a full disk gives.
    pub(crate) fn start_deaf_to_xfsz(arguments: &[String]) -> Self {
        let script = "trap '' XFSZ; exec \"$0\" \"$@\"";
        Self::spawn(
            Command::new("bash")
                .args(["-c", script, BINARY])
                .args(arguments),
        )
    }

    fn spawn(command: &mut Command) -> Self {
        Self::spawn_with(command, &[])
    }

    fn spawn_with(command: &mut Command, environment: &[(&str, &str)]) -> Self {
        let mut child = command
            .env_clear()
            .envs(environment.iter().copied())
            .env("PATH", "/usr/bin:/bin")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (heard, lines) = watch::channel(0);
        let mut reader = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = reader.next_line().await {
                kept.lock().unwrap().push(line);
                heard.send_modify(|lines| *lines += 1);
            }
        });
        Self { child, said, lines }
    }

    /// Completes when it has said so many lines that contain these words; `false`: it ended first.
    pub(crate) async fn says(&mut self, words: &str, times: usize) -> bool {
        let said = Arc::clone(&self.said);
        let count = |from: usize| {
            let said = said.lock().unwrap();
            let found = said[from..].iter().filter(|line| line.contains(words));
            (found.count(), said.len())
        };
        let (mut found, mut seen) = (0, 0);
        loop {
            let (more, all) = count(seen);
            (found, seen) = (found + more, all);
            if found >= times {
                return true;
            }
            if self.lines.changed().await.is_err() {
                let (more, _) = count(seen);
                return found + more >= times;
            }
        }
    }

    /// SIGKILL: no destructor runs, nothing is flushed.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends a signal that it survives: `STOP`, `CONT`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Sets a limit of the system, such as `fsize`, in mid-life: soft and hard, or both as one.
    pub(crate) async fn limit(&self, name: &str, to: &str) {
        let id = self.child.id().unwrap().to_string();
        let limit = format!("--{name}={to}");
        let set = Command::new("prlimit")
            .args(["--pid", &id, &limit])
            .status()
            .await;
        assert!(set.unwrap().success());
    }

    /// Completes when it ends by itself.
    pub(crate) async fn ends(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("it does not end:\n{}", self.tail()))
            .unwrap()
    }

    /// Expects it to end well.
    pub(crate) async fn succeeds(mut self) {
        let status = self.ends().await;
        assert!(status.success(), "{status}:\n{}", self.tail());
    }

    /// The last it said.
    pub(crate) fn tail(&self) -> String {
        let said = self.said.lock().unwrap();
        said[said.len().saturating_sub(40)..].join("\n")
    }

    /// Everything it said.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Waits until this path of a server answers 200.
    pub(crate) async fn answers(&self, url: &str) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let begin = std::time::Instant::now();
        while begin.elapsed() < PATIENCE {
            let answer = http.get(url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("nothing answers at {url}:\n{}", self.tail());
    }
}

/// A port that nobody listens on.
pub(crate) fn free_address() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// The arguments that every command takes.
pub(crate) fn common(data: &Path, database: &str, practice: &str, log: &str) -> Vec<String> {
    let data = data.display().to_string();
    [
        "--data-dir",
        &data,
        "--database-url",
        database,
        "--practice-url",
        practice,
        "--log",
        log,
        "--log-format",
        "text",
    ]
    .map(str::to_owned)
    .to_vec()
}
