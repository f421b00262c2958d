//! docs/deploy.md says what is true of the files beside it and of the program.

use matrix_qr_device::doctor::Check;

const GUIDE: &str = include_str!("../../../../docs/deploy.md");

#[test]
fn the_guide_shows_the_files_themselves() {
    let files = [
        ("nginx", include_str!("../../../../docs/nginx.conf")),
        ("", include_str!("../../../../docs/Caddyfile")),
        ("ini", include_str!("../../../../docs/matrix-qr-rendezvous.service")),
    ];
    for (language, file) in files {
        assert!(GUIDE.contains(&format!("\n```{language}\n{file}```\n")), "{file}");
    }
}

#[test]
fn the_guide_shows_what_the_examination_says() {
    let shown: Vec<_> = GUIDE.lines().filter_map(|line| line.strip_prefix("  ✓ ")).collect();
    assert!(!shown.is_empty());
    for line in shown {
        assert!(Check::all().any(|check| line.starts_with(&format!("{}: ", check.title()))), "{line}");
    }
    let all = format!("{} good, 0 to look at, 0 bad, 0 not checked.", Check::all().count());
    assert!(GUIDE.contains(&all), "{all}");
}
