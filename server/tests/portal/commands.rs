//! The command line that automation uses, run as it is installed.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `signpost` on the data of this folder.
fn signpost(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_signpost"))
        .args(arguments)
        .env_clear()
        .env("SIGNPOST_DATA_DIR", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn succeeds(folder: &Path, arguments: &[&str], input: &str) -> String {
    let output = signpost(folder, arguments, input);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn fails(folder: &Path, arguments: &[&str], input: &str) -> String {
    let output = signpost(folder, arguments, input);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

const ADA: [&str; 8] = [
    "operator",
    "add",
    "--email",
    "ada@contoso.example",
    "--name",
    "Ada",
    "--role",
    "owner",
];

#[test]
fn operators_are_added_and_helped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let said = succeeds(folder, &ADA, "");
    assert!(said.contains("Password: "), "{said}");
    assert!(fails(folder, &ADA, "").contains("another operator has the email"));
    let mut bob = ADA;
    bob[3] = "bob@contoso.example";
    let bob = [&bob[..], &["--password-stdin"]].concat();
    assert!(fails(folder, &bob, "short\n").contains("Use at least"));
    let said = succeeds(folder, &bob, "a few words in a row\n");
    assert!(!said.contains("words in a row"), "{said}");

    let reset = ["operator", "reset", "--email", "ADA@contoso.example"];
    fails(folder, &reset, "");
    let both = [&reset[..], &["--password", "--second-factor"]].concat();
    let said = succeeds(folder, &both, "");
    assert!(said.contains("Password: ") && said.contains("no second factor"));
    let nobody = [
        "operator",
        "reset",
        "--email",
        "x@y.example",
        "--second-factor",
    ];
    assert!(fails(folder, &nobody, "").contains("no operator has the email"));
    assert!(succeeds(folder, &["audit", "verify"], "").contains("4 events"));
}

#[test]
fn copies_are_made_and_put_back_and_keys_change() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let copy = folder.path().join("copy.db");
    let copy_name = copy.to_str().unwrap();
    succeeds(&one, &["migrate"], "");
    succeeds(&one, &ADA, "");
    succeeds(&one, &["backup", copy_name], "");
    fails(&one, &["backup", copy_name], "");
    fails(&one, &["restore", copy_name], "");

    assert!(fails(&two, &["restore", copy_name], "").contains("master key"));
    std::fs::copy(one.join("master.key"), two.join("master.key")).unwrap();
    let said = succeeds(&two, &["restore", copy_name], "");
    assert!(said.contains("whole: 1 events"), "{said}");

    let before = std::fs::read(two.join("master.key")).unwrap();
    succeeds(&two, &["rotate-key"], "");
    assert_ne!(std::fs::read(two.join("master.key")).unwrap(), before);
    assert_eq!(std::fs::read(two.join("master.key.old")).unwrap(), before);
    succeeds(&two, &["audit", "verify"], "");
    // A rotation that died before it put its key in place is finished by the next.
    std::fs::rename(two.join("master.key"), two.join("master.key.new")).unwrap();
    std::fs::rename(two.join("master.key.old"), two.join("master.key")).unwrap();
    assert!(fails(&two, &["audit", "verify"], "").contains("master key"));
    let said = succeeds(&two, &["rotate-key"], "");
    assert!(said.contains("in place now"), "{said}");
    succeeds(&two, &["audit", "verify"], "");
}
