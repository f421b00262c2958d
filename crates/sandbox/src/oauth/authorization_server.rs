//! The state of the authorization server: clients, grants that wait for a person, and sessions with
//! their tokens.

use std::time::{Duration, Instant};

use super::{
    client::RegisteredClient,
    error::OAuthErrorResponse,
    grant::{Decision, Grant},
    scope::Scope,
    session::{Introspection, IssuedTokens, OAuthSession},
};
use crate::random;

/// More than any demonstration or test needs. An endless loop must not exhaust the machine's
/// memory.
const MOST_CLIENTS: usize = 1000;
const MOST_GRANTS: usize = 1000;

#[derive(Default)]
pub(crate) struct AuthorizationServer {
    clients: Vec<(String, RegisteredClient)>,
    grants: Vec<Grant>,
    sessions: Vec<OAuthSession>,
    polls: u32,
    revocations: Vec<String>,
}

impl AuthorizationServer {
    /// Equal metadata is the same client: MSC2966, "Potential issues".
    pub(crate) fn register(
        &mut self,
        client: RegisteredClient,
    ) -> Result<String, OAuthErrorResponse> {
        if let Some((id, _)) = self.clients.iter().find(|(_, known)| *known == client) {
            return Ok(id.clone());
        }
        if self.clients.len() >= MOST_CLIENTS {
            return Err(OAuthErrorResponse::overloaded());
        }
        let id = random::token()?;
        self.clients.push((id.clone(), client));
        Ok(id)
    }

    pub(crate) fn client(&self, client_id: &str) -> Result<&RegisteredClient, OAuthErrorResponse> {
        let known = self.clients.iter().find(|(id, _)| id == client_id);
        known
            .map(|(_, client)| client)
            .ok_or_else(|| OAuthErrorResponse::invalid_client("unknown client_id"))
    }

    /// RFC 8628, "Device Authorization Request". Expired grants are removed only when room is
    /// needed, so that a late poll receives `expired_token`.
    pub(crate) fn begin(
        &mut self,
        client_id: String,
        scope: Scope,
        expires: Instant,
        interval: Duration,
    ) -> Result<&mut Grant, OAuthErrorResponse> {
        if self.grants.len() >= MOST_GRANTS {
            let now = Instant::now();
            self.grants.retain(|grant| grant.expires > now);
        }
        if self.grants.len() >= MOST_GRANTS {
            return Err(OAuthErrorResponse::overloaded());
        }
        let grant = Grant {
            device_code: random::token()?,
            user_code: self.free_user_code()?,
            csrf: random::token()?,
            client_id,
            scope,
            expires,
            interval,
            model: None,
            last_poll: None,
            decision: None,
        };
        self.grants.push(grant);
        self.grants
            .last_mut()
            .ok_or_else(OAuthErrorResponse::overloaded)
    }

    fn free_user_code(&self) -> Result<String, OAuthErrorResponse> {
        loop {
            let code = random::user_code()?;
            if self.grants.iter().all(|grant| grant.user_code != code) {
                return Ok(code);
            }
        }
    }

    /// The grants that wait for the person's decision, oldest first.
    pub(crate) fn pending(&self, now: Instant) -> impl Iterator<Item = &Grant> {
        self.grants
            .iter()
            .filter(move |grant| grant.decision.is_none() && grant.expires > now)
    }

    /// The person's decision. False if no grant with this user code waits, or waits any longer.
    pub(crate) fn decide(&mut self, user_code: &str, decision: Decision) -> bool {
        let now = Instant::now();
        let waits = |grant: &&mut Grant| {
            grant.user_code == user_code && grant.decision.is_none() && grant.expires > now
        };
        self.grants
            .iter_mut()
            .find(waits)
            .map(|grant| grant.decision = Some(decision))
            .is_some()
    }

    pub(crate) fn count_poll(&mut self) {
        self.polls = self.polls.saturating_add(1);
    }

    /// A client's own grant, which a poll changes.
    pub(crate) fn grant(
        &mut self,
        device_code: &str,
        client_id: &str,
    ) -> Result<&mut Grant, OAuthErrorResponse> {
        let own =
            |grant: &&mut Grant| grant.device_code == device_code && grant.client_id == client_id;
        self.grants
            .iter_mut()
            .find(own)
            .ok_or_else(|| OAuthErrorResponse::invalid_grant("unknown or used device_code"))
    }

    /// Exchanges the grant for tokens and removes it: a device code works once.
    pub(crate) fn collect(
        &mut self,
        device_code: &str,
        lifetime: Duration,
    ) -> Result<IssuedTokens, OAuthErrorResponse> {
        let found = self
            .grants
            .iter()
            .position(|grant| grant.device_code == device_code);
        let index = found
            .ok_or_else(|| OAuthErrorResponse::invalid_grant("unknown or used device_code"))?;
        let grant = self.grants.remove(index);
        self.open_session(grant.client_id, grant.scope, lifetime)
    }

    pub(crate) fn open_session(
        &mut self,
        client_id: String,
        scope: Scope,
        lifetime: Duration,
    ) -> Result<IssuedTokens, OAuthErrorResponse> {
        let session = OAuthSession {
            client_id,
            device_id: scope.device_id,
            scope: scope.text,
            refresh_token: random::token()?,
            refreshed_with: None,
            access_token: random::token()?,
            expires: Instant::now() + lifetime,
            used: false,
            access_token_before: None,
        };
        let tokens = session.tokens(lifetime);
        self.sessions.push(session);
        Ok(tokens)
    }

    /// RFC 6749, "Refreshing an Access Token", with rotation: the old refresh token becomes invalid
    /// when the new access token is used.
    pub(crate) fn refresh(
        &mut self,
        refresh_token: &str,
        client_id: &str,
        lifetime: Duration,
    ) -> Result<IssuedTokens, OAuthErrorResponse> {
        let own = |session: &&mut OAuthSession| {
            session.client_id == client_id && session.takes(refresh_token)
        };
        let session = self.sessions.iter_mut().find(own);
        let session = session
            .ok_or_else(|| OAuthErrorResponse::invalid_grant("unknown or used refresh_token"))?;
        let (fresh, access_token) = (random::token()?, random::token()?);
        session.refresh_token = fresh;
        session.refreshed_with = Some(refresh_token.to_owned());
        session.access_token_before =
            Some(std::mem::replace(&mut session.access_token, access_token));
        session.expires = Instant::now() + lifetime;
        session.used = false;
        Ok(session.tokens(lifetime))
    }

    pub(crate) fn introspect(&mut self, access_token: &str, now: Instant) -> Introspection {
        let own = |session: &&mut OAuthSession| session.knows(access_token);
        let Some(session) = self.sessions.iter_mut().find(own) else {
            return Introspection::Unknown;
        };
        let left = session.expires.saturating_duration_since(now);
        if left.is_zero() || session.access_token != access_token {
            return Introspection::Expired;
        }
        session.used = true;
        let (device_id, scope) = (session.device_id.clone(), session.scope.clone());
        Introspection::Active {
            device_id,
            scope,
            left,
        }
    }

    /// The device that would have no session left if the session of this token ended. A token that
    /// has expired or was replaced counts as unknown: deployed servers end nothing for it.
    pub(crate) fn last_session_of(
        &self,
        token: &str,
        client_id: Option<&str>,
    ) -> Result<Option<String>, OAuthErrorResponse> {
        let now = Instant::now();
        let Some(ending) = self
            .sessions
            .iter()
            .find(|session| session.holds(token, now))
        else {
            return Ok(None);
        };
        if client_id.is_some_and(|id| id != ending.client_id) {
            return Err(OAuthErrorResponse::invalid_client(
                "the token is another client's",
            ));
        }
        let of_device = |session: &&OAuthSession| session.device_id == ending.device_id;
        let is_last = self.sessions.iter().filter(of_device).count() == 1;
        Ok(is_last.then(|| ending.device_id.clone()))
    }

    /// RFC 7009: ends the session of a token of either kind.
    pub(crate) fn revoke(&mut self, token: &str) {
        let now = Instant::now();
        if let Some(index) = self
            .sessions
            .iter()
            .position(|session| session.holds(token, now))
        {
            self.revocations.push(self.sessions.remove(index).device_id);
        }
    }

    /// The person has removed the device from the account.
    pub(crate) fn end_sessions_of(&mut self, device_id: &str) {
        self.sessions
            .retain(|session| session.device_id != device_id);
    }

    pub(crate) fn record(&self) -> (u32, Vec<String>) {
        (self.polls, self.revocations.clone())
    }
}
