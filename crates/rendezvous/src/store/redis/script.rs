//! Scripts that Redis runs. It remembers them by a name, the hash of their text, until it restarts.

use redis::Pipeline;

pub(super) struct LuaScript {
    name: String,
    text: &'static str,
}

impl LuaScript {
    pub(super) fn new(text: &'static str) -> Self {
        Self {
            name: redis::Script::new(text).get_hash().to_owned(),
            text,
        }
    }

    pub(super) fn by_name(&self, key: &str, arguments: &[&[u8]]) -> Pipeline {
        call("EVALSHA", &self.name, (key, arguments))
    }

    /// Redis remembers it from then on.
    pub(super) fn in_full(&self, key: &str, arguments: &[&[u8]]) -> Pipeline {
        call("EVAL", self.text, (key, arguments))
    }
}

fn call(command: &str, script: &str, (key, arguments): (&str, &[&[u8]])) -> Pipeline {
    let mut call = Pipeline::with_capacity(1);
    call.cmd(command).arg(script).arg(1).arg(key).arg(arguments);
    call
}
