//! The files of the account, and what each endpoint does to them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::http::{Answer, Asked};

/// Most entries of a page: few, so that every listing has to go on.
const PAGE: usize = 700;

#[derive(Clone)]
pub struct Stored {
    pub path: String,
    pub content: Vec<u8>,
    pub hash: String,
}

#[derive(Default)]
pub struct Files {
    /// By path in lower case, as Dropbox knows no other.
    pub files: BTreeMap<String, Stored>,
    folders: BTreeMap<String, String>,
    sessions: HashMap<String, Vec<u8>>,
    cursors: HashMap<String, (Vec<Value>, usize)>,
    /// Path, size and content hash of everything that ever became visible, in order.
    pub seen: Vec<(String, usize, String)>,
    /// Paths that were renamed to avoid a conflict.
    pub doubled: Vec<String>,
    pub most_in_one_request: Option<usize>,
    made: u64,
}

/// Dropbox's, written from its documentation and not from the program's.
pub fn content_hash(content: &[u8]) -> String {
    let blocks: Vec<u8> = content.chunks(4 * 1024 * 1024).flat_map(|block| Sha256::digest(block).to_vec()).collect();
    Sha256::digest(blocks).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn refusal(summary: &str, error: Value) -> Answer {
    Answer::json(409, &json!({ "error_summary": format!("{summary}/.."), "error": error }))
}

fn not_found(tag: &str) -> Answer {
    refusal(&format!("{tag}/not_found"), json!({ ".tag": tag, tag: { ".tag": "not_found" } }))
}

fn conflict(kind: &str) -> Answer {
    let path = json!({ ".tag": "conflict", "conflict": { ".tag": kind } });
    refusal(&format!("path/conflict/{kind}"), json!({ ".tag": "path", "path": path }))
}

fn file_json(stored: &Stored) -> Value {
    json!({
        ".tag": "file", "name": stored.path.rsplit('/').next(), "path_display": stored.path,
        "path_lower": stored.path.to_lowercase(), "id": "id:a", "rev": "015f", "size": stored.content.len(),
        "content_hash": stored.hash, "client_modified": "2025-11-08T02:00:00Z", "server_modified": "2025-11-08T02:00:01Z",
    })
}

fn folder_json(path: &str) -> Value {
    json!({
        ".tag": "folder", "name": path.rsplit('/').next(), "path_display": path, "path_lower": path.to_lowercase(),
        "id": "id:f",
    })
}

/// Answers of uploads have no tag.
fn untagged(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.remove(".tag");
    }
    value
}

impl Files {
    pub fn answer(&mut self, endpoint: &str, asked: &Asked) -> Answer {
        let in_header = asked.header("dropbox-api-arg");
        let arguments = in_header.map_or(asked.body.as_slice(), |header| header.as_bytes());
        let Ok(arguments) = serde_json::from_slice::<Value>(arguments) else {
            return Answer::text(400, "Error in call to API function: could not decode input as JSON");
        };
        let kind = asked.header("content-type").map_or("", String::as_str);
        let text = |key: &str| arguments[key].as_str().unwrap_or_default().to_owned();
        let path = text("path");
        if !path.is_empty() && !path.starts_with('/') {
            return Answer::text(400, "path did not match pattern");
        }
        match (endpoint, kind) {
            ("upload", "application/octet-stream") => {
                if asked.body.len() > self.most_in_one_request.unwrap_or(150 << 20) {
                    return refusal("payload_too_large", json!({ ".tag": "payload_too_large" }));
                }
                self.checked(&arguments, &asked.body).unwrap_or_else(|| self.commit(&arguments, asked.body.clone()))
            }
            ("upload_session/start", "application/octet-stream") => {
                self.checked(&arguments, &asked.body).unwrap_or_else(|| {
                    self.made += 1;
                    let id = format!("session-{}", self.made);
                    self.sessions.insert(id.clone(), asked.body.clone());
                    Answer::json(200, &json!({ "session_id": id }))
                })
            }
            ("upload_session/append_v2", "application/octet-stream") => self.append(&arguments, &asked.body),
            ("upload_session/finish", "application/octet-stream") => self.finish(&arguments, &asked.body),
            ("download", "") => self.download(&path, asked),
            ("get_metadata", "application/json") => self.metadata(&path),
            ("delete_v2", "application/json") => match self.remove(&path) {
                Some(metadata) => Answer::json(200, &json!({ "metadata": metadata })),
                None => not_found("path_lookup"),
            },
            ("move_v2", "application/json") => self.rename(&text("from_path"), &text("to_path")),
            ("create_folder_v2", "application/json") => {
                let key = path.to_lowercase();
                if self.folders.contains_key(&key) {
                    return conflict("folder");
                }
                if self.files.contains_key(&key) {
                    return conflict("file");
                }
                self.make_folders(&path);
                Answer::json(200, &json!({ "metadata": untagged(folder_json(&path)) }))
            }
            ("list_folder", "application/json") => self.list(&path, &arguments),
            ("list_folder/continue", "application/json") => self.page(&text("cursor")),
            _ => Answer::text(400, &format!("bad request to {endpoint} with content type '{kind}'")),
        }
    }

    /// Ends every upload session, as time does.
    pub fn end_sessions(&mut self) {
        self.sessions.clear();
    }

    /// A refusal where the body is not what its hash says.
    fn checked(&self, arguments: &Value, body: &[u8]) -> Option<Answer> {
        let told = arguments["content_hash"].as_str()?;
        (told != content_hash(body))
            .then(|| refusal("content_hash_mismatch", json!({ ".tag": "content_hash_mismatch" })))
    }

    /// Makes a file visible, whole and at once.
    fn commit(&mut self, commit: &Value, content: Vec<u8>) -> Answer {
        let mut path = commit["path"].as_str().unwrap_or_default().to_owned();
        let key = path.to_lowercase();
        let parts: Vec<&str> = key.split('/').collect();
        if (2..parts.len()).any(|n| self.files.contains_key(&parts[..n].join("/"))) {
            return conflict("file_ancestor");
        }
        if self.folders.contains_key(&key) {
            return conflict("folder");
        }
        let hash = content_hash(&content);
        let other = self.files.get(&key).is_some_and(|stored| stored.hash != hash);
        if other && commit["mode"] != "overwrite" {
            if commit["autorename"] != true {
                return conflict("file");
            }
            path = format!("{path} (1)");
            self.doubled.push(path.clone());
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        self.make_folders(&folder);
        self.seen.push((path.clone(), content.len(), hash.clone()));
        let stored = Stored { path: path.clone(), content, hash };
        let answer = untagged(file_json(&stored));
        self.files.insert(path.to_lowercase(), stored);
        Answer::json(200, &answer)
    }

    fn make_folders(&mut self, path: &str) {
        for (at, _) in path.match_indices('/').skip(1).chain([(path.len(), "")]) {
            if at > 0 {
                self.folders.entry(path[..at].to_lowercase()).or_insert_with(|| path[..at].to_owned());
            }
        }
    }

    /// The session of a cursor that stands where the session does; else the refusal, in the words of the endpoint.
    fn session(&mut self, arguments: &Value, wrap: bool) -> Result<&mut Vec<u8>, Answer> {
        let cursor = &arguments["cursor"];
        let refused = |summary: &str, error: Value| {
            let told = json!({ ".tag": "lookup_failed", "lookup_failed": error });
            if wrap { refusal(&format!("lookup_failed/{summary}"), told) } else { refusal(summary, error) }
        };
        let id = cursor["session_id"].as_str().unwrap_or_default();
        let Some(session) = self.sessions.get_mut(id) else {
            return Err(refused("not_found", json!({ ".tag": "not_found" })));
        };
        if cursor["offset"].as_u64() != Some(session.len() as u64) {
            let error = json!({ ".tag": "incorrect_offset", "correct_offset": session.len() });
            return Err(refused("incorrect_offset", error));
        }
        Ok(session)
    }

    fn append(&mut self, arguments: &Value, body: &[u8]) -> Answer {
        if let Some(refused) = self.checked(arguments, body) {
            return refused;
        }
        match self.session(arguments, false) {
            Ok(session) => {
                session.extend_from_slice(body);
                Answer::json(200, &Value::Null)
            }
            Err(refused) => refused,
        }
    }

    fn finish(&mut self, arguments: &Value, body: &[u8]) -> Answer {
        if let Some(refused) = self.checked(arguments, body) {
            return refused;
        }
        let content = match self.session(arguments, true) {
            Ok(session) => [session.as_slice(), body].concat(),
            Err(refused) => return refused,
        };
        let answer = self.commit(&arguments["commit"], content);
        if answer.status == 200 {
            self.sessions.remove(arguments["cursor"]["session_id"].as_str().unwrap_or_default());
        }
        answer
    }

    fn download(&self, path: &str, asked: &Asked) -> Answer {
        let Some(stored) = self.files.get(&path.to_lowercase()) else { return not_found("path") };
        let length = stored.content.len();
        let range = asked.header("range").and_then(|range| {
            let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
            let to = if to.is_empty() { length } else { to.parse::<usize>().ok()? + 1 };
            Some((from.parse::<usize>().ok()?, to.min(length)))
        });
        let result = ("Dropbox-API-Result".to_owned(), untagged(file_json(stored)).to_string());
        match range {
            None => Answer { status: 200, headers: vec![result], body: stored.content.clone() },
            Some((from, to)) if from < to => {
                let told = ("Content-Range".to_owned(), format!("bytes {from}-{}/{length}", to - 1));
                Answer { status: 206, headers: vec![result, told], body: stored.content[from..to].to_vec() }
            }
            Some(_) => Answer::text(416, "range not satisfiable"),
        }
    }

    fn metadata(&self, path: &str) -> Answer {
        let key = path.to_lowercase();
        let found =
            self.files.get(&key).map(file_json).or_else(|| self.folders.get(&key).map(|path| folder_json(path)));
        found.map_or_else(|| not_found("path"), |found| Answer::json(200, &found))
    }

    fn remove(&mut self, path: &str) -> Option<Value> {
        let key = path.to_lowercase();
        if let Some(stored) = self.files.remove(&key) {
            return Some(file_json(&stored));
        }
        let folder = self.folders.remove(&key)?;
        let below = format!("{key}/");
        self.files.retain(|path, _| !path.starts_with(&below));
        self.folders.retain(|path, _| !path.starts_with(&below));
        Some(folder_json(&folder))
    }

    fn rename(&mut self, from: &str, to: &str) -> Answer {
        let Some(mut stored) = self.files.remove(&from.to_lowercase()) else { return not_found("from_lookup") };
        stored.path = to.to_owned();
        self.seen.push((to.to_owned(), stored.content.len(), stored.hash.clone()));
        let answer = json!({ "metadata": file_json(&stored) });
        self.files.insert(to.to_lowercase(), stored);
        Answer::json(200, &answer)
    }

    fn list(&mut self, path: &str, arguments: &Value) -> Answer {
        let key = path.to_lowercase();
        if !key.is_empty() && !self.folders.contains_key(&key) {
            return not_found("path");
        }
        let below = format!("{key}/");
        let wanted = |path: &str| {
            let rest = path.strip_prefix(&below);
            rest.is_some_and(|rest| arguments["recursive"] == true || !rest.contains('/'))
        };
        let mut entries: Vec<Value> = Vec::new();
        if arguments["recursive"] == true && !key.is_empty() {
            entries.push(folder_json(path));
        }
        entries.extend(self.folders.iter().filter(|(key, _)| wanted(key)).map(|(_, path)| folder_json(path)));
        entries.extend(self.files.iter().filter(|(key, _)| wanted(key)).map(|(_, stored)| file_json(stored)));
        self.made += 1;
        let cursor = format!("cursor-{}", self.made);
        self.cursors.insert(cursor.clone(), (entries, 0));
        self.page(&cursor)
    }

    /// The page at a cursor; asked for twice, it is the same.
    fn page(&mut self, cursor: &str) -> Answer {
        let Some((entries, from)) = self.cursors.get(cursor).cloned() else {
            return refusal("reset", json!({ ".tag": "reset" }));
        };
        let to = entries.len().min(from + PAGE);
        let page = &entries[from..to];
        self.made += 1;
        let next = format!("cursor-{}", self.made);
        let answer = json!({ "entries": page, "cursor": next, "has_more": to < entries.len() });
        self.cursors.insert(next, (entries, to));
        Answer::json(200, &answer)
    }
}
