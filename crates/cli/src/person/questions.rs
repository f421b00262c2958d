//! Questions that a line answers. One that is not needed any more leaves the screen.

use serde_json::Value;
use zeroize::Zeroizing;

use super::Terminal;
use crate::{keyboard, output::Output};

impl Terminal {
    /// The answer without white space around it; nothing when the input has ended.
    pub(crate) async fn ask(&self, prompt: &str, question: Value) -> Option<Zeroizing<String>> {
        self.screen.clear();
        self.keyboard.forget().await;
        self.out.event(question);
        self.out.prompt(prompt);
        let mut open = OpenQuestion(Some(self.out));
        let line = self.keyboard.line().await;
        // The person's own Enter ended the line, where it was seen.
        if line.is_some() && keyboard::is_terminal() {
            open.0 = None;
        }
        line.map(|line| Zeroizing::new(line.trim().to_owned()))
    }

    /// Anything but a yes is a no; nothing when the input has ended.
    pub(crate) async fn agrees(&self, prompt: &str, question: Value) -> Option<bool> {
        let answer = self.ask(prompt, question).await?;
        Some(
            ["y", "yes"]
                .iter()
                .any(|yes| answer.eq_ignore_ascii_case(yes)),
        )
    }
}

/// A question whose line has not ended yet.
struct OpenQuestion(Option<Output>);

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        if let Some(out) = self.0 {
            // What follows, an error perhaps, begins on a line of its own.
            out.say("");
        }
    }
}
