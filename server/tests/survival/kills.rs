//! SIGKILL at a chosen instant of a run, without a hook in the program: the tenant holds a call, or
//! the test holds the database.

use serde_json::json;
use signpost_store::testing::block_runs;

use crate::processes::Process;
use crate::world::World;

/// Where in a run the process is killed; calls count from one, the token's too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// The call has arrived and is not carried out.
    Before(u64),
    /// The call was carried out, and no answer comes.
    Unanswered(u64),
    /// An answer has come, and nothing can be recorded.
    Unrecorded(u64),
    /// As [`Point::Before`], and whoever releases the fault lets the call be carried out late.
    Late(u64),
    /// The database has been asked so often.
    Statement(usize),
}

/// Which command is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Sync,
    Worker,
    Portal,
}

impl Victim {
    async fn start(self, world: &World, log: &str) -> Process {
        match self {
            Self::Sync => world.start_sync(log),
            Self::Worker => {
                world.queue().await;
                world.start_worker(log)
            }
            Self::Portal => {
                world.queue().await;
                world.start_portal(log).0
            }
        }
    }
}

/// What is left of a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Killed {
    /// At the point.
    There,
    /// The run has no such point: it ended before.
    Nowhere,
}

/// Starts the victim and kills it at the point.
pub(crate) async fn kill_at(world: &World, victim: Victim, point: Point) -> Killed {
    match point {
        Point::Before(call) => at_call(world, victim, call, false, false).await,
        Point::Late(call) => at_call(world, victim, call, false, true).await,
        Point::Unanswered(call) => at_call(world, victim, call, true, false).await,
        Point::Unrecorded(call) => unrecorded(world, victim, call).await,
        Point::Statement(number) => {
            let mut process = victim.start(world, "warn,sqlx::query=debug").await;
            if !process.says("db.statement=", number).await {
                process.succeeds().await;
                return Killed::Nowhere;
            }
            process.kill().await;
            Killed::There
        }
    }
}

/// A fault that holds the nth call of those to come.
pub(crate) async fn hold(world: &World, call: u64, after: bool) -> u64 {
    let fault = json!({
        "within": "single", "skip": call - 1, "once": true, "hold": true, "after": after,
    });
    world.tenant.fault(fault).await
}

/// Waits until the process meets the fault; `false` when it ended well before.
pub(crate) async fn meets(world: &World, fault: u64, process: &mut Process) -> bool {
    tokio::select! {
        () = world.tenant.happened(fault) => true,
        status = process.ends() => {
            assert!(status.success(), "{}", process.tail());
            world.tenant.calm().await;
            false
        }
    }
}

async fn at_call(world: &World, victim: Victim, call: u64, after: bool, late: bool) -> Killed {
    let fault = hold(world, call, after).await;
    let mut process = victim.start(world, "warn").await;
    if !meets(world, fault, &mut process).await {
        return Killed::Nowhere;
    }
    process.kill().await;
    if !late {
        world.tenant.calm().await;
    }
    Killed::There
}

async fn unrecorded(world: &World, victim: Victim, call: u64) -> Killed {
    let fault = hold(world, call, true).await;
    let mut process = victim.start(world, "warn,signpost_graph=debug").await;
    if !meets(world, fault, &mut process).await {
        return Killed::Nowhere;
    }
    let blocked = block_runs(&world.store).await;
    let called = |line: &&String| line.contains("called Graph");
    let before = process.said().iter().filter(called).count();
    world.tenant.release(fault).await;
    assert!(process.says("called Graph", before + 1).await);
    process.kill().await;
    drop(blocked);
    world.tenant.calm().await;
    Killed::There
}
