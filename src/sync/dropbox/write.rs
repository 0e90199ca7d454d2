//! Uploading a file: in one request where it comes in one piece, else in an upload session.

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
use super::metadata::Known;
use super::refusal::{correct_offset, refusal};
use super::sessions::{Saved, Sessions};

/// A file under way. Nothing of it is visible before the last request, which makes all of it visible at once.
///
/// Every request can be made again after any failure: Dropbox checks each piece against its hash and each part against
/// its offset, and tells when an answer that was lost had been a success. An upload that was cut off goes on in its session:
/// pieces that the session has are looked at, not sent, and the file has to begin as it did then.
pub(in crate::sync) struct Writer {
    account: Arc<Account>,
    http: HttpTransporter,
    sessions: Arc<Sessions>,
    path: String,
    /// The newest piece: it goes with the last request, or before the next piece.
    held: Option<Buffer>,
    session: Option<Session>,
    /// An earlier upload's session, until the file has been followed to where that one stood.
    cut_off: Option<Saved>,
    /// Of the pieces before the held one.
    hash: ContentHash,
    passed: u64,
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
        let cut_off = sessions.get(&path);
        let (held, session, hash) = (None, None, ContentHash::default());
        Self { account, http, sessions, path, held, session, cut_off, hash, passed: 0 }
    }

    async fn send(&self, endpoint: &'static str, arguments: &Value, body: Buffer) -> Result<(StatusCode, Buffer)> {
        self.account.send(&self.http, endpoint, arguments, body).await
    }

    /// Puts the held piece into the session, which begins with the first.
    async fn pass_on(&mut self, piece: &Buffer) -> Result<()> {
        if let Some(saved) = self.cut_off.take() {
            return self.follow(saved, piece).await;
        }
        let content_hash = ContentHash::of(piece.clone());
        if self.session.is_none() {
            const START: &str = "upload_session/start";
            let (status, body) = self.send(START, &json!({ "content_hash": content_hash }), piece.clone()).await?;
            if status != StatusCode::OK {
                return Err(refusal(START, status, &body.to_bytes()));
            }
            let id = parsed::<Started>(START, body)?.session_id;
            self.session = Some(Session { id, offset: 0, sent: None });
        } else {
            const APPEND: &str = "upload_session/append_v2";
            self.send_part(APPEND, json!({}), &content_hash, piece.clone()).await?;
        }
        self.have_passed(piece);
        Ok(())
    }

    /// Looks at a piece that the cut-off upload's session has.
    async fn follow(&mut self, saved: Saved, piece: &Buffer) -> Result<()> {
        self.have_passed(piece);
        if self.passed < saved.offset {
            self.cut_off = Some(saved);
            return Ok(());
        }
        if self.passed > saved.offset || self.hash.clone().finish() != saved.prefix {
            return Err(self.is_another_file().await);
        }
        tracing::info!(path = self.path, offset = saved.offset, "an upload that was cut off goes on");
        self.session = Some(Session { id: saved.session_id, offset: saved.offset, sent: Some(saved.next) });
        Ok(())
    }

    /// The session that was to be gone on with holds what the file was, not what it is.
    async fn is_another_file(&self) -> Error {
        self.sessions.forget(&self.path).await;
        Error::new(ErrorKind::ConditionNotMatch, "the file has changed since its upload was cut off")
    }

    fn have_passed(&mut self, piece: &Buffer) {
        for bytes in piece.clone() {
            self.hash.update(&bytes);
        }
        self.passed += piece.len() as u64;
        if let Some(session) = &mut self.session {
            (session.offset, session.sent) = (self.passed, None);
        }
    }

    /// Sends the session's next part, `arguments` besides where it stands; notes before how far the session has come. Gives
    /// back the answer, and none where the part had arrived before.
    ///
    /// # Errors
    /// A refusal that no other try will change also ends the session.
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
        // Only of these bytes can it be said that an earlier try may have brought them.
        let again = session.sent.as_deref() == Some(content_hash);
        session.sent = Some(content_hash.to_owned());
        let reached = session.offset + piece.len() as u64;
        arguments["cursor"] = json!({ "session_id": session.id, "offset": session.offset });
        arguments["content_hash"] = content_hash.into();
        let saved = Saved {
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
        if again && correct_offset(status, &body) == Some(reached) {
            return Ok(None);
        }
        let error = refusal(endpoint, status, &body);
        if status == StatusCode::CONFLICT && !error.is_temporary() {
            self.sessions.forget(&self.path).await;
        }
        Err(error)
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

impl oio::Write for Writer {
    async fn write(&mut self, piece: Buffer) -> Result<()> {
        if let Some(held) = self.held.clone() {
            self.pass_on(&held).await?;
            self.held = None;
        }
        self.held = Some(piece);
        Ok(())
    }

    async fn close(&mut self) -> Result<Metadata> {
        let body = self.held.clone().unwrap_or_default();
        let mut whole = self.hash.clone();
        body.clone().for_each(|bytes| whole.update(&bytes));
        let whole = whole.finish();
        let commit = json!({ "path": self.path, "mode": "overwrite", "autorename": false, "mute": true });
        if self.session.is_none() {
            if self.passed > 0 {
                // The file ends before the session that was to be gone on with.
                return Err(self.is_another_file().await);
            }
            self.sessions.forget(&self.path).await;
            const UPLOAD: &str = "upload";
            let mut arguments = commit;
            arguments["content_hash"] = whole.as_str().into();
            let (status, answer) = self.send(UPLOAD, &arguments, body).await?;
            if status != StatusCode::OK {
                return Err(refusal(UPLOAD, status, &answer.to_bytes()));
            }
            return Self::landed(UPLOAD, answer, &whole);
        }
        const FINISH: &str = "upload_session/finish";
        let part = ContentHash::of(body.clone());
        match self.send_part(FINISH, json!({ "commit": commit }), &part, body.clone()).await {
            Ok(Some(answer)) => {
                self.sessions.forget(&self.path).await;
                Self::landed(FINISH, answer, &whole)
            }
            Ok(None) => {
                // The last piece arrived, though not the order to finish.
                self.have_passed(&body);
                self.held = None;
                Err(Error::new(ErrorKind::Unexpected, "the order to finish was lost").set_temporary())
            }
            Err(error) => {
                // The order may have been obeyed, and the session be gone, though no answer said so.
                if !error.is_temporary()
                    && let Some(metadata) = self.is_there(&whole).await?
                {
                    self.sessions.forget(&self.path).await;
                    return Ok(metadata);
                }
                Err(error)
            }
        }
    }

    /// A session that nobody finishes ends by itself.
    async fn abort(&mut self) -> Result<()> {
        (self.held, self.session) = (None, None);
        Ok(())
    }
}
