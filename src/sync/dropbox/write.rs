//! Uploading a file: in one request where it comes in one piece, else in an upload session.

use std::sync::Arc;

use http::StatusCode;
use opendal::raw::oio;
use opendal::{Buffer, Error, ErrorKind, HttpTransporter, Metadata, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{Account, parsed};
use super::api_path;
use super::hash::ContentHash;
use super::metadata::Known;
use super::refusal::{correct_offset, refusal};

/// A file under way. Nothing of it is visible before the last request, which makes all of it visible at once.
///
/// Every request can be made again after any failure: Dropbox checks each piece against its hash and each part against
/// its offset, and tells when an answer that was lost had been a success.
pub(in crate::sync) struct Writer {
    account: Arc<Account>,
    http: HttpTransporter,
    path: String,
    /// The newest piece: it goes with the last request, or before the next piece.
    held: Option<Buffer>,
    session: Option<Session>,
    hash: ContentHash,
}

struct Session {
    id: String,
    offset: u64,
}

#[derive(Deserialize)]
struct Started {
    session_id: String,
}

impl Writer {
    pub fn new(account: Arc<Account>, http: HttpTransporter, path: &str) -> Self {
        Self { account, http, path: api_path(path), held: None, session: None, hash: ContentHash::default() }
    }

    async fn send(&self, endpoint: &'static str, arguments: &Value, body: Buffer) -> Result<(StatusCode, Buffer)> {
        self.account.send(&self.http, endpoint, arguments, body).await
    }

    /// Puts the held piece into the session, which begins with the first.
    async fn pass_on(&mut self, piece: &Buffer) -> Result<()> {
        let content_hash = ContentHash::of(piece.clone());
        let Some(session) = &self.session else {
            const START: &str = "upload_session/start";
            let (status, body) = self.send(START, &json!({ "content_hash": content_hash }), piece.clone()).await?;
            if status != StatusCode::OK {
                return Err(refusal(START, status, &body.to_bytes()));
            }
            let id = parsed::<Started>(START, body)?.session_id;
            self.session = Some(Session { id, offset: piece.len() as u64 });
            return Ok(());
        };
        const APPEND: &str = "upload_session/append_v2";
        let reached = session.offset + piece.len() as u64;
        let arguments = json!({ "cursor": session.cursor(), "content_hash": content_hash });
        let (status, body) = self.send(APPEND, &arguments, piece.clone()).await?;
        let body = body.to_bytes();
        // Refused for being there already: the answer of an earlier try was lost.
        if status != StatusCode::OK && correct_offset(status, &body) != Some(reached) {
            return Err(refusal(APPEND, status, &body));
        }
        if let Some(session) = &mut self.session {
            session.offset = reached;
        }
        Ok(())
    }

    /// Whether the file is there, whole, though no answer said so.
    async fn is_there(&self, whole: &str) -> Result<Option<Metadata>> {
        match self.account.call::<Known>(&self.http, "get_metadata", &json!({ "path": self.path })).await {
            Ok(known) if known.content_hash.as_deref() == Some(whole) => known.metadata().map(Some),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn landed(endpoint: &'static str, body: Buffer, whole: &str) -> Result<Metadata> {
        let known: Known = parsed(endpoint, body)?;
        if known.content_hash.as_deref() != Some(whole) {
            let told = format!("Dropbox has other bytes after {endpoint} than were sent");
            return Err(Error::new(ErrorKind::Unexpected, told).set_temporary());
        }
        known.metadata()
    }
}

impl Session {
    fn cursor(&self) -> Value {
        json!({ "session_id": self.id, "offset": self.offset })
    }
}

impl oio::Write for Writer {
    async fn write(&mut self, piece: Buffer) -> Result<()> {
        if let Some(held) = self.held.clone() {
            self.pass_on(&held).await?;
            self.held = None;
        }
        for bytes in piece.clone() {
            self.hash.update(&bytes);
        }
        self.held = Some(piece);
        Ok(())
    }

    async fn close(&mut self) -> Result<Metadata> {
        let whole = self.hash.clone().finish();
        let body = self.held.clone().unwrap_or_default();
        let commit = json!({ "path": self.path, "mode": "overwrite", "autorename": false, "mute": true });
        let Some(session) = &self.session else {
            const UPLOAD: &str = "upload";
            let mut arguments = commit;
            arguments["content_hash"] = whole.as_str().into();
            let (status, answer) = self.send(UPLOAD, &arguments, body).await?;
            if status != StatusCode::OK {
                return Err(refusal(UPLOAD, status, &answer.to_bytes()));
            }
            return Self::landed(UPLOAD, answer, &whole);
        };
        const FINISH: &str = "upload_session/finish";
        let reached = session.offset + body.len() as u64;
        let arguments =
            json!({ "cursor": session.cursor(), "commit": commit, "content_hash": ContentHash::of(body.clone()) });
        let (status, answer) = self.send(FINISH, &arguments, body).await?;
        if status == StatusCode::OK {
            return Self::landed(FINISH, answer, &whole);
        }
        let answer = answer.to_bytes();
        let error = refusal(FINISH, status, &answer);
        if correct_offset(status, &answer) == Some(reached) {
            // The last piece arrived, though not the order to finish.
            if let Some(session) = &mut self.session {
                session.offset = reached;
            }
            self.held = None;
            return Err(error.set_temporary());
        }
        if status == StatusCode::CONFLICT
            && let Some(metadata) = self.is_there(&whole).await?
        {
            return Ok(metadata);
        }
        Err(error)
    }

    /// A session that nobody finishes ends by itself.
    async fn abort(&mut self) -> Result<()> {
        (self.held, self.session) = (None, None);
        Ok(())
    }
}
