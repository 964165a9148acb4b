//! Installs the clients into the build folder, once for each state of their lock file.

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// Fails with a sentence that says what to install.
pub(crate) fn require(program: &str, version: &str, package: &str) {
    let found = Command::new(program).arg(version).output();
    assert!(
        found.is_ok_and(|output| output.status.success()),
        "{program} is not installed, and this test is nothing without it: run `.ci/install test`, or install {package}."
    );
}

/// The folder with the npm packages and the script that uses them.
pub(crate) fn node_packages() -> PathBuf {
    require("node", "--version", "nodejs");
    require("npm", "--version", "npm");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients-node");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["package.json", "check.mjs"] {
        std::fs::copy(Path::new(SOURCE).join(name), folder.join(name)).unwrap();
    }
    let lock = "package-lock.json";
    if !is_installed(&folder, lock) {
        std::fs::copy(Path::new(SOURCE).join(lock), folder.join(lock)).unwrap();
        let mut command = Command::new("npm");
        command.current_dir(&folder);
        command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        run(&mut command);
        note_installed(&folder, lock);
    }
    folder
}

/// The Python of a virtual environment with the packages.
pub(crate) fn python_environment() -> PathBuf {
    require("python3", "--version", "python3");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients-python");
    let python = folder.join("bin/python");
    let lock = "requirements.txt";
    if !is_installed(&folder, lock) {
        // Without python3-venv, Debian's Python makes an environment that lacks pip, and says so.
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder));
        let mut command = Command::new(&python);
        command.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        command.args(["--only-binary", ":all:", "--require-hashes", "-r"]);
        run(command.arg(Path::new(SOURCE).join(lock)));
        note_installed(&folder, lock);
    }
    python
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn marker(folder: &Path) -> PathBuf {
    folder.join("installed.lock")
}

/// Whether what is there was made from the lock file as it is now.
fn is_installed(folder: &Path, lock: &str) -> bool {
    let made_from = std::fs::read(marker(folder)).unwrap_or_default();
    made_from == std::fs::read(Path::new(SOURCE).join(lock)).unwrap()
}

fn note_installed(folder: &Path, lock: &str) {
    std::fs::copy(Path::new(SOURCE).join(lock), marker(folder)).unwrap();
}
