//! The tenant's file: read on start, written whole and atomically after changes.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::practice::PracticeTenant;
use crate::tenant::Tenant;

/// Changes are gathered this long before the file is written.
const GATHER: Duration = Duration::from_secs(1);

/// Reads a tenant; a missing or unreadable file means a fresh one.
pub(crate) fn load(path: &Path) -> Option<Tenant> {
    let bytes = std::fs::read(path).ok()?;
    match serde_json::from_slice::<Tenant>(&bytes) {
        Ok(mut tenant) => {
            tenant.rebuild();
            Some(tenant)
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the practice tenant's file is not readable; starting a fresh tenant");
            None
        }
    }
}

impl PracticeTenant {
    /// Writes the tenant's file now, if it has one.
    pub fn save(&self) -> std::io::Result<()> {
        let Some(path) = self.options.state_file.as_deref() else {
            return Ok(());
        };
        let bytes = serde_json::to_vec(&*self.tenant()).map_err(std::io::Error::other)?;
        let draft = path.with_extension("draft");
        let mut file = std::fs::File::create(&draft)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    }

    /// Writes the file after changes, for as long as it is polled.
    pub(crate) async fn keep_saved(self: std::sync::Arc<Self>) {
        if self.options.state_file.is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(GATHER).await;
            if !self.take_changed() {
                continue;
            }
            let practice = std::sync::Arc::clone(&self);
            let saved = tokio::task::spawn_blocking(move || practice.save()).await;
            if let Ok(Err(error)) = saved {
                tracing::warn!(%error, "the practice tenant could not be saved");
            }
        }
    }
}
