//! docs/deploy.md agrees with the files next to it and with the program.

use matrix_qr_doctor::Check;

const GUIDE: &str = include_str!("../../../../docs/deploy.md");

#[test]
fn the_guide_shows_the_files_themselves() {
    let files = [
        ("nginx", include_str!("../../../../docs/nginx.conf")),
        ("", include_str!("../../../../docs/Caddyfile")),
    ];
    for (language, file) in files {
        assert!(
            GUIDE.contains(&format!("\n```{language}\n{file}```\n")),
            "{file}"
        );
    }
}

#[test]
fn the_links_of_the_guides_lead_to_files_that_exist() {
    let docs = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"));
    for guide in [GUIDE, include_str!("../../../../docs/operate.md")] {
        let links = guide
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(link, _)| link);
        let files: Vec<_> = links
            .filter(|link| !link.contains("://") && !link.starts_with('#'))
            .collect();
        assert!(
            files.iter().any(|file| file.ends_with(".service")),
            "{files:?}"
        );
        for file in files {
            let (file, heading) = file.split_once('#').unwrap_or((file, ""));
            let text = std::fs::read_to_string(docs.join(file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            let slug = |line: &str| {
                let heading = line
                    .trim_start_matches(['#', ' '])
                    .to_lowercase()
                    .replace(' ', "-");
                heading.replace(|c: char| !c.is_alphanumeric() && c != '-', "")
            };
            let is_there = text
                .lines()
                .any(|line| line.starts_with('#') && slug(line) == heading);
            assert!(heading.is_empty() || is_there, "{file}#{heading}");
        }
    }
}

#[test]
fn the_guide_shows_what_the_examination_says() {
    let shown: Vec<_> = GUIDE
        .lines()
        .filter_map(|line| line.strip_prefix("  ✓ "))
        .collect();
    assert!(!shown.is_empty());
    for line in shown {
        assert!(
            Check::all().any(|check| line.starts_with(&format!("{}: ", check.title()))),
            "{line}"
        );
    }
    // All except the one that needs a sign-in.
    let all = format!(
        "{} good, 0 warnings, 0 bad, 1 not checked.",
        Check::all().count() - 1
    );
    assert!(GUIDE.contains(&format!("  - {}: not checked, ", Check::SignIn.title())));
    assert!(GUIDE.contains(&all), "{all}");
}
