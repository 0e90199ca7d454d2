//! Dropbox's error responses (<https://www.dropbox.com/developers/documentation/http/documentation#error-handling>).

use http::StatusCode;
use opendal::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::Value;

/// Most characters shown of an answer that is not Dropbox's JSON.
const SHOWN: usize = 120;

#[derive(Deserialize)]
struct ErrorBody {
    error_summary: String,
}

/// The error of a response other than 200. It is temporary if the same request may succeed later.
pub(super) fn api_error(endpoint: &'static str, status: StatusCode, body: &[u8]) -> Error {
    let summary = serde_json::from_slice::<ErrorBody>(body).map(|error| error.error_summary);
    let (kind, temporary) = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (ErrorKind::PermissionDenied, false),
        StatusCode::CONFLICT => conflict(summary.as_deref().unwrap_or_default()),
        StatusCode::REQUEST_TIMEOUT => (ErrorKind::Unexpected, true),
        StatusCode::TOO_MANY_REQUESTS => (ErrorKind::RateLimited, true),
        status => (ErrorKind::Unexpected, status.is_server_error()),
    };
    let text = summary.unwrap_or_else(|_| String::from_utf8_lossy(body).chars().take(SHOWN).collect());
    let text = text.trim_end_matches(['/', '.', '\n']);
    Error::new(kind, format!("Dropbox answers {endpoint} with {}: {text}", status.as_u16())).with_temporary(temporary)
}

/// The kind of a 409, and whether it is temporary. The summary is a path of tags such as `path/not_found/..`.
fn conflict(summary: &str) -> (ErrorKind, bool) {
    let tags: Vec<&str> = summary.split('/').collect();
    let has = |tag| tags.contains(&tag);
    if has("not_found") && !has("lookup_failed") {
        (ErrorKind::NotFound, false)
    } else if has("too_many_write_operations") {
        (ErrorKind::RateLimited, true)
    } else if has("content_hash_mismatch") || has("payload_too_large") {
        // The bytes were corrupted or truncated on the way.
        (ErrorKind::Unexpected, has("content_hash_mismatch"))
    } else if has("file_ancestor") {
        (ErrorKind::NotADirectory, false)
    } else if has("conflict") && has("folder") {
        (ErrorKind::IsADirectory, false)
    } else if has("conflict") {
        (ErrorKind::AlreadyExists, false)
    } else {
        (ErrorKind::Unexpected, false)
    }
}

/// The offset that an upload session has reached, from the error response to a part.
pub(super) fn correct_offset(status: StatusCode, body: &[u8]) -> Option<u64> {
    if status != StatusCode::CONFLICT {
        return None;
    }
    let answer: Value = serde_json::from_slice(body).ok()?;
    // `append_v2` has it at the top level, `finish` below `lookup_failed`.
    let error = answer.get("error")?;
    error.get("correct_offset").or_else(|| error.pointer("/lookup_failed/correct_offset"))?.as_u64()
}

/// The error of a response with status 200 that cannot be parsed, such as a proxy's page or a truncated one. A retry may
/// succeed.
pub(super) fn unreadable(endpoint: &'static str, error: &serde_json::Error) -> Error {
    let message = format!("Dropbox's answer to {endpoint} cannot be parsed: {error}");
    Error::new(ErrorKind::Unexpected, message).set_temporary()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_kind_and_only_some_are_retried() {
        let conflict = |summary: &str| {
            let body = format!(r#"{{"error_summary": "{summary}", "error": {{}}}}"#);
            let error = api_error("upload", StatusCode::CONFLICT, body.as_bytes());
            (error.kind(), error.is_temporary())
        };
        assert_eq!(conflict("path/not_found/.."), (ErrorKind::NotFound, false));
        assert_eq!(conflict("path_lookup/not_found/."), (ErrorKind::NotFound, false));
        assert_eq!(conflict("lookup_failed/not_found/."), (ErrorKind::Unexpected, false));
        assert_eq!(conflict("path/conflict/folder/."), (ErrorKind::IsADirectory, false));
        assert_eq!(conflict("path/conflict/file_ancestor/."), (ErrorKind::NotADirectory, false));
        assert_eq!(conflict("path/conflict/file/."), (ErrorKind::AlreadyExists, false));
        assert_eq!(conflict("content_hash_mismatch/."), (ErrorKind::Unexpected, true));
        assert_eq!(conflict("path/too_many_write_operations/"), (ErrorKind::RateLimited, true));
        assert_eq!(conflict("path/insufficient_space/"), (ErrorKind::Unexpected, false));
        for (status, kind, temporary) in [
            (400, ErrorKind::Unexpected, false),
            (401, ErrorKind::PermissionDenied, false),
            (429, ErrorKind::RateLimited, true),
            (500, ErrorKind::Unexpected, true),
            (503, ErrorKind::Unexpected, true),
        ] {
            let error = api_error("upload", StatusCode::from_u16(status).unwrap(), b"<html>no</html>");
            assert_eq!((error.kind(), error.is_temporary()), (kind, temporary), "{status}");
            assert!(error.message().contains("<html>no"), "{}", error.message());
        }
    }

    #[test]
    fn the_offset_of_a_session_is_found_in_the_error() {
        let append =
            br#"{"error_summary": "incorrect_offset/", "error": {".tag": "incorrect_offset", "correct_offset": 8}}"#;
        let finish = br#"{"error_summary": "lookup_failed/incorrect_offset/",
            "error": {".tag": "lookup_failed", "lookup_failed": {".tag": "incorrect_offset", "correct_offset": 9}}}"#;
        assert_eq!(correct_offset(StatusCode::CONFLICT, append), Some(8));
        assert_eq!(correct_offset(StatusCode::CONFLICT, finish), Some(9));
        assert_eq!(correct_offset(StatusCode::BAD_GATEWAY, append), None);
        assert_eq!(correct_offset(StatusCode::CONFLICT, b"{}"), None);
    }
}
