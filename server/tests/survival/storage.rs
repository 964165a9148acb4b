//! What our own storage may do: lose power, be locked, drop its connections, be full.

use std::path::{Path, PathBuf};

use serde_json::json;
use signpost_model::run::{Run, RunState};
use signpost_store::Engine;
use signpost_store::testing::{block_runs, drop_connections};
use tokio::process::Command;

use crate::killing::{assert_as_calm, calm};
use crate::kills::hold;
use crate::processes::{Process, free_address};
use crate::world::{World, until};

/// Fewer people: the same statements, sooner.
pub(crate) const FEW: u128 = 40;

/// The plug is pulled while a call is under way: writes that were not forced to the disk are gone.
pub(crate) async fn power_cut(call: u64) {
    let what = format!("power cut at call {call}");
    let mut world = World::begin(Engine::Sqlite, FEW).await;
    let library = build_shim(world.data.path()).await;
    let file = world.close().await;
    let (wal, shared) = (beside(&file, "-wal"), beside(&file, "-shm"));
    std::fs::copy(&file, beside(&file, ".synced")).unwrap();
    let fault = hold(&world, call, true).await;
    let process = world.start_sync_with(&[("LD_PRELOAD", library.as_str())]);
    world.tenant.happened(fault).await;
    process.kill().await;
    world.tenant.calm().await;
    std::fs::rename(beside(&file, ".synced"), &file).unwrap();
    let _ = std::fs::remove_file(&shared);
    if std::fs::rename(beside(&wal, ".synced"), &wal).is_err() {
        let _ = std::fs::remove_file(&wal);
    }
    world.reopen().await;
    let expected = calm(Engine::Sqlite, FEW).await.arrived;
    assert_as_calm(&world, &expected, &what).await;
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

async fn build_shim(folder: &Path) -> String {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/survival/powercut.c");
    let library = folder.join("powercut.so").display().to_string();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o", &library, source, "-ldl"])
        .status()
        .await;
    assert!(built.unwrap().success(), "a C compiler builds the shim");
    library
}

/// Whoever was at work when it happened ends its run without help, as if nothing had been.
async fn goes_on(world: &World, run: &Run, process: Process, what: &str) {
    let over = until(world, run, RunState::is_over).await;
    assert_eq!(over.state, RunState::Succeeded, "{what}: {over:#?}");
    let said = process.said();
    assert!(said.iter().all(|line| !line.contains("panicked")), "{what}");
    process.kill().await;
    let expected = calm(world.store.engine(), FEW).await.arrived;
    assert_as_calm(world, &expected, what).await;
}

/// Somebody holds the database until the worker complains; afterwards it goes on by itself.
pub(crate) async fn locked() {
    let world = World::begin(Engine::Sqlite, FEW).await;
    let hold = json!({"hold": true, "once": true, "skip": 1});
    let fault = world.tenant.fault_on("POST /$batch", hold).await;
    let run = world.queue().await;
    let mut worker = world.start_worker("warn");
    world.tenant.happened(fault).await;
    let blocked = block_runs(&world.store).await;
    world.tenant.release(fault).await;
    assert!(
        worker.says("the database is busy", 1).await,
        "{}",
        worker.tail()
    );
    drop(blocked);
    goes_on(&world, &run, worker, "locked database").await;
}

/// The database drops every connection in the middle, as it does when it restarts.
pub(crate) async fn restarted(batch: u64) {
    let what = format!("database restarted at batch {batch}");
    let world = World::begin(Engine::Postgres, FEW).await;
    let hold = json!({"hold": true, "once": true, "skip": batch, "after": true});
    let fault = world.tenant.fault_on("POST /$batch", hold).await;
    let run = world.queue().await;
    let worker = world.start_worker("warn");
    world.tenant.happened(fault).await;
    // Whoever holds a lock when the server stops loses it.
    drop_connections(&world.store).await;
    world.tenant.release(fault).await;
    goes_on(&world, &run, worker, &what).await;
}

/// The disk is full in the middle: the portal says so, and goes on when there is room again.
pub(crate) async fn disk_full(batch: u64) {
    let what = format!("disk full at batch {batch}");
    let world = World::begin(Engine::Sqlite, FEW).await;
    let hold = json!({"hold": true, "once": true, "skip": batch, "after": true});
    let fault = world.tenant.fault_on("POST /$batch", hold).await;
    let run = world.queue().await;
    let address = free_address();
    let mut portal = Process::start_deaf_to_xfsz(&world.portal_arguments(address, "warn"));
    world.tenant.happened(fault).await;
    // No file may grow any more, as on a full disk.
    portal.limit("fsize", "1:unlimited").await;
    world.tenant.release(fault).await;
    assert!(portal.says("run interrupted", 1).await, "{}", portal.tail());
    let url = format!("http://{address}");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready = http.get(format!("{url}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 503, "{what}");
    portal.answers(&format!("{url}/healthz")).await;
    portal.limit("fsize", "unlimited").await;
    portal.answers(&format!("{url}/readyz")).await;
    goes_on(&world, &run, portal, &what).await;
}
