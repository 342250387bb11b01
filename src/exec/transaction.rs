//! MULTI's queue, run as one unit under the locks of EXEC.

use super::step::Step;
use crate::commands::cx::Outcome;
use crate::commands::error::CmdError;

/// Runs the queued commands of a session whose EXEC was accepted, and ends the transaction.
pub fn run(step: &mut Step) {
    let Some(transaction) = step.session.transaction.take() else {
        return;
    };
    step.reply.array(transaction.commands.len());
    for queued in &transaction.commands {
        let before = step.reply.len_bytes();
        let outcome = step.call(queued.id, queued.command.argv(), None, true);
        let known = step.engine.registry.get(queued.id);
        let refusal = match outcome {
            Outcome::Done => continue,
            // Handlers answer for themselves when they may not wait.
            _ => CmdError::err(format!(
                "Command '{}' is not allowed inside a transaction",
                known.spec.name
            )),
        };
        step.reply.truncate(before);
        refusal.write(step.reply);
    }
}
