//! A consistent copy of an SQLite database while it is in use, and putting one back.

use std::path::Path;

use sqlx::{AnyConnection, Connection as _, Row as _};

use crate::audit::{self, Verdict};
use crate::database::create_file;
use crate::{DatabaseSettings, Engine, Error, Result, Sealer, Store};

/// Writes a copy of the database to a new file, and checks the copy.
pub async fn backup(store: &Store, file: &Path) -> Result<()> {
    if store.engine() != Engine::Sqlite {
        return Err(Error::InvalidSettings(
            "this database is on PostgreSQL: make copies of it with pg_dump".to_owned(),
        ));
    }
    refuse_existing(file)?;
    // An empty file that only its owner can read is what the copy is written into.
    create_file(file).map_err(|source| failed(file, source))?;
    let written = write_copy(store, file).await;
    if written.is_err() {
        // A half copy must not be taken for a whole one.
        std::fs::remove_file(file).map_err(|source| failed(file, source))?;
    }
    written
}

async fn write_copy(store: &Store, file: &Path) -> Result<()> {
    let name = file.to_str().ok_or_else(|| {
        Error::InvalidSettings(format!("{} is not a name in UTF-8", file.display()))
    })?;
    let mut connection = store.read().await?;
    sqlx::query("vacuum into $1")
        .bind(name)
        .execute(&mut *connection)
        .await?;
    check_file(file).await
}

/// Checks that a copy is whole, that `sealer` has its key, and that its audit trail is unbroken;
/// brings it up to date on the way. Works on the copy itself: use it on a spare one.
pub async fn check(file: &Path, sealer: Sealer) -> Result<Verdict> {
    if !file.is_file() {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(failed(file, missing));
    }
    check_file(file).await?;
    let store = Store::open(&settings(file), sealer).await?;
    let verdict = async {
        store.migrate().await?;
        audit::verify(&store).await
    }
    .await;
    store.close().await;
    verdict
}

/// Puts a copy back as the database of `target`, which must not exist yet.
pub async fn restore(copy: &Path, target: &Path, sealer: Sealer) -> Result<Verdict> {
    refuse_existing(target)?;
    for side in ["-wal", "-shm"] {
        let mut name = target.as_os_str().to_owned();
        name.push(side);
        // A journal of another database would be played into this one.
        refuse_existing(Path::new(&name))?;
    }
    create_file(target).map_err(|source| failed(target, source))?;
    let restored = async {
        std::fs::copy(copy, target).map_err(|source| failed(copy, source))?;
        check(target, sealer).await
    }
    .await;
    if restored.is_err() {
        std::fs::remove_file(target).map_err(|source| failed(target, source))?;
    }
    restored
}

/// SQLite's own check of every page and index.
async fn check_file(file: &Path) -> Result<()> {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&settings(file).url).await?;
    let row = sqlx::query("pragma integrity_check(1)")
        .fetch_one(&mut connection)
        .await?;
    let said: String = row.try_get(0)?;
    connection.close().await?;
    if said != "ok" {
        return Err(Error::Damaged {
            path: file.display().to_string(),
            said,
        });
    }
    Ok(())
}

fn settings(file: &Path) -> DatabaseSettings {
    DatabaseSettings::new(format!("sqlite:{}", file.display()))
}

fn refuse_existing(file: &Path) -> Result<()> {
    if file.exists() {
        let exists = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(failed(file, exists));
    }
    Ok(())
}

fn failed(file: &Path, source: std::io::Error) -> Error {
    Error::File {
        path: file.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{AUTHOR, Database, NOW, sealer};
    use crate::{MasterKey, groups};
    use signpost_model::GroupId;
    use signpost_model::random::SeededRandom;

    async fn add_group(store: &Store, number: u128) {
        let new = groups::NewGroup {
            id: GroupId::from_number(number),
            name: format!("Group {number}"),
            description: String::new(),
        };
        let mut tx = store.write().await.unwrap();
        groups::create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_copy_made_in_use_comes_back_whole() {
        let database = Database::create(Engine::Sqlite).await;
        let folder = tempfile::tempdir().unwrap();
        let (copy, target) = (folder.path().join("copy.db"), folder.path().join("new.db"));
        add_group(&database.store, 1).await;
        let mut open = database.store.write().await.unwrap();
        sqlx::query("delete from groups")
            .execute(&mut *open)
            .await
            .unwrap();
        backup(&database.store, &copy).await.unwrap();
        drop(open);
        assert!(matches!(
            backup(&database.store, &copy).await,
            Err(Error::File { .. })
        ));
        let verdict = restore(&copy, &target, sealer()).await.unwrap();
        assert_eq!(verdict, Verdict::Whole { events: 1 });
        let restored = Store::open(&settings(&target), sealer()).await.unwrap();
        let mut connection = restored.read().await.unwrap();
        let found = groups::find(&mut connection, GroupId::from_number(1)).await;
        assert_eq!(found.unwrap().unwrap().name, "Group 1");
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_damaged_or_foreign_copy_is_refused_and_leaves_nothing() {
        let database = Database::create(Engine::Sqlite).await;
        let folder = tempfile::tempdir().unwrap();
        let (copy, target) = (folder.path().join("copy.db"), folder.path().join("new.db"));
        for number in 1..=50 {
            add_group(&database.store, number).await;
        }
        backup(&database.store, &copy).await.unwrap();
        let other = Sealer::new(&MasterKey::generate(&SeededRandom::new(9)));
        let foreign = restore(&copy, &target, other).await;
        assert!(matches!(foreign, Err(Error::WrongMasterKey { .. })));
        assert!(!target.exists());
        let mut bytes = std::fs::read(&copy).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 40_000].fill(0x5a);
        std::fs::write(&copy, bytes).unwrap();
        assert!(restore(&copy, &target, sealer()).await.is_err());
        assert!(!target.exists());
        assert!(
            restore(&folder.path().join("none.db"), &target, sealer())
                .await
                .is_err()
        );
        assert!(!target.exists());
    }
}
