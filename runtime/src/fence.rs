//! The kernel's wall behind permissions: Landlock (landlock(7)) for this thread and all that it starts from now on.
//!
//! Owns: which files and ports are let through: what was granted to the app, and what the server itself needs. Must not
//! know: what is asked of permissions, sockets. Where the kernel has no Landlock there is no wall, and no error.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, path_beneath_rules,
};

use crate::address::{Address, UnixName};
use crate::config::{AccessTarget, Config, Listen, Program, Scheme, ScriptConfig};
use crate::folders;
use crate::permissions::{Granted, Permissions};

/// The rights that are withheld: to terminals and their like there are none here.
const FILES: ABI = ABI::V3;

/// What any process of ours reads: names of hosts, whom TLS trusts, time zones, what the kernel says of the process.
const READ: [&str; 17] = [
    "/etc/hosts",
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/etc/services",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/proc",
    "/sys/fs/cgroup",
    "/dev/urandom",
    "/dev/random",
    "/etc/mime.types",
];
/// What it writes to, as well.
const WRITE: [&str; 3] = ["/dev/null", "/dev/tty", "/dev/pts"];
/// Where servers of names are asked, by TCP too.
const DNS_PORT: u16 = 53;

/// What is let through.
#[derive(Default)]
struct Fence {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    /// Read and written.
    own: Vec<PathBuf>,
    /// Ports of TCP; none: all.
    connect: Option<Vec<u16>>,
    bind: Option<Vec<u16>>,
}

/// Builds the wall for a server of `config`, whose app is compiled and whose listeners are bound.
pub fn enclose_server<'a>(config: &Config, listeners: impl Iterator<Item = &'a Listen>) {
    let Some(permissions) = &config.permissions else { return };
    // Programs inherit the wall, and were not told of it: what may be run is outside of it in any case.
    if may_run(permissions) || !config.cgi.folders.is_empty() {
        return;
    }
    let mut fence = Fence::of(permissions);
    let home = if config.site.is_some() { Some(config.app.as_path()) } else { config.app.parent() };
    fence.add_app(home);
    fence.read.extend(config.file.iter().chain(&config.reload.files).cloned());
    fence.read.extend(config.files.folders.iter().map(|folder| folder.folder.clone()));
    let files = config
        .tls
        .iter()
        .flat_map(|it| [Some(&it.certificate), Some(&it.key), it.ocsp.as_ref(), it.client_ca.as_ref()]);
    // Their folders: new ones take their places by rename.
    fence.read.extend(
        files.flatten().filter_map(|file| std::fs::canonicalize(file).ok()?.parent().map(Path::to_owned)),
    );
    let client_ca = [&config.self_signed.as_ref().and_then(|it| it.client_ca.clone())];
    fence.read.extend(client_ca.into_iter().flatten().cloned());
    if let Some(acme) = &config.acme {
        fence.read.extend(acme.client_ca.iter().chain(&acme.directory_ca).cloned());
        fence.read.extend(acme.external_account.iter().map(|account| account.key.clone()));
        fence.own.extend(folders::state());
    }
    for listen in listeners.filter(|listen| listen.scheme != Scheme::Udp) {
        fence.add_listener(&listen.address);
    }
    config.admin.iter().for_each(|admin| fence.add_listener(&admin.address));
    if let Some(AccessTarget::File(file)) = config.access_log.as_ref().map(|log| &log.to)
        && let Ok(file) = std::path::absolute(file)
    {
        // It is made anew where it was moved.
        fence.write.extend(file.parent().map(Path::to_owned));
    }
    if config.acme.is_some() || !config.proxies.is_empty() {
        fence.connect = None;
    }
    fence.build();
}

/// The same for a script of `config`, whose main module is compiled. The prompt has none: it keeps its history.
pub fn enclose_script(config: &ScriptConfig) {
    let Some(permissions) = config.permissions.as_ref().filter(|all| !may_run(all)) else { return };
    let mut fence = Fence::of(permissions);
    if let Program::File(path) = &config.program {
        fence.add_app(path.parent());
    }
    fence.read.extend(config.includes.iter().cloned());
    fence.build();
}

fn may_run(permissions: &Permissions) -> bool {
    permissions.run.all || !permissions.run.some.is_empty()
}

impl Fence {
    /// What `permissions` grant, and what is needed in any case.
    fn of(permissions: &Permissions) -> Fence {
        let paths = |granted: &Granted<PathBuf>| match granted.all {
            true => vec![PathBuf::from("/")],
            false => granted.some.clone(),
        };
        let (mut read, write) = (paths(&permissions.read), paths(&permissions.write));
        read.extend(READ.map(PathBuf::from));
        read.extend(["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().filter_map(std::env::var_os).map(PathBuf::from));
        let mut own = WRITE.map(PathBuf::from).to_vec();
        if let Some(cache) = folders::cache() {
            // It is made where it is not there; without it nothing is kept.
            let _ = folders::make_private(&cache);
            own.push(cache);
        }
        let net = &permissions.net;
        let ports =
            net.some.iter().map(|target| target.port).collect::<Option<Vec<u16>>>().filter(|_| !net.all);
        let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        let connect = ports.clone().filter(|_| !proxies.iter().any(|name| std::env::var_os(name).is_some()));
        let connect = connect.map(|ports| ports.into_iter().chain([DNS_PORT]).collect());
        Fence { read, write, own, connect, bind: ports }
    }

    /// The folder of an app, and what says how its modules are found: `node_modules`, `package.json` and `tsconfig.json`
    /// there and above.
    fn add_app(&mut self, home: Option<&Path>) {
        let home = home.map(|home| if home.as_os_str().is_empty() { Path::new(".") } else { home });
        let Some(home) = home.and_then(|home| std::fs::canonicalize(home).ok()) else { return };
        for folder in home.ancestors() {
            self.read.extend(["node_modules", "package.json", "tsconfig.json"].map(|name| folder.join(name)));
        }
        if home.parent().is_some() {
            self.read.push(home);
        }
    }

    /// What is bound at `address`, when a worker is replaced as well.
    fn add_listener(&mut self, address: &Address) {
        match address {
            Address::Ip(addr) => self.bind.iter_mut().for_each(|ports| ports.push(addr.port())),
            Address::Unix(unix) => {
                // The socket's file is made and removed.
                if let UnixName::Path(path) = &unix.name
                    && let Ok(path) = std::path::absolute(path)
                {
                    self.write.extend(path.parent().map(Path::to_owned));
                }
            }
        }
    }

    fn build(self) {
        match self.restrict() {
            Ok(RulesetStatus::NotEnforced) => {
                tracing::info!("permissions are held by jsserve alone: the kernel has no Landlock");
            }
            Ok(_) => tracing::info!("permissions are held by jsserve and by the kernel's Landlock"),
            Err(error) => tracing::warn!("permissions: Landlock was refused: {error}"),
        }
    }

    fn restrict(self) -> Result<RulesetStatus, RulesetError> {
        let mut rules = Ruleset::default().handle_access(AccessFs::from_all(FILES))?;
        if self.connect.is_some() {
            rules = rules.handle_access(AccessNet::ConnectTcp)?;
        }
        if self.bind.is_some() {
            rules = rules.handle_access(AccessNet::BindTcp)?;
        }
        let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
        // What is made is often opened for reading, too.
        let write = AccessFs::from_write(FILES) | AccessFs::ReadFile;
        let rules = rules
            .create()?
            .add_rules(path_beneath_rules(self.read, read))?
            .add_rules(path_beneath_rules(self.write, write))?
            .add_rules(path_beneath_rules(self.own, write | read))?;
        let rules = ports(rules, self.connect, AccessNet::ConnectTcp)?;
        let rules = ports(rules, self.bind, AccessNet::BindTcp)?;
        Ok(rules.restrict_self()?.ruleset)
    }
}

fn ports(
    rules: RulesetCreated,
    ports: Option<Vec<u16>>,
    access: AccessNet,
) -> Result<RulesetCreated, RulesetError> {
    ports.into_iter().flatten().try_fold(rules, |rules, port| rules.add_rule(NetPort::new(port, access)))
}
