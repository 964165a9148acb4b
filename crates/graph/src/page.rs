//! Lists that come in pages, and deltas that end in a link for next time.

use futures::StreamExt;
use futures::stream::BoxStream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::request::Request;

/// Pages as they arrive; the stream ends after the first error.
pub type Pages<T> = BoxStream<'static, Result<Vec<T>, Error>>;

/// Pages of a delta; the last one carries the link for next time.
pub type DeltaPages<T> = BoxStream<'static, Result<DeltaPage<T>, Error>>;

/// One page of a delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaPage<T> {
    /// Entries in the order Graph gave them; the same object may come again, the last entry holds.
    pub changes: Vec<T>,
    /// On the last page: where the next round starts.
    pub link: Option<DeltaLink>,
}

/// Where a round of a delta starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeltaStart {
    /// From now on: no entries, only a link.
    Latest,
    /// Everything there is, then a link.
    Beginning,
    /// Where an earlier round ended.
    Link(DeltaLink),
}

/// Graph's link to the next round of a delta. Opaque; lives about seven days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeltaLink(String);

impl DeltaLink {
    /// A link that was stored; it is followed only if it leads to this client's Graph.
    pub fn from_stored(link: impl Into<String>) -> Self {
        Self(link.into())
    }

    /// The link, for storing.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A page as Graph sends it.
#[derive(Deserialize)]
pub(crate) struct RawPage<T> {
    pub(crate) value: Vec<T>,
    #[serde(rename = "@odata.nextLink", default)]
    pub(crate) next: Option<String>,
    #[serde(rename = "@odata.deltaLink", default)]
    delta: Option<String>,
}

impl Client {
    /// Reads a list to its end.
    pub(crate) fn pages<T>(&self, first: Request) -> Pages<T>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.raw_pages(first)
            .map(|page| page.map(|page| page.value))
            .boxed()
    }

    /// Reads a delta to its link.
    pub(crate) fn delta_pages<T>(&self, first: Request) -> DeltaPages<T>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let page = |page: RawPage<T>| DeltaPage {
            changes: page.value,
            link: page.delta.map(DeltaLink),
        };
        self.raw_pages(first)
            .map(move |result| result.map(page))
            .boxed()
    }

    /// Reads a whole list whose length is bounded by its nature.
    pub(crate) async fn list<T>(&self, first: Request) -> Result<Vec<T>, Error>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let mut pages = self.pages(first);
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            all.extend(page?);
        }
        Ok(all)
    }

    fn raw_pages<T>(&self, first: Request) -> BoxStream<'static, Result<RawPage<T>, Error>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let client = self.clone();
        let is_delta = first.route().template.ends_with("/delta");
        async_stream::try_stream! {
            let mut request = first;
            loop {
                let (mut page, call) = client.read_call::<RawPage<T>>(&request).await?;
                let next = page.next.take();
                let broken = match &next {
                    // A page that names itself as the next one would never end.
                    Some(next) if next == request.path() => Some("the page follows itself"),
                    None if is_delta && page.delta.is_none() => Some("neither next nor delta link"),
                    _ => None,
                };
                if let Some(problem) = broken {
                    let kind = ErrorKind::Decode {
                        path: "@odata.nextLink".to_owned(),
                        problem: problem.to_owned(),
                    };
                    Err(Error::new(kind, call, None))?;
                }
                yield page;
                match next {
                    Some(link) => request = request.follow(link),
                    None => break,
                }
            }
        }
        .boxed()
    }
}
