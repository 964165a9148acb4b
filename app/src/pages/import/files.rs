//! Files to take away: the sample, and the rows that were refused.

use std::collections::BTreeMap;

use async_stream::stream;
use axum::Extension;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use signpost_import::{ReadError, Reader, SAMPLE};
use signpost_model::ImportId;
use signpost_store::imports::{self, RowOutcome, find_piece};
use signpost_store::{PageRequest, Store};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::work::Pieces;
use crate::error::PortalError;
use crate::forms::internal;
use crate::portal::Portal;

/// Refused rows that are looked up at a time.
const CHUNK: u32 = 200;

const CSV: &str = "text/csv; charset=utf-8";

/// The sample of 200 people.
pub async fn sample() -> Response {
    let name = "attachment; filename=\"people-200.csv\"";
    ([(CONTENT_TYPE, CSV), (CONTENT_DISPOSITION, name)], SAMPLE).into_response()
}

/// The refused rows as they stand in the file, with one more column: why.
pub async fn problems(
    Path(id): Path<String>,
    Extension(portal): Extension<Portal>,
) -> Result<Response, StatusCode> {
    let id: ImportId = id.parse().map_err(|_| StatusCode::NOT_FOUND)?;
    let found = async {
        let mut read = portal.store.read().await?;
        let first = find_piece(&mut read, id, 0).await?;
        Ok::<_, signpost_store::Error>(first.is_some())
    };
    match found.await {
        Ok(true) => {}
        Ok(false) => return Err(StatusCode::NOT_FOUND),
        Err(error) => return Err(PortalError::from(error).status()),
    }
    let (to_reader, pieces) = channel(2);
    let (to_page, mut lines) = channel(2);
    let (to_filter, reasons) = channel(2);
    tokio::spawn(feed_pieces(portal.store.clone(), id, to_reader));
    tokio::spawn(feed_reasons(portal.store.clone(), id, to_filter));
    tokio::task::spawn_blocking(move || match write_lines(pieces, reasons, &to_page) {
        Ok(()) => {}
        Err(error) => drop(internal(&error)),
    });
    let body = Body::from_stream(stream! {
        while let Some(line) = lines.recv().await {
            yield Ok::<String, std::convert::Infallible>(line);
        }
    });
    let name = "attachment; filename=\"refused-rows.csv\"";
    Ok(([(CONTENT_TYPE, CSV), (CONTENT_DISPOSITION, name)], body).into_response())
}

async fn feed_pieces(store: Store, id: ImportId, to_reader: Sender<Vec<u8>>) {
    for number in 0.. {
        let piece = async { find_piece(&mut *store.read().await?, id, number).await }.await;
        match piece {
            Ok(Some(piece)) => {
                if to_reader.send(piece).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return drop(internal(&error)),
        }
    }
}

/// Lines and reasons of the refused rows, in the order of the file.
async fn feed_reasons(store: Store, id: ImportId, to_filter: Sender<BTreeMap<u64, String>>) {
    let mut request = PageRequest::first(CHUNK);
    loop {
        let refused = Some(RowOutcome::Refused);
        let page = async {
            imports::list_rows(&mut *store.read().await?, id, refused, "", &request).await
        };
        let page = match page.await {
            Ok(page) => page,
            Err(error) => return drop(internal(&error)),
        };
        let reasons = page
            .items
            .into_iter()
            .filter_map(|row| Some((u64::try_from(row.line).ok()?, row.reasons.join(" "))))
            .collect();
        if to_filter.send(reasons).await.is_err() {
            return;
        }
        match page.next {
            Some(next) => request = PageRequest::at(CHUNK, next),
            None => return,
        }
    }
}

fn write_lines(
    pieces: Receiver<Vec<u8>>,
    mut reasons: Receiver<BTreeMap<u64, String>>,
    to_page: &Sender<String>,
) -> Result<(), ReadError> {
    let reader = Reader::new(Pieces::new(pieces))?;
    let width = reader.header().fields().count();
    let header = line(reader.header().fields(), width, "Problem");
    // Spreadsheets take a file for UTF-8 only when it says so.
    if to_page.blocking_send(format!("\u{FEFF}{header}")).is_err() {
        return Ok(());
    }
    let mut refused = reasons.blocking_recv().unwrap_or_default();
    for row in reader {
        let row = row?;
        if refused.is_empty() {
            match reasons.blocking_recv() {
                Some(more) => refused = more,
                None => return Ok(()),
            }
        }
        let Some(reason) = refused.remove(&row.line()) else {
            continue;
        };
        let line = line(row.fields(), width, &reason);
        if to_page.blocking_send(line).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The fields, filled up to the width of the heading row, and one more.
fn line<'a>(fields: impl Iterator<Item = &'a str>, width: usize, last: &str) -> String {
    let mut quoted: Vec<String> = fields.map(quote).collect();
    while quoted.len() < width {
        quoted.push(quote(""));
    }
    quoted.push(quote(last));
    format!("{}\r\n", quoted.join(","))
}

/// As it stands in the person's own file: it is to be imported again.
fn quote(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_reason_stands_in_a_column_of_its_own_however_short_the_row() {
        let fields = ["a\"b", "c"];
        assert_eq!(
            line(fields.into_iter(), 3, "Why."),
            "\"a\"\"b\",\"c\",\"\",\"Why.\"\r\n"
        );
    }
}
