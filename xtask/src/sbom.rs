//! What is linked into a program, as a list in each package (SBOM, in the format CycloneDX 1.5).
//!
//! Made from `cargo tree` and `Cargo.lock`, so that it names what this build links and nothing of
//! this machine: `cargo-cyclonedx` and maturin, which has it built in, also list what other
//! platforms and the build need, and name each of our crates by its directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    build::Build,
    files::make,
    python,
    run::{TaskResult, output, run},
};

/// Where the lists are.
const PLACE: &str = "target/package/sbom";
/// What has the schema of the format.
const VALIDATOR: &str = "cyclonedx-python-lib[json-validation]==11.12.0";

/// A library: its name and its version.
type Library = (String, String);

/// What depends on what, and the licence of each.
#[derive(Default)]
struct Linked {
    edges: BTreeMap<Library, BTreeSet<Library>>,
    licences: BTreeMap<Library, String>,
}

/// Writes the list of a program of this build, and returns its path.
pub(crate) fn write(program: &str, build: &Build) -> Result<String, String> {
    let packages = build.packages(program);
    let options = "tree --locked --edges normal,no-proc-macro --prefix depth --format |{p}|{l}";
    let arguments = options
        .split(' ')
        .chain(packages.iter().map(String::as_str));
    let linked = Linked::read(&output(&arguments.collect::<Vec<_>>())?)?;
    let lock = fs::read_to_string("Cargo.lock").map_err(|error| format!("Cargo.lock: {error}"))?;
    let root = (program.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let list = list(&root, &linked, &checksums(&lock))?;
    make(PLACE)?;
    let path = format!("{PLACE}/{program}.cdx.json");
    fs::write(&path, format!("{list:#}\n")).map_err(|error| format!("{path}: {error}"))?;
    valid(&path)?;
    Ok(path)
}

/// What a package's list must be: without a directory of this machine, and with every library that
/// has left its name in the program.
pub(crate) fn checked(list: &str, program: &Path) -> TaskResult {
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    for path in [&here.display().to_string(), "path+", "file:"] {
        if list.contains(path) {
            return Err(format!("the SBOM names a directory: {path}"));
        }
    }
    let list: Value = serde_json::from_str(list).map_err(|error| format!("the SBOM: {error}"))?;
    let components = list.get("components").and_then(Value::as_array);
    let listed: BTreeSet<&str> = components
        .into_iter()
        .flatten()
        .filter_map(|component| component.get("purl")?.as_str())
        .collect();
    let bytes = fs::read(program).map_err(|error| format!("{}: {error}", program.display()))?;
    let named = named(&bytes);
    // Panic messages name the source of most libraries.
    if named.len() < 20 {
        return Err(format!(
            "{} names only {} libraries",
            program.display(),
            named.len()
        ));
    }
    match named
        .iter()
        .find(|named| !listed.contains(purl(named).as_str()))
    {
        None => Ok(()),
        Some((name, version)) => Err(format!(
            "{} has {name} {version}, and its SBOM has not",
            program.display()
        )),
    }
}

impl Linked {
    /// A line is the depth, the name, the version and the licence: `1|serde v1.0.0|MIT`. What was
    /// listed before ends in `(*)`, without what it depends on.
    fn read(tree: &str) -> Result<Self, String> {
        let (mut linked, mut above): (Self, Vec<Library>) = (Self::default(), Vec::new());
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let wrong = || format!("cargo tree: {line}");
            let fields: Vec<_> = line.split('|').collect();
            let [depth, package, licence] = fields[..] else {
                return Err(wrong());
            };
            let mut words = package.split(' ');
            let (name, version) = words.next().zip(words.next()).ok_or_else(wrong)?;
            let version = version.trim_start_matches('v');
            let library = (name.to_owned(), version.to_owned());
            above.truncate(depth.parse().map_err(|_| wrong())?);
            if let Some(parent) = above.last() {
                let edges = linked.edges.entry(parent.clone()).or_default();
                edges.insert(library.clone());
            }
            linked.edges.entry(library.clone()).or_default();
            // Before 2023 an alternative was often written with a slash.
            let licence = licence.trim_end_matches(" (*)").replace('/', " OR ");
            linked.licences.insert(library.clone(), licence);
            above.push(library);
        }
        Ok(linked)
    }

    /// This library and all that it depends on, however indirectly.
    fn below(&self, root: &Library) -> BTreeSet<Library> {
        let (mut found, mut open) = (BTreeSet::new(), vec![root.clone()]);
        while let Some(library) = open.pop() {
            if found.insert(library.clone()) {
                open.extend(self.edges.get(&library).into_iter().flatten().cloned());
            }
        }
        found
    }
}

/// Without time and serial number: the same program has the same list.
fn list(
    root: &Library,
    linked: &Linked,
    checksums: &BTreeMap<Library, String>,
) -> Result<Value, String> {
    let all = linked.below(root);
    if all.len() < 20 {
        return Err(format!("cargo tree lists only {} libraries", all.len()));
    }
    let component = |kind: &str, library: &Library| {
        // Our own crates have none.
        let sums = checksums.get(library).into_iter();
        let sums: Vec<_> = sums
            .map(|sum| json!({ "alg": "SHA-256", "content": sum }))
            .collect();
        json!({
            "type": kind,
            "bom-ref": purl(library),
            "name": library.0,
            "version": library.1,
            "purl": purl(library),
            "licenses": [{ "expression": linked.licences.get(library) }],
            "hashes": sums,
        })
    };
    let libraries = all.iter().filter(|library| *library != root);
    let libraries: Vec<_> = libraries
        .map(|library| component("library", library))
        .collect();
    let dependencies = all.iter().map(|library| {
        let on: Vec<_> = linked
            .edges
            .get(library)
            .into_iter()
            .flatten()
            .map(purl)
            .collect();
        json!({ "ref": purl(library), "dependsOn": on })
    });
    let dependencies: Vec<_> = dependencies.collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component("application", root) },
        "components": libraries,
        "dependencies": dependencies,
    }))
}

/// The name of a library of crates.io in the form of package URLs.
fn purl((name, version): &Library) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

fn checksums(lock: &str) -> BTreeMap<Library, String> {
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim_matches(['=', ' ', '"']).to_owned())
    };
    let packages = lock.split("[[package]]");
    packages
        .filter_map(|package| {
            let library = (value(package, "name ")?, value(package, "version ")?);
            Some((library, value(package, "checksum ")?))
        })
        .collect()
}

/// The libraries whose source a program names: `…/registry/src/INDEX/NAME-VERSION/…`.
fn named(program: &[u8]) -> BTreeSet<Library> {
    let text = String::from_utf8_lossy(program);
    let directories = text.split("/registry/src/").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once('/')?;
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.+".contains(letter);
        rest.split(|letter| !is_part(letter)).next()
    });
    directories
        .filter_map(|directory| {
            // The version begins at the first number after a hyphen.
            let (at, _) = directory.match_indices('-').find(|(at, _)| {
                directory[at + 1..].starts_with(|next: char| next.is_ascii_digit())
            })?;
            Some((directory[..at].to_owned(), directory[at + 1..].to_owned()))
        })
        .collect()
}

/// Against the schema of the format.
fn valid(path: &str) -> TaskResult {
    let python = python::environment("target/package/cyclonedx")?;
    python::install(&python, [VALIDATOR])?;
    let script = "import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read()))";
    run(
        Command::new(&python).args(["-c", script, path]),
        &format!("the validation of {path}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "0|our v0.1.0 (/x/our)|Apache-2.0
1|serde v1.0.0|MIT/Apache-2.0
2|core v2.0.0+b|MIT
1|toml v3.0.0|MIT
2|serde v1.0.0|MIT/Apache-2.0 (*)

0|other v0.1.0 (/x/other)|Apache-2.0
1|left-pad v4.0.0|MIT
1|toml v3.0.0|MIT (*)
";

    fn library(name: &str, version: &str) -> Library {
        (name.to_owned(), version.to_owned())
    }

    #[test]
    fn what_is_below_a_program_is_found_through_what_was_listed_before() {
        let linked = Linked::read(TREE).unwrap();
        let below = linked.below(&library("other", "0.1.0"));
        let names: Vec<_> = below.iter().map(purl).collect();
        assert_eq!(
            names,
            [
                "pkg:cargo/core@2.0.0%2Bb",
                "pkg:cargo/left-pad@4.0.0",
                "pkg:cargo/other@0.1.0",
                "pkg:cargo/serde@1.0.0",
                "pkg:cargo/toml@3.0.0",
            ]
        );
        let licence = linked.licences.get(&library("serde", "1.0.0"));
        assert_eq!(licence.map(String::as_str), Some("MIT OR Apache-2.0"));
        assert!(Linked::read("1|serde").is_err());
    }

    #[test]
    fn a_checksum_belongs_to_one_version() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"12\"\n\n\
                    [[package]]\nname = \"a\"\nversion = \"2.0.0\"\n";
        let wanted = BTreeMap::from([(library("a", "1.0.0"), "12".to_owned())]);
        assert_eq!(checksums(lock), wanted);
    }

    #[test]
    fn a_program_names_its_libraries() {
        let program = b"\0/h/.cargo/registry/src/index-1/aws-lc-rs-1.2.3/src/a.rs\xff\
            /cargo/registry/src/index-1/toml-1.2.1+spec-1.1.0\0/src/b.rs";
        let wanted = BTreeSet::from([
            library("aws-lc-rs", "1.2.3"),
            library("toml", "1.2.1+spec-1.1.0"),
        ]);
        assert_eq!(named(program), wanted);
    }

    #[test]
    fn a_list_with_a_directory_is_refused() {
        let here = std::env::current_dir().unwrap();
        for path in [&here.display().to_string(), "path+file:///x#a@1"] {
            let list = format!("{{\"components\": [{{\"purl\": \"{path}\"}}]}}");
            let error = checked(&list, Path::new("/no/such/program")).unwrap_err();
            assert!(error.starts_with("the SBOM names a directory"), "{error}");
        }
    }
}
