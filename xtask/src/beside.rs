//! One thing beside another: what only computes runs while what mostly waits runs.

use std::{process::Command, thread, time::Instant};

use crate::run::TaskResult;

/// A task of this program.
pub(crate) struct SideTask {
    task: Command,
    name: String,
}

impl SideTask {
    /// With 19 as its niceness it runs when nothing else does. Before the tests are built: they build
    /// this program as well, and it cannot be asked for its path any more when it has been replaced.
    pub(crate) fn new(name: &str, niceness: u8) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut task = Command::new("nice");
        task.args(["-n", &niceness.to_string()])
            .arg(program)
            .arg(name);
        let name = format!("cargo xtask {name}");
        Ok(Self { task, name })
    }

    /// Does this, and beside it the task. Both are brought to their end, whatever the other one does.
    /// What the task says is shown when it has ended.
    pub(crate) fn beside(mut self, work: impl FnOnce() -> TaskResult) -> TaskResult {
        let (done, task) = thread::scope(|scope| {
            let task = scope.spawn(|| self.run());
            (work(), task.join())
        });
        let task = task.unwrap_or_else(|_| Err(format!("{}: a panic", self.name)));
        let failed: Vec<_> = [done, task].into_iter().filter_map(Result::err).collect();
        match failed.as_slice() {
            [] => Ok(()),
            failed => Err(failed.join("\n")),
        }
    }

    fn run(&mut self) -> TaskResult {
        let (start, name) = (Instant::now(), &self.name);
        let output = self.task.output();
        let output = output.map_err(|error| format!("{name}: {error}"))?;
        let seconds = start.elapsed().as_secs();
        let said = String::from_utf8_lossy(&output.stderr);
        eprintln!("-- {name}, in {seconds} s:\n{said}");
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{name} failed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_brought_to_their_end_and_both_failures_are_told() {
        // This program is the one with the tests: it has no such task.
        let task = SideTask::new("--no-such-option", 19).unwrap();
        let error = task.beside(|| Err("the work failed".to_owned()));
        let both = "the work failed\ncargo xtask --no-such-option failed";
        assert_eq!(error.unwrap_err(), both);
        let task = SideTask::new("--list", 19).unwrap();
        assert_eq!(task.beside(|| Ok(())), Ok(()));
    }
}
