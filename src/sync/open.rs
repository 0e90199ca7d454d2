//! Settings and secrets become an operator.

use std::fs::Metadata;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use opendal::layers::{ConcurrentLimitLayer, RetryEvent, RetryLayer, TimeoutLayer};
use opendal::{HttpTransporter, OperationContext, Operator, services};

use super::SyncError;
use super::dropbox::{self, Access, Sessions};
use super::paths::Kind;
use super::transport::Patient;
use crate::secret::Secret;
use crate::settings::{self, RemoteKind};

/// Half-written files of a folder remote lie here, out of every listing.
pub(super) const PARTIAL: &str = ".partial";

/// Upload sessions under way, below the workdir.
const SESSIONS: &str = "data/uploads.json";

/// After so long without a change nobody writes such a file any more.
const LEFT: Duration = Duration::from_secs(24 * 3600);

/// The remote's secrets, as the environment gives them.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    pub s3_access_key_id: Option<Secret>,
    pub s3_secret_access_key: Option<Secret>,
    pub dropbox_access_token: Option<Secret>,
    pub dropbox_refresh_token: Option<Secret>,
    pub dropbox_client_id: Option<Secret>,
    pub dropbox_client_secret: Option<Secret>,
}

impl Credentials {
    pub fn from_environment() -> Self {
        Self {
            s3_access_key_id: Secret::from_environment("HURACAN_S3_ACCESS_KEY_ID"),
            s3_secret_access_key: Secret::from_environment("HURACAN_S3_SECRET_ACCESS_KEY"),
            dropbox_access_token: Secret::from_environment("HURACAN_DROPBOX_ACCESS_TOKEN"),
            dropbox_refresh_token: Secret::from_environment("HURACAN_DROPBOX_REFRESH_TOKEN"),
            dropbox_client_id: Secret::from_environment("HURACAN_DROPBOX_CLIENT_ID"),
            dropbox_client_secret: Secret::from_environment("HURACAN_DROPBOX_CLIENT_SECRET"),
        }
    }
}

/// An opened remote; clones share its connections and limits.
#[derive(Debug, Clone)]
pub struct Remote {
    pub(super) operator: Operator,
    pub(super) kind: RemoteKind,
    /// Top folder on the remote, without slashes at its ends.
    pub(super) root: String,
    pub(super) concurrency: usize,
    /// Uploads that can go on where they were cut off: Dropbox's alone. OpenDAL's writer for S3 cannot take up parts that
    /// another process has sent.
    pub(super) sessions: Arc<Sessions>,
    address: String,
}

impl Remote {
    /// Opens the remote of the settings; a folder below `workdir` is made, S3 and Dropbox are not yet contacted.
    ///
    /// # Errors
    /// [`SyncError::NoSecret`], [`SyncError::Setting`], or [`SyncError::Remote`] for a folder that cannot be made.
    pub fn open(settings: &settings::Sync, workdir: &Path, credentials: &Credentials) -> Result<Self, SyncError> {
        let root = settings.root.trim_matches('/').to_owned();
        if root.is_empty() || root.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(SyncError::Setting {
                key: "sync.root",
                problem: format!("'{}' is not a folder name", settings.root),
                remedy: "give a plain name, such as Runpodhuracan",
            });
        }
        // Without the crate's auto-registration nothing else installs the HTTP client. Repeating it does no harm.
        opendal::install_default();
        // The limit lies inside the retries: a request that hangs is one failed try.
        let limit = Duration::from_secs_f64(settings.timeout_s);
        let http = HttpTransporter::new(Patient::new(limit));
        let sessions = Arc::new(Sessions::kept_in(workdir.join(SESSIONS)));
        let (operator, address) = match settings.remote.kind {
            RemoteKind::Folder => folder(settings, &root, workdir, limit)?,
            RemoteKind::S3 => s3(settings, &root, credentials, http)?,
            RemoteKind::Dropbox => dropbox(settings, &root, credentials, http, sessions.clone())?,
        };
        let concurrency = settings.concurrency.max(1);
        let operator = operator
            .layer(
                RetryLayer::new()
                    .with_max_times(settings.retries)
                    .with_min_delay(Duration::from_millis(settings.first_pause_ms))
                    .with_max_delay(Duration::from_millis(settings.longest_pause_ms))
                    .with_jitter()
                    .with_notify(|event: RetryEvent<'_>| {
                        tracing::debug!(op = %event.op, attempt = event.attempt, "the remote is asked again: {}", event.err);
                    }),
            )
            .layer(ConcurrentLimitLayer::new(concurrency));
        Ok(Self { operator, kind: settings.remote.kind, root, concurrency, sessions, address })
    }

    /// Where the remote lies, for people: a path, `s3://bucket/root` or `dropbox:/root`; holds no secret.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The folder of a kind of file, of this day where each day has its own.
    pub fn folder(&self, kind: Kind, date: NaiveDate) -> String {
        kind.remote_prefix(date, &self.root)
    }

    /// The way to single files, for rooms with a folder of their own there (the candle store).
    pub fn operator(&self) -> Operator {
        self.operator.clone()
    }
}

fn folder(
    settings: &settings::Sync,
    root: &str,
    workdir: &Path,
    limit: Duration,
) -> Result<(Operator, String), SyncError> {
    let path = workdir.join(&settings.remote.path);
    let shown = path.join(root).display().to_string();
    // A file is written under this name's folder, then renamed: nobody sees half of it.
    let partial = path.join(PARTIAL);
    clear(&partial);
    let builder = services::Fs::default().root(&path.to_string_lossy()).atomic_write_dir(&partial.to_string_lossy());
    let operator = Operator::new(builder).map_err(|e| SyncError::remote("open", &shown, &e))?;
    Ok((operator.layer(TimeoutLayer::new().with_timeout(limit).with_io_timeout(limit)), shown))
}

/// Removes what a killed upload left half-written. A younger file may be another process's, and at work.
fn clear(partial: &Path) {
    for entry in std::fs::read_dir(partial).into_iter().flatten().flatten() {
        let modified = entry.metadata().ok().filter(Metadata::is_file).and_then(|meta| meta.modified().ok());
        if modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > LEFT)
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!(
                "{} was left by an upload that was killed, and cannot be removed: {error}",
                entry.path().display()
            );
        }
    }
}

fn s3(
    settings: &settings::Sync,
    root: &str,
    credentials: &Credentials,
    http: HttpTransporter,
) -> Result<(Operator, String), SyncError> {
    const REMEDY: &str = "set HURACAN_S3_ACCESS_KEY_ID and HURACAN_S3_SECRET_ACCESS_KEY in the environment";
    let remote = &settings.remote;
    let key = need(&credentials.s3_access_key_id, "HURACAN_S3_ACCESS_KEY_ID", REMEDY)?;
    let secret = need(&credentials.s3_secret_access_key, "HURACAN_S3_SECRET_ACCESS_KEY", REMEDY)?;
    let bucket = remote.path.trim_matches('/');
    if bucket.is_empty() || bucket.contains('/') {
        return Err(SyncError::Setting {
            key: "sync.remote.path",
            problem: format!("'{}' is not the name of a bucket", remote.path),
            remedy: "give the bucket alone; folders in it are sync.root",
        });
    }
    if remote.endpoint.is_empty() && remote.region == "auto" {
        return Err(SyncError::Setting {
            key: "sync.remote.region",
            problem: "Amazon's S3 has no region 'auto'".into(),
            remedy: "give the bucket's region, or the address of another S3 as sync.remote.endpoint",
        });
    }
    // The server checks each upload against its CRC-32C, so that an ETag stands for the right bytes. Keys come from
    // our own variables alone: the machine's AWS files and metadata service are not asked.
    let mut builder = services::S3::default()
        .bucket(bucket)
        .region(&remote.region)
        .access_key_id(key.reveal())
        .secret_access_key(secret.reveal())
        .checksum_algorithm("crc32c")
        .disable_config_load()
        .disable_ec2_metadata();
    if !remote.endpoint.is_empty() {
        builder = builder.endpoint(&remote.endpoint);
    }
    let shown = format!("s3://{bucket}/{root}");
    let operator = Operator::new(builder).map_err(|e| SyncError::remote("open", &shown, &e))?;
    Ok((operator.with_context(OperationContext::new().with_http_transport(http)), shown))
}

fn dropbox(
    settings: &settings::Sync,
    root: &str,
    credentials: &Credentials,
    http: HttpTransporter,
    sessions: Arc<Sessions>,
) -> Result<(Operator, String), SyncError> {
    const REMEDY: &str = "set HURACAN_DROPBOX_REFRESH_TOKEN with HURACAN_DROPBOX_CLIENT_ID and \
                          HURACAN_DROPBOX_CLIENT_SECRET, or HURACAN_DROPBOX_ACCESS_TOKEN for some hours";
    let access = if let Some(refresh) = &credentials.dropbox_refresh_token {
        Access::Refresh {
            refresh_token: refresh.clone(),
            client_id: need(&credentials.dropbox_client_id, "HURACAN_DROPBOX_CLIENT_ID", REMEDY)?.clone(),
            client_secret: need(&credentials.dropbox_client_secret, "HURACAN_DROPBOX_CLIENT_SECRET", REMEDY)?.clone(),
        }
    } else {
        Access::Token(need(&credentials.dropbox_access_token, "HURACAN_DROPBOX_REFRESH_TOKEN", REMEDY)?.clone())
    };
    Ok((dropbox::operator(access, &settings.remote.endpoint, http, sessions), format!("dropbox:/{root}")))
}

fn need<'a>(secret: &'a Option<Secret>, name: &'static str, remedy: &'static str) -> Result<&'a Secret, SyncError> {
    secret.as_ref().ok_or(SyncError::NoSecret { name, remedy })
}
