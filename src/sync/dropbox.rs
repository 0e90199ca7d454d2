//! Dropbox as a service of OpenDAL.
//!
//! OpenDAL's own service sends a file in one request, which Dropbox caps at 150 MB and which needs all of it in memory;
//! it lists bare names without their folders, tells no content hash, keeps a token that Dropbox no longer takes, and
//! has its hosts built in. This one uploads in sessions, lists paths with content hashes, and renews its token.

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
use metadata::{Known, Page};
pub(super) use sessions::Sessions;
use write::Writer;

/// Most entries of one page of a listing; Dropbox allows 2,000.
const PAGE: usize = 2000;

/// The whole of an account's folder, or of an app's. What is cut off is noted in `sessions`, and gone on with from there.
pub(super) fn operator(access: Access, endpoint: &str, http: HttpTransporter, sessions: Arc<Sessions>) -> Operator {
    let service = Dropbox { account: Arc::new(Account::new(access, endpoint)), sessions };
    Operator::from_parts(OperationContext::new().with_http_transport(http), Arc::new(service))
}

/// `a/b/` as Dropbox wants it: `/a/b`, and nothing for the root.
fn api_path(path: &str) -> String {
    let path = path.trim_matches('/');
    if path.is_empty() { String::new() } else { format!("/{path}") }
}

fn at(path: &str) -> Value {
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
            // A folder goes with all that is in it, in one request.
            delete_with_recursive: true,
            list: true,
            list_with_recursive: true,
            shared: true,
            ..Capability::default()
        }
    }

    async fn create_dir(&self, ctx: &OperationContext, path: &str, _: OpCreateDir) -> Result<RpCreateDir> {
        let made = self.account.call::<Value>(ctx.http_transport(), "create_folder_v2", &at(path)).await;
        match made {
            Err(error) if error.kind() != ErrorKind::IsADirectory => Err(error),
            _ => Ok(RpCreateDir::default()),
        }
    }

    async fn stat(&self, ctx: &OperationContext, path: &str, _: OpStat) -> Result<RpStat> {
        let known: Known = self.account.call(ctx.http_transport(), "get_metadata", &at(path)).await?;
        Ok(RpStat::new(known.metadata()?))
    }

    fn read(&self, ctx: &OperationContext, path: &str, _: OpRead) -> Result<Self::Reader> {
        Ok(oio::StreamReader::new(Download { asked: self.asked(ctx, path) }))
    }

    fn write(&self, ctx: &OperationContext, path: &str, _: OpWrite) -> Result<Self::Writer> {
        Ok(Writer::new(self.account.clone(), ctx.http_transport().clone(), self.sessions.clone(), path))
    }

    fn delete(&self, ctx: &OperationContext) -> Result<Self::Deleter> {
        Ok(oio::OneShotDeleter::new(Deletion { asked: self.asked(ctx, "") }))
    }

    fn list(&self, ctx: &OperationContext, path: &str, args: OpList) -> Result<Self::Lister> {
        Ok(oio::PageLister::new(Listing { asked: self.asked(ctx, path), recursive: args.recursive() }))
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
    Error::new(ErrorKind::Unsupported, "nothing here copies, moves or signs")
}

impl Dropbox {
    fn asked(&self, ctx: &OperationContext, path: &str) -> Asked {
        Asked { account: self.account.clone(), http: ctx.http_transport().clone(), path: path.to_owned() }
    }
}

/// Whom to ask, and about what.
struct Asked {
    account: Arc<Account>,
    http: HttpTransporter,
    path: String,
}

struct Download {
    asked: Asked,
}

impl oio::StreamRead for Download {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let Asked { account, http, path } = &self.asked;
        let response: Response<HttpBody> = account.download(http, &at(path), range).await?;
        let metadata: Metadata = parse_into_metadata(path, response.headers())?;
        Ok((RpRead::new(metadata), Box::new(response.into_body())))
    }
}

struct Deletion {
    asked: Asked,
}

impl oio::OneShotDelete for Deletion {
    async fn delete_once(&self, path: String, _: OpDelete) -> Result<()> {
        let Asked { account, http, .. } = &self.asked;
        match account.call::<Value>(http, "delete_v2", &at(&path)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

struct Listing {
    asked: Asked,
    recursive: bool,
}

impl oio::PageList for Listing {
    async fn next_page(&self, ctx: &mut oio::PageContext) -> Result<()> {
        let Asked { account, http, path } = &self.asked;
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
        for known in &page.entries {
            let metadata = known.metadata()?;
            // Dropbox knows no upper and lower case: above the folder that was asked for, its own spelling may be another.
            let Some(below) = known.path_display.get(top..).map(|below| below.trim_start_matches('/')) else {
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
