//! One Redis or a cluster of them, and connections to it.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, FromRedisValue, IntoConnectionInfo, Pipeline,
    ProtocolVersion, RedisResult,
    aio::{AsyncPushSender, MultiplexedConnection, PubSub},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    io::tcp::TcpSettings,
};

/// In front of the URL of any node of a cluster.
const CLUSTER: &str = "redis+cluster://";

/// How many questions may be on their way to the connection before the next one waits.
const QUEUE: usize = 1024;

pub(super) enum Engine {
    One(Client),
    /// By one of its nodes.
    Cluster(Client),
}

#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Engine {
    pub(super) fn new(url: &str) -> RedisResult<Self> {
        match url.strip_prefix(CLUSTER) {
            Some(node) => client(&format!("redis://{node}")).map(Self::Cluster),
            None => client(url).map(Self::One),
        }
    }

    /// A connection that is made within this time, and `hear`s at once when it is lost.
    pub(super) async fn connect(
        &self,
        time: Duration,
        hear: impl AsyncPushSender,
    ) -> RedisResult<Connection> {
        match self {
            Self::One(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(time))
                    .set_response_timeout(None)
                    .set_pipeline_buffer_size(QUEUE)
                    .set_push_sender(hear);
                let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                Ok(Connection::One(connection))
            }
            Self::Cluster(node) => {
                let cluster = cluster(node.get_connection_info(), time, hear)?;
                Ok(Connection::Cluster(cluster.get_async_connection().await?))
            }
        }
    }

    /// A connection that hears what is said on a channel. In a cluster any node hears it all.
    pub(super) async fn subscribe(&self, channel: &str) -> RedisResult<PubSub> {
        let (Self::One(client) | Self::Cluster(client)) = self;
        let mut subscription = client.get_async_pubsub().await?;
        subscription.subscribe(channel).await?;
        Ok(subscription)
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

/// RESP3, because it says when a connection is lost.
fn client(url: &str) -> RedisResult<Client> {
    let info = url.into_connection_info()?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Client::open(info.set_redis_settings(settings).set_tcp_settings(tcp()))
}

/// A question is asked once: of one that was lost with a connection nobody knows whether it was heard, and a write that is
/// tried again would be refused because of itself. So a node that has moved costs one question its answer.
fn cluster(node: &ConnectionInfo, time: Duration, hear: impl AsyncPushSender) -> RedisResult<ClusterClient> {
    ClusterClient::builder([node.clone()])
        .retries(0)
        .connection_timeout(time)
        .response_timeout(time)
        .tcp_settings(tcp())
        .push_sender(hear)
        .build()
}

fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}
