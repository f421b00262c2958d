//! Looks names up with the system, and distinguishes a name without an address from a server that
//! does not answer.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The system's own lookup, with an error that can be found again among the causes of a failed
/// request.
#[derive(Debug)]
pub(super) struct SystemNames;

/// The name has no address, or the lookup itself failed.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address")]
pub(super) struct NoAddress;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

pub(super) async fn addresses(name: &str) -> Result<Vec<SocketAddr>, NoAddress> {
    let found: Vec<_> = tokio::net::lookup_host((name, 0))
        .await
        .map_err(|_| NoAddress)?
        .collect();
    if found.is_empty() {
        Err(NoAddress)
    } else {
        Ok(found)
    }
}
