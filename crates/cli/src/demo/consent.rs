//! The person at the consent page: in the browser, at the keyboard, or played.

use std::convert::Infallible;

use matrix_qr_protocol::revision::Role;
use matrix_qr_sandbox::{Decision, Sandbox};

use super::stage::{Played, Stage, once};
use crate::keyboard::Keyboard;

/// Decides once there is something to decide; then does nothing for ever.
pub(super) async fn person(stage: &Stage<'_>, sandbox: &Sandbox) -> Infallible {
    let link = once(&stage.link).await;
    let code = sandbox.next_pending().await;
    match stage.person {
        Played::Takes(time) => {
            tokio::time::sleep(time).await;
            stage.board.act(Role::Existing, &format!("see {code} there, and agree"));
            sandbox.decide(&code, Decision::Allow);
        }
        Played::ByYou(keyboard) => {
            stage.board.announce(&format!(
                "The existing device would open this page, where you agree:\n\n  {link}\n"
            ));
            let mut agreed = stage.agreed.subscribe();
            tokio::select! {
                _ = agreed.wait_for(|agreed| *agreed) => {}
                decision = ask(stage, keyboard) => { sandbox.decide(&code, decision); }
            }
        }
    }
    std::future::pending().await
}

async fn ask(stage: &Stage<'_>, keyboard: &Keyboard) -> Decision {
    let mut prompt = stage.board.ask("Open it and agree there, or type y here to allow it, n to deny it: ");
    loop {
        let line = keyboard.line().await;
        let decision = match line.as_deref().map(|line| line.trim()) {
            Some("y" | "Y" | "yes") => Decision::Allow,
            Some("n" | "N" | "no") => Decision::Deny,
            None => {
                stage.cancel.input_ended();
                return std::future::pending().await;
            }
            Some(_) => {
                prompt.again();
                continue;
            }
        };
        prompt.answered();
        return decision;
    }
}
