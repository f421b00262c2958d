#!/usr/bin/env python3
"""For RUSTC_WORKSPACE_WRAPPER: compiles a crate with Clippy, whose lints it must pass, and documents it.

`cargo clippy` and `cargo doc` would first check every library that the build of the tests compiles anyway. Not a shell
script: a shell drops variables such as CARGO_BIN_EXE_matrix-qr.
"""

import subprocess
import sys

rustc, *options = sys.argv[1:]
asks_about_the_compiler = "-vV" in options or "___" in options
deny = [] if asks_about_the_compiler else ["-D", "warnings"]
# Cargo says with open files how many threads may compile.
compiled = subprocess.run(["clippy-driver", rustc, *options, *deny], close_fds=False)
if compiled.returncode != 0 or asks_about_the_compiler or "--test" in options:
    sys.exit(compiled.returncode)

# Rustdoc takes the options of rustc, but for those that say what is written, and where.
output = options.index("--out-dir")
del options[output : output + 2]
options = [option for option in options if not option.startswith("--emit=")]
documented = subprocess.run(["rustdoc", *options, *deny, "--out-dir", "target/doc"], close_fds=False)
sys.exit(documented.returncode)
