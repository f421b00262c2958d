//! `session`, `token` and `logout`: the device that is signed in here.

mod logout;
mod session;
mod token;

pub(crate) use self::{
    logout::logout,
    session::session,
    token::{token, token_facts},
};
