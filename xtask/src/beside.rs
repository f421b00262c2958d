//! One thing beside another: what only computes runs while what mostly waits runs.

use std::{process::Command, thread};

use crate::run::TaskResult;

/// A task of this program.
pub(crate) struct SideTask {
    task: Command,
    name: String,
}

impl SideTask {
    /// Before the tests are built: they build this program as well, and it cannot be asked for its
    /// path any more when it has been replaced.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut task = Command::new("nice");
        task.args(["-n", "19"]).arg(program).arg(name);
        let name = format!("cargo xtask {name}");
        Ok(Self { task, name })
    }

    /// Does this, and beside it the task at the lowest priority. Both are brought to their end, whatever
    /// the other one does. What the task says is shown when both have ended.
    pub(crate) fn beside(mut self, work: impl FnOnce() -> TaskResult) -> TaskResult {
        let (done, output) = thread::scope(|scope| {
            let task = scope.spawn(|| self.task.output());
            (work(), task.join())
        });
        let name = self.name;
        let output = output.map_err(|_| format!("{name}: a panic"))?;
        let output = output.map_err(|error| format!("{name}: {error}"))?;
        eprintln!("-- {name}:\n{}", String::from_utf8_lossy(&output.stderr));
        let failed = [
            done.err(),
            (!output.status.success()).then(|| format!("{name} failed")),
        ];
        match failed.into_iter().flatten().collect::<Vec<_>>().as_slice() {
            [] => Ok(()),
            failed => Err(failed.join("\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_brought_to_their_end_and_both_failures_are_told() {
        // This program is the one with the tests: it has no such task.
        let task = SideTask::new("--no-such-option").unwrap();
        let error = task.beside(|| Err("the work failed".to_owned()));
        let both = "the work failed\ncargo xtask --no-such-option failed";
        assert_eq!(error.unwrap_err(), both);
        let task = SideTask::new("--list").unwrap();
        assert_eq!(task.beside(|| Ok(())), Ok(()));
    }
}
