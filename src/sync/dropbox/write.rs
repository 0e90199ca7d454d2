//! Uploads a file: in one request if it is one piece, otherwise in an upload session.

use std::sync::Arc;

use chrono::Utc;
use http::StatusCode;
use opendal::raw::oio;
use opendal::{Buffer, Error, ErrorKind, HttpTransporter, Metadata, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{Account, parsed};
use super::api_path;
use super::hash::ContentHash;
use super::metadata::EntryMetadata;
use super::refusal::{api_error, correct_offset};
use super::sessions::{SavedSession, Sessions};

/// A file that is being uploaded. The last request makes all of it visible at once.
///
/// Every request can be repeated after any failure: Dropbox checks each piece against its hash and each part against its
/// offset, and reports if a request had succeeded whose answer was lost. An interrupted upload is resumed in its session:
/// pieces that the session has are hashed instead of sent, and the file must begin as it did then.
pub(in crate::sync) struct Writer {
    account: Arc<Account>,
    http: HttpTransporter,
    sessions: Arc<Sessions>,
    path: String,
    /// The newest piece. It is sent before the next piece, or with the last request.
    pending: Option<Buffer>,
    session: Option<Session>,
    /// The session of an interrupted upload, until the file has been read up to its offset.
    interrupted: Option<SavedSession>,
    /// Hash of the pieces before the pending one.
    hash: ContentHash,
    /// Bytes before the pending piece.
    position: u64,
}

struct Session {
    id: String,
    offset: u64,
    /// Content hash of a piece that was sent from this offset, whether it arrived or not.
    sent: Option<String>,
}

#[derive(Deserialize)]
struct Started {
    session_id: String,
}

impl Writer {
    pub fn new(account: Arc<Account>, http: HttpTransporter, sessions: Arc<Sessions>, path: &str) -> Self {
        let path = api_path(path);
        let interrupted = sessions.get(&path);
        let (pending, session, hash) = (None, None, ContentHash::default());
        Self { account, http, sessions, path, pending, session, interrupted, hash, position: 0 }
    }

    async fn send(&self, endpoint: &'static str, arguments: &Value, body: Buffer) -> Result<(StatusCode, Buffer)> {
        self.account.send(&self.http, endpoint, arguments, body).await
    }

    /// Sends the pending piece to the session. The first piece starts the session.
    async fn send_piece(&mut self, piece: &Buffer) -> Result<()> {
        if let Some(saved) = self.interrupted.take() {
            return self.skip_piece(saved, piece).await;
        }
        let content_hash = ContentHash::of(piece.clone());
        if self.session.is_none() {
            const START: &str = "upload_session/start";
            let (status, body) = self.send(START, &json!({ "content_hash": content_hash }), piece.clone()).await?;
            if status != StatusCode::OK {
                return Err(api_error(START, status, &body.to_bytes()));
            }
            let id = parsed::<Started>(START, body)?.session_id;
            self.session = Some(Session { id, offset: 0, sent: None });
        } else {
            const APPEND: &str = "upload_session/append_v2";
            self.send_part(APPEND, json!({}), &content_hash, piece.clone()).await?;
        }
        self.advance(piece);
        Ok(())
    }

    /// Hashes a piece that the interrupted session has already. Resumes the session at its offset.
    async fn skip_piece(&mut self, saved: SavedSession, piece: &Buffer) -> Result<()> {
        self.advance(piece);
        if self.position < saved.offset {
            self.interrupted = Some(saved);
            return Ok(());
        }
        if self.position > saved.offset || self.hash.clone().finish() != saved.prefix {
            return Err(self.discard_session().await);
        }
        tracing::info!(path = self.path, offset = saved.offset, "resuming an interrupted upload");
        self.session = Some(Session { id: saved.session_id, offset: saved.offset, sent: Some(saved.next) });
        Ok(())
    }

    /// Discards the interrupted session because the file has changed since.
    async fn discard_session(&self) -> Error {
        self.sessions.remove(&self.path).await;
        Error::new(ErrorKind::ConditionNotMatch, "the file has changed since its upload was interrupted")
    }

    fn advance(&mut self, piece: &Buffer) {
        for bytes in piece.clone() {
            self.hash.update(&bytes);
        }
        self.position += piece.len() as u64;
        if let Some(session) = &mut self.session {
            (session.offset, session.sent) = (self.position, None);
        }
    }

    /// Sends the session's next part, after recording the session's offset. Adds the cursor and the hash to `arguments`.
    /// Returns the answer, or none if the part had arrived before.
    ///
    /// # Errors
    /// A permanent error also ends the session.
    async fn send_part(
        &mut self,
        endpoint: &'static str,
        mut arguments: Value,
        content_hash: &str,
        piece: Buffer,
    ) -> Result<Option<Buffer>> {
        let Some(session) = &mut self.session else {
            return Err(Error::new(ErrorKind::Unexpected, "there is no upload session"));
        };
        // Only if the same bytes were sent before can they have arrived already.
        let is_repeated = session.sent.as_deref() == Some(content_hash);
        session.sent = Some(content_hash.to_owned());
        let end = session.offset + piece.len() as u64;
        arguments["cursor"] = json!({ "session_id": session.id, "offset": session.offset });
        arguments["content_hash"] = content_hash.into();
        let saved = SavedSession {
            session_id: session.id.clone(),
            offset: session.offset,
            prefix: self.hash.clone().finish(),
            next: content_hash.to_owned(),
            at: Utc::now(),
        };
        self.sessions.set(&self.path, saved).await;
        let (status, body) = self.send(endpoint, &arguments, piece).await?;
        if status == StatusCode::OK {
            return Ok(Some(body));
        }
        let body = body.to_bytes();
        if is_repeated && correct_offset(status, &body) == Some(end) {
            return Ok(None);
        }
        let error = api_error(endpoint, status, &body);
        if status == StatusCode::CONFLICT && !error.is_temporary() {
            self.sessions.remove(&self.path).await;
        }
        Err(error)
    }

    /// Metadata of the file if it is on the remote with this content hash, although no answer confirmed it.
    async fn find_uploaded(&self, content_hash: &str) -> Result<Option<Metadata>> {
        match self.account.call::<EntryMetadata>(&self.http, "get_metadata", &json!({ "path": self.path })).await {
            Ok(entry) if entry.content_hash.as_deref() == Some(content_hash) => entry.metadata().map(Some),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Checks the content hash in the answer to the last request.
    fn check_uploaded(endpoint: &'static str, body: Buffer, content_hash: &str) -> Result<Metadata> {
        let entry: EntryMetadata = parsed(endpoint, body)?;
        if entry.content_hash.as_deref() != Some(content_hash) {
            let message = format!("after {endpoint} Dropbox has other bytes than were sent");
            return Err(Error::new(ErrorKind::Unexpected, message).set_temporary());
        }
        entry.metadata()
    }
}

impl oio::Write for Writer {
    async fn write(&mut self, piece: Buffer) -> Result<()> {
        if let Some(pending) = self.pending.clone() {
            self.send_piece(&pending).await?;
            self.pending = None;
        }
        self.pending = Some(piece);
        Ok(())
    }

    async fn close(&mut self) -> Result<Metadata> {
        let body = self.pending.clone().unwrap_or_default();
        let mut hash = self.hash.clone();
        body.clone().for_each(|bytes| hash.update(&bytes));
        let content_hash = hash.finish();
        let commit = json!({ "path": self.path, "mode": "overwrite", "autorename": false, "mute": true });
        if self.session.is_none() {
            if self.position > 0 {
                // The file ends before the offset of the interrupted session.
                return Err(self.discard_session().await);
            }
            self.sessions.remove(&self.path).await;
            const UPLOAD: &str = "upload";
            let mut arguments = commit;
            arguments["content_hash"] = content_hash.as_str().into();
            let (status, answer) = self.send(UPLOAD, &arguments, body).await?;
            if status != StatusCode::OK {
                return Err(api_error(UPLOAD, status, &answer.to_bytes()));
            }
            return Self::check_uploaded(UPLOAD, answer, &content_hash);
        }
        const FINISH: &str = "upload_session/finish";
        let part = ContentHash::of(body.clone());
        match self.send_part(FINISH, json!({ "commit": commit }), &part, body.clone()).await {
            Ok(Some(answer)) => {
                self.sessions.remove(&self.path).await;
                Self::check_uploaded(FINISH, answer, &content_hash)
            }
            Ok(None) => {
                // The last piece arrived, but the session was not finished. The retry finishes it.
                self.advance(&body);
                self.pending = None;
                Err(Error::new(ErrorKind::Unexpected, "the request to finish was lost").set_temporary())
            }
            Err(error) => {
                // The request may have succeeded and ended the session, with only the answer lost.
                if !error.is_temporary()
                    && let Some(metadata) = self.find_uploaded(&content_hash).await?
                {
                    self.sessions.remove(&self.path).await;
                    return Ok(metadata);
                }
                Err(error)
            }
        }
    }

    /// Dropbox ends an unfinished session by itself.
    async fn abort(&mut self) -> Result<()> {
        (self.pending, self.session) = (None, None);
        Ok(())
    }
}
