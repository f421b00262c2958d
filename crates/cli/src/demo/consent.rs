//! The person at the consent page: in the browser, at the keyboard, or simulated by the program.

use std::convert::Infallible;

use matrix_qr_protocol::revision::Role;
use matrix_qr_sandbox::{Decision, Sandbox};

use super::context::{DemoContext, PlayedBy, once};
use crate::keyboard::Keyboard;

/// Decides as soon as a sign-in waits for a decision. Never returns.
pub(super) async fn person(context: &DemoContext<'_>, sandbox: &Sandbox) -> Infallible {
    let link = once(&context.link).await;
    let code = sandbox.next_pending().await;
    match context.person {
        PlayedBy::Program(time) => {
            tokio::time::sleep(time).await;
            context
                .view
                .act(Role::Existing, &format!("see {code} there, and agree"));
            sandbox.decide(&code, Decision::Allow);
        }
        // In the browser that shows the page.
        PlayedBy::Page(_) => {}
        PlayedBy::User(keyboard) => {
            context.view.announce(&format!(
                "The existing device would open this page, where you agree:\n\n  {link}\n"
            ));
            let mut agreed = context.agreed.subscribe();
            tokio::select! {
                _ = agreed.wait_for(|agreed| *agreed) => {}
                decision = ask(context, keyboard) => { sandbox.decide(&code, decision); }
            }
        }
    }
    std::future::pending().await
}

async fn ask(context: &DemoContext<'_>, keyboard: &Keyboard) -> Decision {
    let mut prompt = context
        .view
        .ask("Open it and agree there, or type y here to allow it, n to deny it: ");
    loop {
        let line = keyboard.line().await;
        let decision = match line.as_deref().map(|line| line.trim()) {
            Some("y" | "Y" | "yes") => Decision::Allow,
            Some("n" | "N" | "no") => Decision::Deny,
            None => {
                context.cancel.input_ended();
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
