//! Scripts that Redis runs. It caches them by the hash of their text, until it restarts.

use redis::Pipeline;

pub(super) struct LuaScript {
    hash: String,
    text: &'static str,
}

impl LuaScript {
    pub(super) fn new(text: &'static str) -> Self {
        Self {
            hash: redis::Script::new(text).get_hash().to_owned(),
            text,
        }
    }

    pub(super) fn by_hash(&self, key: &str, arguments: &[&[u8]]) -> Pipeline {
        call("EVALSHA", &self.hash, key, arguments)
    }

    /// Redis caches it from then on.
    pub(super) fn in_full(&self, key: &str, arguments: &[&[u8]]) -> Pipeline {
        call("EVAL", self.text, key, arguments)
    }
}

fn call(command: &str, script: &str, key: &str, arguments: &[&[u8]]) -> Pipeline {
    let mut call = Pipeline::with_capacity(1);
    call.cmd(command).arg(script).arg(1).arg(key).arg(arguments);
    call
}
