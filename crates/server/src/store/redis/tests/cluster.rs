//! A Redis Cluster of one's own.

use super::redis_server::RedisServer;

/// Two masters with half of the slots each.
pub(super) struct RedisCluster {
    nodes: Vec<RedisServer>,
    ports: Vec<u16>,
}

impl RedisCluster {
    pub(super) fn start() -> Self {
        let mut cluster = Self { nodes: Vec::new(), ports: Vec::new() };
        for slots in [["0", "8191"], ["8192", "16383"]] {
            let [port, bus] = free_ports();
            let (port_text, bus_text) = (port.to_string(), bus.to_string());
            let ports = ["--port", &port_text, "--cluster-port", &bus_text, "--bind", "127.0.0.1"];
            let node = RedisServer::with(&[&ports[..], &["--cluster-enabled", "yes"]].concat());
            node.ask::<()>(redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(&slots));
            if let Some(first) = cluster.nodes.first() {
                // Two epochs that differ, or they would have to settle that first.
                node.ask::<()>(redis::cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(2));
                first.ask::<()>(redis::cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(port).arg(bus));
            } else {
                node.ask::<()>(redis::cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(1));
            }
            cluster.nodes.push(node);
            cluster.ports.push(port);
        }
        let knows_all =
            |node: &RedisServer| node.ask::<String>(redis::cmd("CLUSTER").arg("INFO")).contains("cluster_state:ok");
        while !cluster.nodes.iter().all(knows_all) {
            std::thread::yield_now();
        }
        cluster
    }

    pub(super) fn address(&self) -> String {
        let nodes: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// How many keys each node has.
    pub(super) fn keys(&self) -> Vec<u64> {
        self.nodes.iter().map(|node| node.ask(&redis::cmd("DBSIZE"))).collect()
    }
}

/// As many as are wanted; nobody has them at the moment.
pub(super) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
