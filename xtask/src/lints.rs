//! The compiler of the tests. It refuses a crate with a warning of Clippy's or of Rustdoc's, so that no
//! library is checked once more for those.

use std::path::PathBuf;

use crate::files::here;

/// For cargo's `RUSTC_WORKSPACE_WRAPPER`.
pub(crate) fn compiler() -> Result<PathBuf, String> {
    here("xtask/src/lints/compiler.py")
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, process::Command};

    /// What the compiler says of a crate with this text, and whether it takes it.
    fn compiled(text: &str, name: &str) -> (String, bool) {
        let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
        let directory = xtask.join("../target/tmp/lints").join(name);
        fs::create_dir_all(&directory).unwrap();
        let source = format!("//! A crate.\n{text}");
        fs::write(directory.join("lib.rs"), source).unwrap();
        let mut compiler = Command::new(xtask.join("src/lints/compiler.py"));
        compiler.args(["rustc", "--crate-name", name, "--edition=2024", "lib.rs"]);
        compiler.args(["--crate-type", "lib", "--emit=metadata", "--out-dir", "."]);
        let output = compiler.current_dir(&directory).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (said, output.status.success())
    }

    #[test]
    #[ignore = "needs python3: cargo xtask test"]
    fn the_compiler_refuses_warnings_of_clippy_and_of_rustdoc() {
        let good = "/// See [`f`].\npub fn f() {}";
        assert_eq!(compiled(good, "good"), (String::new(), true));
        let (said, taken) = compiled(
            "/// F.\npub fn f(of: &str) -> bool { of.len() == 0 }",
            "lint",
        );
        assert!(!taken && said.contains("len_zero"), "{said}");
        let (said, taken) = compiled("/// See [`g`].\npub fn f() {}", "link");
        assert!(!taken && said.contains("unresolved link"), "{said}");
    }
}
