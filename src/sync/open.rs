//! Settings and secrets become an operator.

use std::path::Path;
use std::time::Duration;

use opendal::layers::{ConcurrentLimitLayer, RetryLayer, TimeoutLayer};
use opendal::{Operator, services};

use super::SyncError;
use crate::secret::Secret;
use crate::settings::{self, RemoteKind};

/// Half-written files of a folder remote lie here, out of every listing.
pub(super) const PARTIAL: &str = ".partial";

/// Stat, list, delete and the like.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(60);
/// One read or write request; Dropbox takes a whole file in one.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

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
        let (operator, address) = match settings.remote.kind {
            RemoteKind::Folder => folder(settings, &root, workdir)?,
            RemoteKind::S3 => s3(settings, &root, credentials)?,
            RemoteKind::Dropbox => dropbox(&root, credentials)?,
        };
        let concurrency = settings.concurrency.max(1);
        // The timeout lies inside the retries: a request that hangs is one failed try.
        let operator = operator
            .layer(TimeoutLayer::new().with_timeout(CONTROL_TIMEOUT).with_io_timeout(BODY_TIMEOUT))
            .layer(
                RetryLayer::new()
                    .with_max_times(settings.retries)
                    .with_min_delay(FIRST_PAUSE)
                    .with_max_delay(LONGEST_PAUSE)
                    .with_jitter(),
            )
            .layer(ConcurrentLimitLayer::new(concurrency));
        Ok(Self { operator, kind: settings.remote.kind, root, concurrency, address })
    }

    /// Where the remote lies, for people: a path, `s3://bucket/root` or `dropbox:/root`; holds no secret.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The way to single files, for rooms with a folder of their own there (the candle store).
    pub fn operator(&self) -> Operator {
        self.operator.clone()
    }

    pub fn kind(&self) -> RemoteKind {
        self.kind
    }
}

fn folder(settings: &settings::Sync, root: &str, workdir: &Path) -> Result<(Operator, String), SyncError> {
    let path = workdir.join(&settings.remote.path);
    let shown = path.join(root).display().to_string();
    // A file is written under this name's folder, then renamed: nobody sees half of it.
    let partial = path.join(PARTIAL);
    let builder = services::Fs::default().root(&path.to_string_lossy()).atomic_write_dir(&partial.to_string_lossy());
    let operator = Operator::new(builder).map_err(|e| SyncError::remote("open", &shown, &e))?;
    Ok((operator, shown))
}

fn s3(settings: &settings::Sync, root: &str, credentials: &Credentials) -> Result<(Operator, String), SyncError> {
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
    Ok((operator, shown))
}

fn dropbox(root: &str, credentials: &Credentials) -> Result<(Operator, String), SyncError> {
    const REMEDY: &str = "set HURACAN_DROPBOX_REFRESH_TOKEN with HURACAN_DROPBOX_CLIENT_ID and \
                          HURACAN_DROPBOX_CLIENT_SECRET, or HURACAN_DROPBOX_ACCESS_TOKEN for some hours";
    let mut builder = services::Dropbox::default();
    if let Some(refresh) = &credentials.dropbox_refresh_token {
        let id = need(&credentials.dropbox_client_id, "HURACAN_DROPBOX_CLIENT_ID", REMEDY)?;
        let secret = need(&credentials.dropbox_client_secret, "HURACAN_DROPBOX_CLIENT_SECRET", REMEDY)?;
        builder = builder.refresh_token(refresh.reveal()).client_id(id.reveal()).client_secret(secret.reveal());
    } else {
        let token = need(&credentials.dropbox_access_token, "HURACAN_DROPBOX_REFRESH_TOKEN", REMEDY)?;
        builder = builder.access_token(token.reveal());
    }
    let shown = format!("dropbox:/{root}");
    let operator = Operator::new(builder).map_err(|e| SyncError::remote("open", &shown, &e))?;
    Ok((operator, shown))
}

fn need<'a>(secret: &'a Option<Secret>, name: &'static str, remedy: &'static str) -> Result<&'a Secret, SyncError> {
    secret.as_ref().ok_or(SyncError::NoSecret { name, remedy })
}
