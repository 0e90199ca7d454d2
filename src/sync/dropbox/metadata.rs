//! Dropbox's metadata of files and folders.

use opendal::raw::Timestamp;
use opendal::{Error, ErrorKind, Metadata, MetadataBuilder, Result};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct EntryMetadata {
    /// `file`, `folder` or `deleted`. Answers to uploads have no tag; they are about files.
    #[serde(rename = ".tag", default = "file")]
    pub tag: String,
    #[serde(default)]
    pub path_display: String,
    size: Option<u64>,
    pub content_hash: Option<String>,
    server_modified: Option<String>,
}

fn file() -> String {
    "file".into()
}

impl EntryMetadata {
    /// As OpenDAL's metadata, with the content hash as the ETag.
    pub fn metadata(&self) -> Result<Metadata> {
        if self.tag != "file" {
            return Ok(MetadataBuilder::dir().build());
        }
        let missing =
            |what| Error::new(ErrorKind::Unexpected, format!("Dropbox's metadata has no {what}")).set_temporary();
        let mut built = MetadataBuilder::file(self.size.ok_or_else(|| missing("size"))?);
        built.etag(self.content_hash.as_deref().ok_or_else(|| missing("content hash"))?);
        let modified = self.server_modified.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
        if let Some(modified) = modified {
            built.last_modified(modified);
        }
        Ok(built.build())
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub entries: Vec<EntryMetadata>,
    pub cursor: String,
    pub has_more: bool,
}
