//! What Redis removes when it is full.

use std::time::Duration;

use redis::{Pipeline, RedisError, RedisResult};
use tokio::time::sleep;

use super::{error::unavailable, shared_connection::SharedConnection};

/// How long until it is asked again, while it cannot be reached.
const PAUSE: Duration = Duration::from_secs(5);

/// The only one that removes nothing. Every session has a time to live, so also those that remove
/// only such keys (`volatile-...`) remove sessions that live.
const RIGHT: &str = "noeviction";

/// Looks once, and warns. A user that may not ask is no trouble.
pub(super) async fn warn_once(connection: &SharedConnection) {
    let mut question = Pipeline::with_capacity(1);
    question.cmd("INFO").arg("memory");
    loop {
        let answer: RedisResult<(String,)> = connection.ask_quietly(&question).await;
        match answer {
            Ok((memory,)) => return warn(&memory),
            Err(error) if error.is_io_error() => sleep(PAUSE).await,
            Err(error) => return not_known(&error),
        }
    }
}

fn warn(memory: &str) {
    match wrong(memory) {
        Some(policy) => tracing::warn!(
            maxmemory_policy = policy,
            "Redis removes sessions that live when its memory is full: set maxmemory-policy to noeviction"
        ),
        None => tracing::debug!("Redis removes no session that lives"),
    }
}

fn not_known(error: &RedisError) {
    tracing::debug!(
        code = unavailable(error).code(),
        "Redis does not say what it removes when it is full"
    );
}

/// The policy, if it can remove sessions. Without a bound on its memory Redis removes nothing.
fn wrong(memory: &str) -> Option<&str> {
    let value = |name: &str| {
        memory
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    value("maxmemory").filter(|most| *most != "0")?;
    value("maxmemory_policy").filter(|policy| *policy != RIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bound_with_a_policy_that_removes_is_wrong() {
        let info = |most: &str, policy: &str| {
            format!(
                "# Memory\r\nused_memory:1\r\nmaxmemory:{most}\r\nmaxmemory_human:1M\r\nmaxmemory_policy:{policy}\r\n"
            )
        };
        for policy in [
            "allkeys-lru",
            "allkeys-random",
            "volatile-lru",
            "volatile-ttl",
            "something-new",
        ] {
            assert_eq!(wrong(&info("1048576", policy)), Some(policy));
            assert_eq!(wrong(&info("0", policy)), None);
        }
        assert_eq!(wrong(&info("1048576", "noeviction")), None);
        assert_eq!(wrong(""), None);
    }
}
