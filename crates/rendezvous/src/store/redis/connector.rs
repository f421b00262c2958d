//! Connects to a single Redis, the main one of a Sentinel service, or a cluster.

use std::{future::Future, pin::Pin, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, Pipeline, ProtocolVersion, RedisConnectionInfo, RedisError, RedisResult,
    TlsCertificates, TlsMode,
    aio::{AsyncPushSender, MultiplexedConnection, PubSub},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    io::tcp::TcpSettings,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use tokio::sync::Mutex;

use super::{
    tls::{RedisCertificates, choose_provider},
    url::{Credentials, RedisUrl, Sentinels, ServerAddress, Topology},
};

/// How many commands may wait to be sent on the connection.
const QUEUE: usize = 1024;

pub(super) enum Connector {
    One(Client),
    /// Asked which server is the main one each time a connection is opened.
    Sentinel(Box<Mutex<SentinelClient>>),
    Cluster(ClusterNodes),
}

/// Some nodes of a cluster.
pub(super) struct ClusterNodes {
    nodes: Vec<Client>,
    certificates: Option<TlsCertificates>,
}

#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connector {
    pub(super) fn new(url: &RedisUrl, certificates: &RedisCertificates) -> RedisResult<Self> {
        if url.tls {
            choose_provider();
        }
        let certificates = certificates.to_redis();
        let node =
            |address: &ServerAddress| client(address.to_redis(url.tls), url, certificates.clone());
        match &url.topology {
            Topology::One(address) => node(address).map(Self::One),
            Topology::Socket(path) => {
                client(ConnectionAddr::Unix(path.clone()), url, None).map(Self::One)
            }
            Topology::Sentinel(sentinels) => {
                let client = sentinel(sentinels, url, certificates)?;
                Ok(Self::Sentinel(Box::new(Mutex::new(client))))
            }
            Topology::Cluster(addresses) => {
                let nodes = addresses.iter().map(node).collect::<RedisResult<_>>()?;
                Ok(Self::Cluster(ClusterNodes {
                    nodes,
                    certificates,
                }))
            }
        }
    }

    /// Opens a connection within this time. `on_push` is called at once when the connection is
    /// lost. Boxed, because the future is large, rarely needed, and part of every request's future.
    pub(super) fn connect(
        &self,
        time: Duration,
        on_push: impl AsyncPushSender,
    ) -> Pin<Box<dyn Future<Output = RedisResult<Connection>> + Send + '_>> {
        Box::pin(async move {
            let one = match self {
                Self::Cluster(nodes) => {
                    let cluster = nodes.cluster(time, on_push)?;
                    return Ok(Connection::Cluster(cluster.get_async_connection().await?));
                }
                Self::One(client) => client.clone(),
                Self::Sentinel(sentinel) => sentinel.lock().await.async_get_client().await?,
            };
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(time))
                .set_response_timeout(None)
                .set_pipeline_buffer_size(QUEUE)
                .set_push_sender(on_push);
            Ok(Connection::One(
                one.get_multiplexed_async_connection_with_config(&config)
                    .await?,
            ))
        })
    }

    /// Subscribes to a channel on a connection of its own. In a cluster every node delivers all
    /// messages.
    pub(super) async fn subscribe(&self, channel: &str) -> RedisResult<PubSub> {
        match self {
            Self::One(client) => subscribe(client, channel).await,
            Self::Sentinel(sentinel) => {
                let client = sentinel.lock().await.async_get_client().await?;
                subscribe(&client, channel).await
            }
            Self::Cluster(nodes) => nodes.subscribe(channel).await,
        }
    }
}

async fn subscribe(client: &Client, channel: &str) -> RedisResult<PubSub> {
    let mut subscription = client.get_async_pubsub().await?;
    subscription.subscribe(channel).await?;
    Ok(subscription)
}

impl ClusterNodes {
    /// No command is retried: if the connection is lost, nobody knows whether the command was
    /// executed, and a repeated write would be refused because of itself. So one command fails when
    /// a node has moved.
    fn cluster(&self, time: Duration, on_push: impl AsyncPushSender) -> RedisResult<ClusterClient> {
        let nodes = self
            .nodes
            .iter()
            .map(|node| node.get_connection_info().clone());
        let mut builder = ClusterClient::builder(nodes)
            .retries(0)
            .connection_timeout(time)
            .response_timeout(time)
            .tcp_settings(tcp())
            .push_sender(on_push);
        if let Some(certificates) = &self.certificates {
            builder = builder.certs(certificates.clone());
        }
        builder.build()
    }

    /// At the first node that responds.
    async fn subscribe(&self, channel: &str) -> RedisResult<PubSub> {
        let mut subscription = Err(RedisError::from((
            ErrorKind::InvalidClientConfig,
            "a cluster without nodes",
        )));
        for node in &self.nodes {
            subscription = subscribe(node, channel).await;
            if subscription.is_ok() {
                break;
            }
        }
        subscription
    }
}

impl Connection {
    pub(super) async fn ask<T: FromRedisValue>(&mut self, question: &Pipeline) -> RedisResult<T> {
        match self {
            Self::One(connection) => question.query_async(connection).await,
            Self::Cluster(connection) => question.query_async(connection).await,
        }
    }
}

impl ServerAddress {
    fn to_redis(&self, tls: bool) -> ConnectionAddr {
        let Self { host, port } = self.clone();
        if tls {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }
}

/// RESP3, because it reports when a connection is lost. Does not send the library's name, which
/// would require a permission (`+client`).
fn client(
    address: ConnectionAddr,
    url: &RedisUrl,
    certificates: Option<TlsCertificates>,
) -> RedisResult<Client> {
    let mut settings = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_db(url.database.into())
        .set_skip_set_lib_name();
    if let Some(Credentials { user, password }) = &url.credentials {
        settings = settings.set_password(password.as_str());
        if let Some(user) = user {
            settings = settings.set_username(user.as_str());
        }
    }
    let info: ConnectionInfo = address.into_connection_info()?;
    let info = info.set_redis_settings(settings).set_tcp_settings(tcp());
    match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    }
}

fn sentinel(
    sentinels: &Sentinels,
    url: &RedisUrl,
    certificates: Option<TlsCertificates>,
) -> RedisResult<SentinelClient> {
    let addresses: Vec<_> = sentinels
        .addresses
        .iter()
        .map(|address| address.to_redis(url.tls))
        .collect();
    let mut builder =
        SentinelClientBuilder::new(addresses, &sentinels.service, SentinelServerType::Master)?
            .set_client_to_redis_protocol(ProtocolVersion::RESP3)
            .set_client_to_redis_db(url.database.into())
            .set_client_to_redis_tcp_settings(tcp());
    if url.tls {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        builder = builder.set_client_to_sentinel_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        builder = builder.set_client_to_redis_certificates(certificates.clone());
        builder = builder.set_client_to_sentinel_certificates(certificates);
    }
    if let Some(Credentials { user, password }) = &url.credentials {
        builder = builder.set_client_to_redis_password(password.as_str());
        if let Some(user) = user {
            builder = builder.set_client_to_redis_username(user.as_str());
        }
    }
    if let Some(Credentials { user, password }) = &sentinels.credentials {
        builder = builder.set_client_to_sentinel_password(password.as_str());
        if let Some(user) = user {
            builder = builder.set_client_to_sentinel_username(user.as_str());
        }
    }
    builder.build()
}

fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}
