//! `cargo xtask package`: makes the packages that an operator installs, installs them into a
//! directory, checks the files, starts the server, and removes all of it again. Everything is in
//! `target/package`.

pub(crate) mod command;
mod containers;
mod service;
mod shared;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use self::shared::{CALLS, PLACE, STUBS, file, has, read_packed, same};
pub(crate) use self::shared::{ROOT, dpkg};
use crate::{
    build::{Build, SERVER},
    files::{make, read, remove, write},
    run::{TaskResult, said},
    sbom,
};

pub(crate) const DEB: &str = "target/package/matrix-qr-rendezvous.deb";

/// The highest exposure that `systemd-analyze security` may report, in tenths. A unit without any
/// restrictions has 10.0; access to the network alone counts 1.2.
const EXPOSURE: &str = "--threshold=13";

const SERVICE: &str = "matrix-qr-rendezvous.service";
const SOCKET: &str = "matrix-qr-rendezvous.socket";

/// Every file of the package, with its mode and its owner.
const FILES: [&str; 12] = [
    "-rw------- 0/0 ./etc/default/matrix-qr-rendezvous",
    "-rw-r--r-- 0/0 ./etc/matrix-qr-rendezvous.toml",
    "-rwxr-xr-x 0/0 ./usr/bin/matrix-qr-rendezvous",
    "-rw-r--r-- 0/0 ./usr/lib/systemd/system/matrix-qr-rendezvous.service",
    "-rw-r--r-- 0/0 ./usr/share/doc/matrix-qr-rendezvous/changelog.Debian.gz",
    "-rw-r--r-- 0/0 ./usr/share/doc/matrix-qr-rendezvous/copyright",
    "-rw-r--r-- 0/0 ./usr/share/doc/matrix-qr-rendezvous/grafana.json",
    "-rw-r--r-- 0/0 ./usr/share/doc/matrix-qr-rendezvous/matrix-qr-rendezvous.cdx.json",
    "-rw-r--r-- 0/0 ./usr/share/doc/matrix-qr-rendezvous/matrix-qr-rendezvous.socket",
    "-rw-r--r-- 0/0 ./usr/share/doc/matrix-qr-rendezvous/operate.md",
    "-rw-r--r-- 0/0 ./usr/share/doc/matrix-qr-rendezvous/prometheus-rules.yml",
    "-rw-r--r-- 0/0 ./usr/share/man/man8/matrix-qr-rendezvous.8.gz",
];

/// The whole task, step by step, with programs that this way to build has built.
pub(crate) fn package(build: &Build) -> TaskResult {
    containers::checked()?;
    made(build)?;
    contents(build)?;
    installation()?;
    unit()?;
    service::runs(Path::new(ROOT))?;
    removal()?;
    command::package(build)
}

fn made(build: &Build) -> TaskResult {
    [ROOT, STUBS].into_iter().try_for_each(remove)?;
    make(PLACE)?;
    sbom::write(SERVER, build)?;
    // With the list of what is linked.
    build.deb(SERVER, &["--variant", "release"], DEB)
}

fn contents(build: &Build) -> TaskResult {
    let list = said(Command::new("dpkg-deb").args(["-c", DEB]), "dpkg-deb -c")?;
    let mut files: Vec<_> = list
        .lines()
        .filter(|line| !line.starts_with('d'))
        .map(file)
        .collect();
    files.sort_by(|a, b| a.split(' ').nth(2).cmp(&b.split(' ').nth(2)));
    same("files of the package", &files.join("\n"), &FILES.join("\n"))?;
    let control = said(Command::new("dpkg-deb").args(["-f", DEB]), "dpkg-deb -f")?;
    let version = format!("Version: {}-1", env!("CARGO_PKG_VERSION"));
    for line in [
        "Package: matrix-qr-rendezvous",
        &version,
        "Section: net",
        "Depends: libc6",
    ] {
        has("the control file", &control, line)?;
    }
    let newest = format!("matrix-qr-rendezvous ({}-1) ", env!("CARGO_PKG_VERSION"));
    has(
        "packaging/debian/changelog",
        &read("packaging/debian/changelog")?,
        &newest,
    )?;
    let copyright = read_packed(DEB, "./usr/share/doc/matrix-qr-rendezvous/copyright")?;
    has("the licence", &copyright, "Apache License")?;
    let sbom = "./usr/share/doc/matrix-qr-rendezvous/matrix-qr-rendezvous.cdx.json";
    sbom::checked(&read_packed(DEB, sbom)?, Path::new(&build.program(SERVER)))?;
    // A new installation has no public URL yet, so it is not started. An upgrade restarts a running
    // service. Without systemd the script does nothing, so it is checked by its text.
    let script = said(
        Command::new("dpkg-deb").args(["-I", DEB, "postinst"]),
        "dpkg-deb -I",
    )?;
    let actions: Vec<_> = script
        .lines()
        .filter_map(|line| line.split_once("deb-systemd-invoke "))
        .collect();
    let actions: Vec<_> = actions
        .iter()
        .filter_map(|(_, rest)| rest.split(' ').next())
        .collect();
    same(
        "what an installation does to the service",
        &actions.join(" "),
        "try-restart",
    )
}

/// Installs twice. Before the second time an administrator has changed a file.
fn installation() -> TaskResult {
    stubs()?;
    for directory in ["info", "updates", "triggers"] {
        make(format!("{ROOT}/var/lib/dpkg/{directory}"))?;
    }
    write(format!("{ROOT}/var/lib/dpkg/status"), "")?;
    dpkg(&["-i", DEB])?;
    let calls = read(CALLS)?;
    has(
        "what the installation calls",
        &calls,
        "deb-systemd-helper enable matrix-qr-rendezvous.service",
    )?;
    // The socket unit is optional.
    same(
        "calls about the socket",
        &calls.matches(SOCKET).count().to_string(),
        "0",
    )?;
    let config = format!("{ROOT}/etc/matrix-qr-rendezvous.toml");
    let changed = read(&config)?.replace("# lifetime = 300", "lifetime = 299");
    write(&config, &changed)?;
    dpkg(&["-i", DEB])?;
    same("configuration after an upgrade", &read(&config)?, &changed)
}

fn removal() -> TaskResult {
    dpkg(&["--purge", "matrix-qr-rendezvous"])?;
    for (_, name) in FILES.iter().filter_map(|file| file.split_once("./")) {
        if Path::new(ROOT).join(name).exists() {
            return Err(format!("/{name} is left after a purge"));
        }
    }
    has(
        "what the purge calls",
        &read(CALLS)?,
        "deb-systemd-helper purge matrix-qr-rendezvous.service",
    )
}

/// Programs that succeed and record how they were called.
fn stubs() -> TaskResult {
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    let script = format!(
        "#!/bin/sh\necho \"${{0##*/}} $*\" >> {}\n",
        here.join(CALLS).display()
    );
    make(STUBS)?;
    write(CALLS, "")?;
    for name in ["deb-systemd-helper", "deb-systemd-invoke", "systemctl"] {
        let stub = format!("{STUBS}/{name}");
        write(&stub, &script)?;
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o755))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Checks the unit with systemd. It only warns about unknown keys, so any output is an error.
fn unit() -> TaskResult {
    let units = format!("{ROOT}/etc/systemd/system");
    make(&units)?;
    for target in [
        "sysinit",
        "basic",
        "shutdown",
        "network",
        "multi-user",
        "sockets",
    ] {
        write(
            format!("{units}/{target}.target"),
            "[Unit]\nDescription=a stub\n",
        )?;
    }
    make(format!("{ROOT}/bin"))?;
    let kill = format!("{ROOT}/bin/kill");
    if !Path::new(&kill).exists() {
        symlink("/bin/kill", &kill).map_err(|error| format!("{kill}: {error}"))?;
    }
    // An administrator copies it from the documentation.
    let packed = format!("{ROOT}/usr/share/doc/matrix-qr-rendezvous/{SOCKET}");
    write(format!("{units}/{SOCKET}"), &read(packed)?)?;
    for unit in [SERVICE, SOCKET] {
        let words = analyze(&["--man=no", "verify", unit])?;
        same(&format!("output about {unit}"), words.trim(), "")?;
    }
    analyze(&[
        "--offline=true",
        "--no-pager",
        EXPOSURE,
        "security",
        SERVICE,
    ])
    .map(|_| ())
    .map_err(|error| format!("{error}\nthe unit is less restricted than it must be"))?;
    let unit = read("packaging/debian/matrix-qr-rendezvous.service")?;
    [
        "MemoryMax=",
        "LimitNOFILE=",
        "RestartPreventExitStatus=2\n",
        "EnvironmentFile=-/etc/default/",
    ]
    .iter()
    .try_for_each(|line| has("the unit", &unit, line))
}

fn analyze(arguments: &[&str]) -> Result<String, String> {
    let mut analyze = Command::new("systemd-analyze");
    analyze.arg(format!("--root={ROOT}")).args(arguments);
    let output = analyze
        .output()
        .map_err(|error| format!("systemd-analyze: {error}"))?;
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(words);
    }
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    Err(format!(
        "systemd-analyze {} failed:\n{table}{words}",
        arguments.join(" ")
    ))
}
