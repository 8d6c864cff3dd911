//! What can be seen in a sandbox.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Site;

/// Where the system's programs and libraries are, beside `/usr`. On most systems these are links into it.
const PROGRAMS: [&str; 5] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64"];

/// What programs read in `/etc`, and holds no secret.
const SETTINGS: [&str; 19] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki/tls",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/timezone",
];

/// What names of hosts are looked up by.
const RESOLVER: [&str; 2] = ["/etc/resolv.conf", "/etc/ssl/openssl.cnf"];

/// Arguments of bubblewrap, in the order in which it obeys them.
#[derive(Debug, Default)]
pub(super) struct Mounts(Vec<OsString>);

impl Mounts {
    /// The system's own.
    pub(super) fn system(&mut self, with_network: bool) {
        self.say("--ro-bind", &["/usr", "/usr"].map(PathBuf::from));
        for path in PROGRAMS.map(Path::new) {
            match path.read_link() {
                Ok(target) => self.say("--symlink", &[target, path.to_owned()]),
                Err(_) => self.read(path),
            }
        }
        for path in SETTINGS {
            self.read(Path::new(path));
        }
        if with_network {
            for path in RESOLVER {
                self.read(Path::new(path));
            }
        }
        self.say("--proc", &["/proc".into()]);
        self.say("--dev", &["/dev".into()]);
    }

    /// What belongs to the job. `/tmp` is its own folder for such: on the disk, and removed with it.
    pub(super) fn job(&mut self, site: &Site) {
        let temporary = site.temporary();
        for place in ["/tmp", "/var/tmp"] {
            self.say("--bind", &[temporary.clone(), place.into()]);
        }
        for folder in [
            site.source(),
            site.tests(),
            site.environment(),
            site.home(),
            site.reports(),
            temporary,
        ] {
            self.write(&folder);
        }
    }

    /// What of the job only git changes: it could name programs that the worker's git starts outside.
    pub(super) fn protect(&mut self, site: &Site) {
        for folder in [site.source(), site.tests()] {
            self.read(&folder.join(".git"));
        }
    }

    /// Can be read, if it is there.
    pub(super) fn read(&mut self, path: &Path) {
        self.say("--ro-bind-try", &[path.to_owned(), path.to_owned()]);
    }

    /// Can be written, if it is there.
    pub(super) fn write(&mut self, path: &Path) {
        self.say("--bind-try", &[path.to_owned(), path.to_owned()]);
    }

    pub(super) fn into_words(mut self) -> Vec<OsString> {
        // What lies between these is in memory, and nobody's to fill.
        self.say("--remount-ro", &["/".into()]);
        self.0
    }

    fn say(&mut self, option: &str, paths: &[PathBuf]) {
        self.0.push(option.into());
        self.0
            .extend(paths.iter().map(|path| path.clone().into_os_string()));
    }
}
