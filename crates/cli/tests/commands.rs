//! The command line, from files: what is typed, what is said, and the exit code. `TRYCMD=overwrite`
//! writes them anew.

#[test]
fn the_commands_do_what_the_files_say() {
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .case("tests/cmd/*.trycmd")
        .case("tests/cmd/*.toml")
        .run();
}
