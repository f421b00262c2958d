//! What the authorization server remembers: clients, grants that wait for a person, and sessions
//! with their tokens.

use std::time::{Duration, Instant};

use super::{OAuthError, register::Client, scope::Scope};
use crate::random;

/// RFC 8628, "Device Access Token Response": what `slow_down` adds to the interval, for good.
const SLOW_DOWN_STEP: Duration = Duration::from_secs(5);
/// The network may bring two polls closer together than they were sent.
const POLL_TOLERANCE: Duration = Duration::from_millis(50);
/// More than any demo or test needs; a loop that forgets to stop must not eat the machine's memory.
const MOST_CLIENTS: usize = 1000;
const MOST_GRANTS: usize = 1000;

#[derive(Default)]
pub(crate) struct Authority {
    clients: Vec<(String, Client)>,
    grants: Vec<Grant>,
    sessions: Vec<Session>,
    polls: u32,
    revocations: Vec<String>,
}

/// A device authorization (RFC 8628): asked for by a new device, decided by a person, collected
/// once.
pub(crate) struct Grant {
    pub(crate) device_code: String,
    pub(crate) user_code: String,
    /// Proves to the consent form that it was served by us.
    pub(crate) csrf: String,
    pub(crate) client_id: String,
    pub(crate) scope: Scope,
    pub(crate) expires: Instant,
    pub(crate) interval: Duration,
    /// What the device says that it is.
    pub(crate) model: Option<String>,
    last_poll: Option<Instant>,
    decision: Option<Decision>,
}

/// What the person answers on the consent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The other device is signed in.
    Allow,
    /// It is not: `access_denied`.
    Deny,
}

/// One sign-in: a client, as a device, with the tokens that live.
struct Session {
    client_id: String,
    device_id: String,
    scope: String,
    refresh_token: String,
    /// The refresh token before. It can be used again as long as nobody has used what it was
    /// exchanged for: the answer may have been lost. Deployed servers allow that, too.
    refreshed_with: Option<String>,
    access_token: String,
    expires: Instant,
    /// Whether the access token has been used.
    used: bool,
    /// The access token before. It is void; a token that was ours is told apart from one that never
    /// was.
    access_token_before: Option<String>,
}

/// Freshly issued, to be handed to the client.
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) lifetime: Duration,
    pub(crate) scope: String,
    pub(crate) client_id: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Introspection {
    /// `left` is how long it will be that.
    Active {
        device_id: String,
        scope: String,
        left: Duration,
    },
    Expired,
    Unknown,
}

impl Authority {
    /// Equal metadata, equal client: MSC2966, "Potential issues".
    pub(crate) fn register(&mut self, client: Client) -> Result<String, OAuthError> {
        if let Some((id, _)) = self.clients.iter().find(|(_, known)| *known == client) {
            return Ok(id.clone());
        }
        if self.clients.len() >= MOST_CLIENTS {
            return Err(OAuthError::overloaded());
        }
        let id = random::token()?;
        self.clients.push((id.clone(), client));
        Ok(id)
    }

    pub(crate) fn client(&self, client_id: &str) -> Result<&Client, OAuthError> {
        let known = self.clients.iter().find(|(id, _)| id == client_id);
        known
            .map(|(_, client)| client)
            .ok_or_else(|| OAuthError::invalid_client("unknown client_id"))
    }

    /// RFC 8628, "Device Authorization Request". Expired grants make room only now, so that a late
    /// poll hears `expired_token`.
    pub(crate) fn begin(
        &mut self,
        client_id: String,
        scope: Scope,
        times: (Instant, Duration),
    ) -> Result<&mut Grant, OAuthError> {
        let (expires, interval) = times;
        if self.grants.len() >= MOST_GRANTS {
            let now = Instant::now();
            self.grants.retain(|grant| grant.expires > now);
        }
        if self.grants.len() >= MOST_GRANTS {
            return Err(OAuthError::overloaded());
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
        self.grants.last_mut().ok_or_else(OAuthError::overloaded)
    }

    fn free_user_code(&self) -> Result<String, OAuthError> {
        loop {
            let code = random::user_code()?;
            if self.grants.iter().all(|grant| grant.user_code != code) {
                return Ok(code);
            }
        }
    }

    /// Grants that wait for the person, oldest first.
    pub(crate) fn pending(&self, now: Instant) -> impl Iterator<Item = &Grant> {
        self.grants
            .iter()
            .filter(move |grant| grant.decision.is_none() && grant.expires > now)
    }

    /// The person's answer. False when nothing (any longer) waits under that code.
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

    /// A client's own grant, for what a poll does to it.
    pub(crate) fn grant(
        &mut self,
        device_code: &str,
        client_id: &str,
    ) -> Result<&mut Grant, OAuthError> {
        let own =
            |grant: &&mut Grant| grant.device_code == device_code && grant.client_id == client_id;
        self.grants
            .iter_mut()
            .find(own)
            .ok_or_else(|| OAuthError::invalid_grant("unknown or used device_code"))
    }

    /// The grant is used up by it: a device code works once.
    pub(crate) fn collect(
        &mut self,
        device_code: &str,
        lifetime: Duration,
    ) -> Result<Tokens, OAuthError> {
        let found = self
            .grants
            .iter()
            .position(|grant| grant.device_code == device_code);
        let index =
            found.ok_or_else(|| OAuthError::invalid_grant("unknown or used device_code"))?;
        let grant = self.grants.remove(index);
        self.open_session(grant.client_id, grant.scope, lifetime)
    }

    pub(crate) fn open_session(
        &mut self,
        client_id: String,
        scope: Scope,
        lifetime: Duration,
    ) -> Result<Tokens, OAuthError> {
        let session = Session {
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

    /// RFC 6749, "Refreshing an Access Token", with rotation: once what it was exchanged for is
    /// used, the old refresh token is worth nothing.
    pub(crate) fn refresh(
        &mut self,
        refresh_token: &str,
        client_id: &str,
        lifetime: Duration,
    ) -> Result<Tokens, OAuthError> {
        let own =
            |session: &&mut Session| session.client_id == client_id && session.takes(refresh_token);
        let session = self.sessions.iter_mut().find(own);
        let session =
            session.ok_or_else(|| OAuthError::invalid_grant("unknown or used refresh_token"))?;
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
        let own = |session: &&mut Session| session.knows(access_token);
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

    /// Which device would have no session any more, if the session of this token ended. A token
    /// that has expired or was replaced is as good as unknown: deployed servers end nothing for it.
    pub(crate) fn last_session_of(
        &self,
        token: &str,
        client_id: Option<&str>,
    ) -> Result<Option<String>, OAuthError> {
        let now = Instant::now();
        let Some(ending) = self
            .sessions
            .iter()
            .find(|session| session.holds(token, now))
        else {
            return Ok(None);
        };
        if client_id.is_some_and(|id| id != ending.client_id) {
            return Err(OAuthError::invalid_client("the token is another client's"));
        }
        let of_device = |session: &&Session| session.device_id == ending.device_id;
        let is_last = self.sessions.iter().filter(of_device).count() == 1;
        Ok(is_last.then(|| ending.device_id.clone()))
    }

    /// RFC 7009, for either kind of token: its session ends.
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

    /// The person has removed the device in the account.
    pub(crate) fn end_sessions_of(&mut self, device_id: &str) {
        self.sessions
            .retain(|session| session.device_id != device_id);
    }

    pub(crate) fn record(&self) -> (u32, Vec<String>) {
        (self.polls, self.revocations.clone())
    }
}

impl Session {
    fn tokens(&self, lifetime: Duration) -> Tokens {
        Tokens {
            access_token: self.access_token.clone(),
            refresh_token: self.refresh_token.clone(),
            lifetime,
            scope: self.scope.clone(),
            client_id: self.client_id.clone(),
        }
    }

    /// Whether it can be refreshed with this token.
    fn takes(&self, refresh_token: &str) -> bool {
        let again = || !self.used && self.refreshed_with.as_deref() == Some(refresh_token);
        self.refresh_token == refresh_token || again()
    }

    /// Whether it is, or was a moment ago, this session's access token.
    fn knows(&self, access_token: &str) -> bool {
        self.access_token == access_token
            || self.access_token_before.as_deref() == Some(access_token)
    }

    /// Whether this token, of either kind, is good for anything.
    fn holds(&self, token: &str, now: Instant) -> bool {
        self.refresh_token == token || (self.access_token == token && self.expires > now)
    }
}

impl Grant {
    /// RFC 8628, "Device Access Token Response": `Ok` when the tokens may be collected.
    pub(crate) fn poll(&mut self, now: Instant) -> Result<(), OAuthError> {
        let too_soon = |last: Instant| now.duration_since(last) + POLL_TOLERANCE < self.interval;
        let too_soon = self.last_poll.replace(now).is_some_and(too_soon);
        if now >= self.expires {
            return Err(OAuthError::expired_token());
        }
        if too_soon {
            return Err(self.slow_down());
        }
        match self.decision {
            None => Err(OAuthError::authorization_pending()),
            Some(Decision::Deny) => Err(OAuthError::access_denied()),
            Some(Decision::Allow) => Ok(()),
        }
    }

    pub(crate) fn slow_down(&mut self) -> OAuthError {
        self.interval += SLOW_DOWN_STEP;
        OAuthError::slow_down()
    }

    pub(crate) fn deny(&mut self) {
        self.decision = Some(Decision::Deny);
    }
}
