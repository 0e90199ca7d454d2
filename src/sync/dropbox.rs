//! Dropbox as a service of OpenDAL.
//!
//! OpenDAL's own service sends a file in one request, which Dropbox limits to 150 MB and which needs all of it in memory.
//! It lists names without their folders and without content hashes, does not renew an expired token, and has fixed hosts.
//! This one uploads in sessions, lists paths with content hashes, and renews its token.

mod account;
mod hash;
mod metadata;
mod refusal;
mod sessions;
mod write;

use std::fmt;
use std::sync::Arc;

use http::Response;
use opendal::raw::*;
use opendal::{
    BytesRange, Capability, Error, ErrorKind, HttpBody, HttpTransporter, Metadata, OperationContext, Operator, Result,
};
use serde_json::{Value, json};

pub(super) use account::Access;
use account::Account;
pub(super) use hash::ContentHash;
use metadata::{EntryMetadata, Page};
pub(super) use sessions::Sessions;
use write::Writer;

/// Entries per page of a listing; Dropbox allows up to 2,000.
const PAGE: usize = 2000;

/// An operator for the whole folder of the account or app. Uploads in progress are recorded in `sessions`, and resumed from
/// there.
pub(super) fn operator(access: Access, endpoint: &str, http: HttpTransporter, sessions: Arc<Sessions>) -> Operator {
    let service = Dropbox { account: Arc::new(Account::new(access, endpoint)), sessions };
    Operator::from_parts(OperationContext::new().with_http_transport(http), Arc::new(service))
}

/// A path in Dropbox's form: `/a/b` for `a/b/`, and an empty one for the root.
fn api_path(path: &str) -> String {
    let path = path.trim_matches('/');
    if path.is_empty() { String::new() } else { format!("/{path}") }
}

/// The arguments of a call that takes only a path.
fn path_argument(path: &str) -> Value {
    json!({ "path": api_path(path) })
}

#[derive(Clone)]
struct Dropbox {
    account: Arc<Account>,
    sessions: Arc<Sessions>,
}

impl fmt::Debug for Dropbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dropbox")
    }
}

impl Service for Dropbox {
    type Reader = oio::StreamReader<Download>;
    type Writer = Writer;
    type Lister = oio::PageLister<Listing>;
    type Deleter = oio::OneShotDeleter<Deletion>;
    type Copier = ();
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        ServiceInfo::new("dropbox", "/", "")
    }

    fn capability(&self) -> Capability {
        Capability {
            stat: true,
            read: true,
            write: true,
            write_can_empty: true,
            write_can_multi: true,
            create_dir: true,
            delete: true,
            // One request deletes a folder with its content.
            delete_with_recursive: true,
            list: true,
            list_with_recursive: true,
            shared: true,
            ..Capability::default()
        }
    }

    async fn create_dir(&self, ctx: &OperationContext, path: &str, _: OpCreateDir) -> Result<RpCreateDir> {
        let created = self.account.call::<Value>(ctx.http_transport(), "create_folder_v2", &path_argument(path)).await;
        match created {
            Err(error) if error.kind() != ErrorKind::IsADirectory => Err(error),
            _ => Ok(RpCreateDir::default()),
        }
    }

    async fn stat(&self, ctx: &OperationContext, path: &str, _: OpStat) -> Result<RpStat> {
        let entry: EntryMetadata =
            self.account.call(ctx.http_transport(), "get_metadata", &path_argument(path)).await?;
        Ok(RpStat::new(entry.metadata()?))
    }

    fn read(&self, ctx: &OperationContext, path: &str, _: OpRead) -> Result<Self::Reader> {
        Ok(oio::StreamReader::new(Download { target: self.target(ctx, path) }))
    }

    fn write(&self, ctx: &OperationContext, path: &str, _: OpWrite) -> Result<Self::Writer> {
        Ok(Writer::new(self.account.clone(), ctx.http_transport().clone(), self.sessions.clone(), path))
    }

    fn delete(&self, ctx: &OperationContext) -> Result<Self::Deleter> {
        Ok(oio::OneShotDeleter::new(Deletion { target: self.target(ctx, "") }))
    }

    fn list(&self, ctx: &OperationContext, path: &str, args: OpList) -> Result<Self::Lister> {
        Ok(oio::PageLister::new(Listing { target: self.target(ctx, path), recursive: args.recursive() }))
    }

    fn copy(&self, _: &OperationContext, _: &str, _: &str, _: OpCopy) -> Result<Self::Copier> {
        Err(unsupported())
    }

    async fn rename(&self, _: &OperationContext, _: &str, _: &str, _: OpRename) -> Result<RpRename> {
        Err(unsupported())
    }

    async fn presign(&self, _: &OperationContext, _: &str, _: OpPresign) -> Result<RpPresign> {
        Err(unsupported())
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "copy, rename and presign are not implemented for Dropbox")
}

impl Dropbox {
    fn target(&self, ctx: &OperationContext, path: &str) -> Target {
        Target { account: self.account.clone(), http: ctx.http_transport().clone(), path: path.to_owned() }
    }
}

/// The account and path of a request.
struct Target {
    account: Arc<Account>,
    http: HttpTransporter,
    path: String,
}

struct Download {
    target: Target,
}

impl oio::StreamRead for Download {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let Target { account, http, path } = &self.target;
        let response: Response<HttpBody> = account.download(http, &path_argument(path), range).await?;
        let metadata: Metadata = parse_into_metadata(path, response.headers())?;
        Ok((RpRead::new(metadata), Box::new(response.into_body())))
    }
}

struct Deletion {
    target: Target,
}

impl oio::OneShotDelete for Deletion {
    async fn delete_once(&self, path: String, _: OpDelete) -> Result<()> {
        let Target { account, http, .. } = &self.target;
        match account.call::<Value>(http, "delete_v2", &path_argument(&path)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

struct Listing {
    target: Target,
    recursive: bool,
}

impl oio::PageList for Listing {
    async fn next_page(&self, ctx: &mut oio::PageContext) -> Result<()> {
        let Target { account, http, path } = &self.target;
        let answer = if ctx.token.is_empty() {
            let arguments = json!({ "path": api_path(path), "recursive": self.recursive, "limit": PAGE });
            account.call::<Page>(http, "list_folder", &arguments).await
        } else {
            account.call::<Page>(http, "list_folder/continue", &json!({ "cursor": ctx.token })).await
        };
        let page = match answer {
            Ok(page) => page,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                ctx.done = true;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let (top, path) = (api_path(path).len(), path.trim_start_matches('/'));
        for entry in &page.entries {
            let metadata = entry.metadata()?;
            // Dropbox ignores case: it may spell the listed folder and those above it differently.
            let Some(below) = entry.path_display.get(top..).map(|below| below.trim_start_matches('/')) else {
                continue;
            };
            if below.is_empty() {
                continue;
            }
            let slash = if metadata.is_dir() { "/" } else { "" };
            ctx.entries.push_back(oio::Entry::with(format!("{path}{below}{slash}"), metadata));
        }
        ctx.token = page.cursor;
        ctx.done = !page.has_more;
        Ok(())
    }
}
