//! Opens the remote from settings and secrets.

use std::fs::Metadata;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use opendal::layers::{ConcurrentLimitLayer, RetryEvent, RetryLayer, TimeoutLayer};
use opendal::{HttpTransporter, Operator, services};

use super::SyncError;
use super::dropbox::{self, Access, Sessions};
use super::paths::Kind;
use super::transport::WaitingTransport;
use crate::secret::Secret;
use crate::settings::{self, RemoteKind};

/// Folder for half-written files of a folder remote, outside of every listing.
pub(super) const PARTIAL: &str = ".partial";

/// File with the upload sessions in progress, relative to the workdir.
const SESSIONS: &str = "data/uploads.json";

/// Age of a half-written file after which no process can be writing it any more.
const STALE_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The remote's secrets.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// `HURACAN_S3_ACCESS_KEY_ID`.
    pub s3_access_key_id: Option<Secret>,
    /// `HURACAN_S3_SECRET_ACCESS_KEY`.
    pub s3_secret_access_key: Option<Secret>,
    /// `HURACAN_DROPBOX_ACCESS_TOKEN`.
    pub dropbox_access_token: Option<Secret>,
    /// `HURACAN_DROPBOX_REFRESH_TOKEN`.
    pub dropbox_refresh_token: Option<Secret>,
    /// `HURACAN_DROPBOX_CLIENT_ID`.
    pub dropbox_client_id: Option<Secret>,
    /// `HURACAN_DROPBOX_CLIENT_SECRET`.
    pub dropbox_client_secret: Option<Secret>,
}

impl Credentials {
    /// Reads the secrets from the environment.
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

/// An open remote. Clones share its connections and limits.
#[derive(Debug, Clone)]
pub struct Remote {
    pub(super) operator: Operator,
    pub(super) kind: RemoteKind,
    /// Top folder on the remote, without slashes at its ends.
    pub(super) root: String,
    pub(super) concurrency: usize,
    /// Uploads that can be resumed. Only Dropbox has any: OpenDAL's writer for S3 cannot continue an upload that another
    /// process started.
    pub(super) sessions: Arc<Sessions>,
    address: String,
}

impl Remote {
    /// Opens the remote of the settings. A folder is created below `workdir`; S3 and Dropbox are not contacted yet.
    ///
    /// # Errors
    /// [`SyncError::MissingSecret`], [`SyncError::Setting`], or [`SyncError::Remote`] for a folder that cannot be created.
    pub fn open(settings: &settings::Sync, workdir: &Path, credentials: &Credentials) -> Result<Self, SyncError> {
        let root = settings.root.trim_matches('/').to_owned();
        if root.is_empty() || root.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(SyncError::Setting {
                key: "sync.root",
                problem: format!("'{}' is not a folder name", settings.root),
                remedy: "give a plain name, such as Runpodhuracan",
            });
        }
        crate::tls::install_provider();
        // A second call does nothing.
        opendal_http_transport_reqwest::install_default();
        // The time limit is inside the retries: a request that hangs is one failed attempt.
        let limit = Duration::from_secs_f64(settings.timeout_s);
        let http = HttpTransporter::new(WaitingTransport::new(limit));
        let sessions = Arc::new(Sessions::stored_in(workdir.join(SESSIONS)));
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
                        tracing::debug!(op = %event.op, attempt = event.attempt, "retrying a request: {}", event.err);
                    }),
            )
            .layer(ConcurrentLimitLayer::new(concurrency));
        Ok(Self { operator, kind: settings.remote.kind, root, concurrency, sessions, address })
    }

    /// The address to show: a path, `s3://bucket/root` or `dropbox:/root`. It contains no secret.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The remote folder of a kind of file; candles have one for all days, the others one per day.
    pub fn folder(&self, kind: Kind, date: NaiveDate) -> String {
        kind.remote_prefix(date, &self.root)
    }

    /// Access to single files, for the candle store.
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
    // A file is written in this folder and then renamed, so that half a file is never visible.
    let partial = path.join(PARTIAL);
    remove_stale(&partial);
    let builder = services::Fs::default().root(&path.to_string_lossy()).atomic_write_dir(&partial.to_string_lossy());
    let operator = Operator::new(builder).map_err(|e| SyncError::remote("open", &shown, &e))?;
    Ok((operator.layer(TimeoutLayer::new().with_timeout(limit).with_io_timeout(limit)), shown))
}

/// Deletes half-written files of killed uploads. Younger ones may belong to another process that is still writing.
fn remove_stale(partial: &Path) {
    for entry in std::fs::read_dir(partial).into_iter().flatten().flatten() {
        let modified = entry.metadata().ok().filter(Metadata::is_file).and_then(|meta| meta.modified().ok());
        if modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > STALE_AFTER)
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!("{} is left from a killed upload and cannot be deleted: {error}", entry.path().display());
        }
    }
}

/// A build without the feature `s3`.
#[cfg(not(feature = "s3"))]
fn s3(_: &settings::Sync, _: &str, _: &Credentials, _: HttpTransporter) -> Result<(Operator, String), SyncError> {
    Err(SyncError::Setting {
        key: "sync.remote.kind",
        problem: "this build has no S3".to_owned(),
        remedy: "build with `--features s3` (or `--features full`), or use folder or dropbox",
    })
}

#[cfg(feature = "s3")]
fn s3(
    settings: &settings::Sync,
    root: &str,
    credentials: &Credentials,
    http: HttpTransporter,
) -> Result<(Operator, String), SyncError> {
    const REMEDY: &str = "set HURACAN_S3_ACCESS_KEY_ID and HURACAN_S3_SECRET_ACCESS_KEY in the environment";
    let remote = &settings.remote;
    let key = required(&credentials.s3_access_key_id, "HURACAN_S3_ACCESS_KEY_ID", REMEDY)?;
    let secret = required(&credentials.s3_secret_access_key, "HURACAN_S3_SECRET_ACCESS_KEY", REMEDY)?;
    let bucket = remote.path.trim_matches('/');
    if bucket.is_empty() || bucket.contains('/') {
        return Err(SyncError::Setting {
            key: "sync.remote.path",
            problem: format!("'{}' is not the name of a bucket", remote.path),
            remedy: "give only the bucket; sync.root is the folder in it",
        });
    }
    if remote.endpoint.is_empty() && remote.region == "auto" {
        return Err(SyncError::Setting {
            key: "sync.remote.region",
            problem: "Amazon's S3 has no region 'auto'".into(),
            remedy: "give the bucket's region, or the address of another S3 as sync.remote.endpoint",
        });
    }
    // The server checks each upload against its CRC-32C, so an ETag proves that the right bytes arrived. Keys come only from
    // this program's own variables, not from the machine's AWS files or metadata service.
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
    Ok((operator.with_context(opendal::OperationContext::new().with_http_transport(http)), shown))
}

fn dropbox(
    settings: &settings::Sync,
    root: &str,
    credentials: &Credentials,
    http: HttpTransporter,
    sessions: Arc<Sessions>,
) -> Result<(Operator, String), SyncError> {
    const REMEDY: &str = "set HURACAN_DROPBOX_REFRESH_TOKEN with HURACAN_DROPBOX_CLIENT_ID and \
                          HURACAN_DROPBOX_CLIENT_SECRET, or HURACAN_DROPBOX_ACCESS_TOKEN, which expires after hours";
    let access = if let Some(refresh) = &credentials.dropbox_refresh_token {
        Access::Refresh {
            refresh_token: refresh.clone(),
            client_id: required(&credentials.dropbox_client_id, "HURACAN_DROPBOX_CLIENT_ID", REMEDY)?.clone(),
            client_secret: required(&credentials.dropbox_client_secret, "HURACAN_DROPBOX_CLIENT_SECRET", REMEDY)?
                .clone(),
        }
    } else {
        Access::Token(required(&credentials.dropbox_access_token, "HURACAN_DROPBOX_REFRESH_TOKEN", REMEDY)?.clone())
    };
    Ok((dropbox::operator(access, &settings.remote.endpoint, http, sessions), format!("dropbox:/{root}")))
}

fn required<'a>(secret: &'a Option<Secret>, name: &'static str, remedy: &'static str) -> Result<&'a Secret, SyncError> {
    secret.as_ref().ok_or(SyncError::MissingSecret { name, remedy })
}
