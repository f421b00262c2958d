//! Which sections of two programs differ.

use std::process::Command;

use crate::run::said;

/// A section, by where it is in the file.
#[derive(Debug, PartialEq)]
struct ElfSection<'a> {
    name: &'a str,
    offset: usize,
    size: usize,
}

/// The names of the sections that differ, or that only one of the programs has.
pub(super) fn differing(paths: [&str; 2], bytes: [&[u8]; 2]) -> Result<Vec<String>, String> {
    let [one, another] = paths;
    let (one, another) = (listed(one)?, listed(another)?);
    let names = compare((&one, &another), bytes);
    Ok(if names.is_empty() {
        vec!["none: what differs is between them".to_owned()]
    } else {
        names
    })
}

fn listed(program: &str) -> Result<String, String> {
    let mut readelf = Command::new("readelf");
    readelf
        .args(["--sections", "--wide", program])
        .env("LC_ALL", "C");
    said(&mut readelf, "readelf").map_err(|error| format!("{error}; apt-get install binutils"))
}

fn compare(lists: (&str, &str), [one, another]: [&[u8]; 2]) -> Vec<String> {
    let (of_one, of_another) = (sections(lists.0), sections(lists.1));
    let mut names: Vec<&str> = of_one
        .iter()
        .chain(&of_another)
        .map(|section| section.name)
        .collect();
    names.sort_unstable();
    names.dedup();
    let content = |sections: &[ElfSection<'_>], bytes: &[u8], name: &str| {
        let section = sections.iter().find(|section| section.name == name)?;
        bytes
            .get(section.offset..section.offset + section.size)
            .map(<[u8]>::to_vec)
    };
    names.retain(|name| content(&of_one, one, name) != content(&of_another, another, name));
    names.into_iter().map(str::to_owned).collect()
}

/// The lines look like `  [ 1] .interp PROGBITS 0000000000000318 000318 00001c 00 A 0 0 1`. What
/// takes no space in the file is left out.
fn sections(list: &str) -> Vec<ElfSection<'_>> {
    let section = |line| {
        let (_, rest) = str::split_once(line, "] ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let [name, kind, _, offset, size, ..] = fields[..] else {
            return None;
        };
        let number = |text| usize::from_str_radix(text, 16).ok();
        (kind != "NOBITS" && name.starts_with('.')).then_some(ElfSection {
            name,
            offset: number(offset)?,
            size: number(size)?,
        })
    };
    list.lines().filter_map(section).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "There are 4 section headers:
  [Nr] Name              Type            Address          Off    Size   ES Flg Lk Inf Al
  [ 0]                   NULL            0000000000000000 000000 000000 00      0   0  0
  [ 1] .text             PROGBITS        0000000000001000 000000 000002 00  AX  0   0  1
  [ 2] .rodata           PROGBITS        0000000000002000 000002 000002 00   A  0   0  1
  [13] .bss              NOBITS          0000000000003000 000004 000010 00  WA  0   0  1";

    #[test]
    fn the_section_that_differs_is_named() {
        assert_eq!(compare((LIST, LIST), [b"abcd", b"abcd"]), [""; 0]);
        assert_eq!(compare((LIST, LIST), [b"abcd", b"abcx"]), [".rodata"]);
        let without = LIST.replace(".rodata ", ".data   ");
        assert_eq!(
            compare((LIST, &without), [b"abcd", b"abcd"]),
            [".data", ".rodata"]
        );
    }
}
