//! Reading, checking and applying, behind the page: in bounded memory, whatever the file.

use std::io::{self, Read};

use signpost_import::{
    Column, Defaults, ImportedUser, Mapping, ReadError, Reader, Row, RowProblem, UserNames,
    check_row,
};
use signpost_model::{Attribute, Author, ImportId, Profile};
use signpost_store::imports::{
    self, ImportState, RefusedRow, Reporter, RowInput, StagedRow, find_piece,
};
use signpost_store::{Error, Store};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::details::Details;
use crate::forms::internal;
use crate::portal::Portal;

/// Rows that are staged at once.
const BATCH: usize = 500;

/// Why a check ended early.
#[derive(Debug, thiserror::Error)]
enum Interruption {
    #[error("the file cannot be read")]
    File(#[from] ReadError),
    #[error("the store failed")]
    Store(#[from] Error),
    #[error("the reader of rows stopped")]
    Stopped,
}

/// Reads and checks the file of an import; the page follows its progress.
pub(super) fn start_check(portal: &Portal, id: ImportId, details: Details) {
    // Before anything else: the page that comes next shows progress.
    let mut reporter = Reporter::begin(&portal.store, id, details.bytes);
    let portal = portal.clone();
    tokio::spawn(async move {
        let problem = match check(&portal, id, details.mapping(), &mut reporter).await {
            // Discarded meanwhile: nobody waits for it.
            Ok(()) | Err(Interruption::Store(Error::Stale(_))) => None,
            Err(Interruption::File(error)) => Some(error.to_string()),
            Err(error) => Some(failed(&error)),
        };
        if let Some(problem) = problem {
            note_problem(&portal.store, id, details, problem).await;
        }
        // Last: once nothing is under way, the page shows how it ended.
        if let Err(error) = reporter.end().await {
            internal(&error);
        }
    });
}

async fn check(
    portal: &Portal,
    id: ImportId,
    mapping: Vec<Mapping>,
    reporter: &mut Reporter,
) -> Result<(), Interruption> {
    let (to_reader, pieces) = channel(2);
    let (to_stage, batches) = channel(2);
    let reading = tokio::task::spawn_blocking(move || read_rows(pieces, &mapping, &to_stage));
    tokio::try_join!(
        feed(&portal.store, id, to_reader, reporter),
        stage(portal, id, batches),
    )?;
    reading.await.map_err(|_| Interruption::Stopped)??;
    let now = portal.clock.now();
    imports::check(&portal.store, id, portal.random.as_ref(), now).await?;
    Ok(())
}

/// Hands the pieces of the file to the reader.
async fn feed(
    store: &Store,
    id: ImportId,
    to_reader: Sender<Vec<u8>>,
    reporter: &mut Reporter,
) -> Result<(), Interruption> {
    for number in 0.. {
        let piece = find_piece(&mut *store.read().await?, id, number).await?;
        let Some(piece) = piece else { break };
        let length = i64::try_from(piece.len()).unwrap_or(0);
        if to_reader.send(piece).await.is_err() {
            // The reader has ended: with an error, which it tells itself.
            break;
        }
        reporter.advance(length).await?;
    }
    Ok(())
}

async fn stage(
    portal: &Portal,
    id: ImportId,
    mut batches: Receiver<Vec<StagedRow>>,
) -> Result<(), Interruption> {
    while let Some(rows) = batches.recv().await {
        let mut tx = portal.store.write().await?;
        let now = portal.clock.now();
        imports::stage(&mut tx, id, &rows, portal.random.as_ref(), now).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Makes rows of pieces, on a thread of its own: reading is work, not waiting.
fn read_rows(
    pieces: Receiver<Vec<u8>>,
    mapping: &[Mapping],
    to_stage: &Sender<Vec<StagedRow>>,
) -> Result<(), Interruption> {
    let mut names = UserNames::default();
    let mut batch = Vec::with_capacity(BATCH);
    for row in Reader::new(Pieces::new(pieces))? {
        batch.push(staged(&row?, mapping, &mut names));
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            to_stage
                .blocking_send(full)
                .map_err(|_| Interruption::Stopped)?;
        }
    }
    to_stage
        .blocking_send(batch)
        .map_err(|_| Interruption::Stopped)
}

fn staged(row: &Row, mapping: &[Mapping], names: &mut UserNames) -> StagedRow {
    let checked = check_row(mapping, row, &Defaults::default()).and_then(|user| {
        names.insert(&user).map_err(|problem| vec![problem])?;
        Ok(user)
    });
    let (user_name, display_name) = match &checked {
        Ok(user) => {
            let mut profile = Profile::default();
            user.apply_to(&mut profile);
            (profile.user_name, profile.display_name)
        }
        Err(_) => (
            field(row, mapping, Attribute::UserName),
            field(row, mapping, Attribute::DisplayName),
        ),
    };
    StagedRow {
        line: i64::try_from(row.line()).unwrap_or(i64::MAX),
        user_name,
        display_name,
        input: checked.map(input).map_err(|problems| RefusedRow {
            reasons: problems.iter().map(reason).collect(),
            original: Vec::new(),
        }),
    }
}

/// What a refused row has for an attribute, as far as it fits.
fn field(row: &Row, mapping: &[Mapping], attribute: Attribute) -> String {
    let meaning = Some(Column::Attribute(attribute));
    let index = mapping
        .iter()
        .find(|m| m.column == meaning)
        .map(|m| m.index);
    let text = index.and_then(|index| row.field(index)).unwrap_or_default();
    text.trim().chars().take(attribute.max_length()).collect()
}

fn input(user: ImportedUser) -> RowInput {
    RowInput {
        values: user.values,
        fallbacks: user.fallbacks,
        manager: user.manager,
        enabled: user.enabled,
        groups: user.groups,
    }
}

/// The sentence without its line, which has a column of its own.
fn reason(problem: &RowProblem) -> String {
    let text = problem.to_string();
    let words = text
        .split_once(": ")
        .map_or(text.as_str(), |(_, words)| words);
    let mut letters = words.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Applies a checked import; the page follows its progress.
pub(super) fn start_apply(portal: &Portal, id: ImportId, details: Details, author: Author) {
    let reporter = Reporter::begin(&portal.store, id, 0);
    let portal = portal.clone();
    tokio::spawn(async move {
        let now = portal.clock.now();
        let problem = match imports::apply(&portal.store, id, &author, now).await {
            Ok(_) => {
                portal.worker.notify_one();
                None
            }
            Err(Error::Stale(_)) => Some(
                "The directory changed since the check. Check again to see what would happen now."
                    .to_owned(),
            ),
            Err(error) => Some(failed(&error)),
        };
        if let Some(problem) = problem {
            note_problem(&portal.store, id, details, problem).await;
        }
        drop(reporter);
    });
}

fn failed(error: &(dyn std::error::Error + 'static)) -> String {
    internal(error);
    "Something failed on our side; the log of the server says what. Nothing was imported. Try again."
        .to_owned()
}

/// Keeps the problem for the page. An import that has ended has none.
async fn note_problem(store: &Store, id: ImportId, details: Details, problem: String) {
    let details = Details {
        problem: Some(problem),
        ..details
    };
    let work = async {
        let mut tx = store.write().await?;
        let open = imports::find(&mut tx, id).await?.is_some_and(|import| {
            matches!(import.state, ImportState::Reading | ImportState::Checked)
        });
        if open {
            imports::describe(&mut tx, id, &details.to_json()).await?;
            tx.commit().await?;
        }
        Ok::<_, Error>(())
    };
    if let Err(error) = work.await {
        internal(&error);
    }
}

/// The pieces of a file as one source of bytes.
pub(super) struct Pieces {
    pieces: Receiver<Vec<u8>>,
    current: Vec<u8>,
    taken: usize,
}

impl Pieces {
    /// What comes through the channel, to its end.
    pub(super) const fn new(pieces: Receiver<Vec<u8>>) -> Self {
        Self {
            pieces,
            current: Vec::new(),
            taken: 0,
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.current.len() {
            match self.pieces.blocking_recv() {
                Some(piece) => (self.current, self.taken) = (piece, 0),
                None => return Ok(0),
            }
        }
        let rest = self.current.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(into.len());
        for (to, from) in into.iter_mut().zip(rest) {
            *to = *from;
        }
        self.taken += count;
        Ok(count)
    }
}
