//! A private PostgreSQL server for tests: started on first use, one fresh database a test, gone when the test program
//! ends in whatever way.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

const START_TIMEOUT: Duration = Duration::from_secs(60);

struct Server {
    port: u16,
    /// A shell that minds the server. It reads from a pipe: when our end closes, even because this process was killed,
    /// it stops the server and removes its files.
    _minder: Child,
}

/// The address of a new, empty database; none where no PostgreSQL is installed, which is then said aloud.
///
/// # Panics
/// Where a server is installed but does not start, or none is and `HURACAN_TEST_REQUIRE=1`.
pub async fn fresh_database() -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    // Starting takes a second or two and blocks; tests that wait for the same server lose nothing by it.
    let server = SERVER.get_or_init(start).as_ref()?;
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut admin = connect(&server.url("postgres")).await;
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0")))
        .execute(&mut admin)
        .await
        .expect("a new database");
    admin.close().await.expect("the connection closes");
    Some(server.url(&name))
}

impl Server {
    fn url(&self, database: &str) -> String {
        format!("postgres://huracan@127.0.0.1:{}/{database}", self.port)
    }
}

async fn connect(url: &str) -> PgConnection {
    let start = Instant::now();
    loop {
        match PgConnection::connect(url).await {
            Ok(connection) => return connection,
            Err(error) if start.elapsed() > START_TIMEOUT => panic!("the private PostgreSQL does not answer: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn start() -> Option<Server> {
    let Some(bin) = find_binaries() else {
        let remedy = "no PostgreSQL server found; run scripts/setup-postgres, or install the package 'postgresql'";
        crate::skip::skip(&format!("the PostgreSQL half of these tests: {remedy}"));
        return None;
    };
    let home = tempfile::Builder::new().prefix("huracan-postgres-").tempdir().expect("a temporary folder").keep();
    let user = unprivileged();
    if let Some((uid, gid)) = user {
        std::os::unix::fs::chown(&home, Some(uid), Some(gid)).expect("root may give folders away");
    }
    let as_user = |program: &Path| {
        let mut command = Command::new(program);
        command.current_dir(&home).env("LC_ALL", "C");
        if let Some(libraries) = unpacked_libraries(&bin) {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        if let Some((uid, gid)) = user {
            command.gid(gid).uid(uid);
        }
        command
    };
    let made = as_user(&bin.join("initdb"))
        .args(["--username=huracan", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
        .arg(home.join("data"))
        .output()
        .expect("initdb runs");
    assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
    // Another program may take the port between the look and the start; the server would then not answer, and say why.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let script = r#"
        "$1/postgres" -D "$2/data" -k "$2" -p "$3" -c listen_addresses=127.0.0.1 -c fsync=off \
            -c synchronous_commit=off -c full_page_writes=off -c max_connections=100 >"$2/log" 2>&1 &
        server=$!
        read -r _
        kill -INT $server
        wait $server
        cd /
        rm -rf "$2"
    "#;
    let minder = as_user(Path::new("/bin/sh"))
        .args(["-c", script, "sh"])
        .arg(&bin)
        .arg(&home)
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C in the terminal must reach the test program alone, whose end then stops the server.
        .process_group(0)
        .spawn()
        .expect("a shell starts");
    Some(Server { port, _minder: minder })
}

/// The newest `initdb` with a `postgres` beside it: on PATH, as Debian installs it, or as scripts/setup-postgres
/// unpacks it.
fn find_binaries() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut folders = on_path.unwrap_or_default();
    for root in ["/".into(), cache()] {
        let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(root.join("usr/lib/postgresql"))
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
            })
            .collect();
        versions.sort();
        folders.extend(versions.into_iter().rev().map(|(_, bin)| bin));
    }
    folders.into_iter().find(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
}

/// Where scripts/setup-postgres unpacks a package that it may not install.
fn cache() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).unwrap_or_default();
    cache.join("huracan/postgresql")
}

/// The libraries unpacked together with a server that is not installed.
fn unpacked_libraries(bin: &Path) -> Option<PathBuf> {
    let cache = cache();
    if !bin.starts_with(&cache) {
        return None;
    }
    std::fs::read_dir(cache.join("usr/lib"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().ends_with("-linux-gnu"))
}

/// PostgreSQL refuses to run as root: the user that runs it in that case.
fn unprivileged() -> Option<(u32, u32)> {
    let own = std::fs::metadata("/proc/self").expect("the process's own entry").uid();
    if own != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("the list of users");
    let id_of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some((ids.next()?.ok()?, ids.next()?.ok()?))
    };
    Some(id_of("postgres").or_else(|| id_of("nobody")).expect("a user 'postgres' or 'nobody' to run PostgreSQL as"))
}
