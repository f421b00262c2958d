//! The README's first command, with nothing compiled before: how much processor time it takes until
//! a device is signed in.

use std::{
    fs,
    io::{self, ErrorKind},
    process::{Command, Stdio},
};

use crate::{
    error::BenchError,
    options::BenchOptions,
    report::{BenchReport, BenchRow},
};

pub(crate) const ROWS: [&str; 1] = ["first command: processor time"];

/// From the root of the checkout, as for every task.
const PLACE: &str = "target/first-command";

/// How the kernel counts processor time in `/proc`, on every architecture: `USER_HZ`.
const TICKS_PER_MINUTE: f64 = 60.0 * 100.0;

pub(crate) async fn measure(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    let [row] = ROWS;
    if options.quick {
        let note = "not in a quick run: it compiles everything".to_owned();
        report.add(BenchRow::without(row, note));
        return Ok(());
    }
    empty()?;
    let before = minutes_of_children()?;
    let mut command = Command::new("cargo");
    command
        .args(["run", "--locked", "--quiet", "--package", "matrix-qr"])
        .args(["--target-dir", PLACE, "--", "demo", "--auto"])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if !tokio::task::spawn_blocking(move || command.status())
        .await??
        .success()
    {
        return Err(BenchError::NoSignIn);
    }
    let minutes = minutes_of_children()? - before;
    empty()?;
    report.add(BenchRow::new(row, minutes, "CPU minutes").at_most(12.0));
    Ok(())
}

fn empty() -> io::Result<()> {
    match fs::remove_dir_all(PLACE) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The processor time of all processes that this one has waited for, and of those that they have
/// waited for.
fn minutes_of_children() -> Result<f64, BenchError> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    Ok(of_children(&stat).ok_or_else(|| io::Error::other("/proc reports no processor time"))?)
}

/// `cutime` and `cstime` in proc(5): the 16th and 17th field. The second is the program's name in
/// parentheses, which may have spaces in it.
fn of_children(stat: &str) -> Option<f64> {
    let (_, from_third) = stat.rsplit_once(')')?;
    let mut ticks = from_third.split_whitespace().skip(13);
    let mut next = || ticks.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS_PER_MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_read_whatever_the_name_is() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 500 600 5000 1000 20 0 1";
        assert_eq!(of_children(stat), Some(1.0));
        assert_eq!(of_children("7 (a) S 1"), None);
    }
}
