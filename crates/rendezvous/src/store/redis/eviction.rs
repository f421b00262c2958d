//! Warns if Redis may evict sessions when its memory is full.

use std::time::Duration;

use redis::{Pipeline, RedisError, RedisResult};
use tokio::time::sleep;

use super::{error::unavailable, shared_connection::SharedConnection};

/// The pause between two attempts, while Redis cannot be reached.
const PAUSE: Duration = Duration::from_secs(5);

/// The only policy that removes nothing. Every session has a time to live, so policies that only
/// remove such keys (`volatile-...`) remove live sessions too.
const NO_EVICTION: &str = "noeviction";

/// Checks once, and warns. Lacking the permission to check is not an error.
pub(super) async fn warn_once(connection: &SharedConnection) {
    let mut info = Pipeline::with_capacity(1);
    info.cmd("INFO").arg("memory");
    loop {
        let response: RedisResult<(String,)> = connection.ask_quietly(&info).await;
        match response {
            Ok((memory,)) => return warn(&memory),
            Err(error) if error.is_io_error() => sleep(PAUSE).await,
            Err(error) => return log_unknown(&error),
        }
    }
}

fn warn(memory: &str) {
    match evicting_policy(memory) {
        Some(policy) => tracing::warn!(
            maxmemory_policy = policy,
            "Redis evicts live sessions when its memory is full: set maxmemory-policy to noeviction"
        ),
        None => tracing::debug!("Redis evicts no live sessions"),
    }
}

fn log_unknown(error: &RedisError) {
    tracing::debug!(
        code = unavailable(error).code(),
        "Redis does not report its eviction policy"
    );
}

/// The policy, if it can remove sessions. Without a memory limit Redis removes nothing.
fn evicting_policy(memory: &str) -> Option<&str> {
    let value = |name: &str| {
        memory
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    value("maxmemory").filter(|most| *most != "0")?;
    value("maxmemory_policy").filter(|policy| *policy != NO_EVICTION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_memory_limit_with_an_evicting_policy_is_wrong() {
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
            assert_eq!(evicting_policy(&info("1048576", policy)), Some(policy));
            assert_eq!(evicting_policy(&info("0", policy)), None);
        }
        assert_eq!(evicting_policy(&info("1048576", "noeviction")), None);
        assert_eq!(evicting_policy(""), None);
    }
}
