"""A real Redis Cluster on loopback: three masters, each with a replica unless that is not wanted."""

import itertools

from redis.crc import key_slot

from harness import Instance, free_ports, wait_until

MASTERS = 3
SLOTS = 16384


class Node(Instance):
    def __init__(self, folder, port, bus_port, node_timeout_ms):
        self.bus_port = bus_port
        super().__init__(folder, "--cluster-enabled", "yes", "--cluster-port", str(bus_port), "--cluster-node-timeout",
                         str(node_timeout_ms), "--cluster-replica-validity-factor", "0", "--repl-ping-replica-period", "1",
                         "--repl-diskless-sync-delay", "0", port=port)
        self.id = self.cluster("MYID")

    def cluster(self, *arguments):
        return self.client.execute_command("CLUSTER", *arguments)

    def is_alive(self):
        return self.process.poll() is None


class Cluster:
    def __init__(self, folder, node_timeout_ms=10000, replicas=True):
        self.copies = 2 if replicas else 1
        ports = free_ports(2 * self.copies * MASTERS)
        self.nodes = [Node(folder, port, bus_port, node_timeout_ms) for port, bus_port in zip(ports[::2], ports[1::2])]
        masters, replicas = self.nodes[:MASTERS], self.nodes[MASTERS:]
        for i, node in enumerate(self.nodes):
            node.cluster("SET-CONFIG-EPOCH", i + 1)
        for i, master in enumerate(masters):
            master.cluster("ADDSLOTSRANGE", i * SLOTS // MASTERS, (i + 1) * SLOTS // MASTERS - 1)
        for node, other in itertools.combinations(self.nodes, 2):  # all at once: gossip takes seconds
            node.cluster("MEET", "127.0.0.1", other.port, other.bus_port)
        wait_until(lambda: all(self.knows_all(node) for node in self.nodes), "the nodes know each other")
        for master, replica in zip(masters, replicas):
            replica.cluster("REPLICATE", master.id)
        self.wait_whole()

    def knows_all(self, node):
        lines = str(node.client.execute_command("CLUSTER NODES"))
        return all(other.id in lines for other in self.nodes) and "handshake" not in lines

    def state(self, node):
        return node.client.execute_command("CLUSTER INFO")["cluster_state"]

    def wait_whole(self):
        """Every slot has a master, and everybody knows of its replica, which follows it."""
        def is_whole():
            return all(
                self.state(node) == "ok" and
                all(len(entry) == 2 + self.copies for entry in self.slots(node)) and
                (node.role() == "master" or node.client.info("replication")["master_link_status"] == "up")
                for node in self.nodes)
        wait_until(is_whole, "the cluster is whole")

    @staticmethod
    def slots(node):
        """[first, last, [host, port, id, ...] of the master, of its replica ...] of every range."""
        connection = node.client.connection_pool.get_connection("CLUSTER")
        try:
            connection.send_command("CLUSTER", "SLOTS")
            return connection.read_response()
        finally:
            node.client.connection_pool.release(connection)

    def masters(self):
        return [node for node in self.nodes if node.is_alive() and node.role() == "master"]

    def owner(self, key):
        slot = key_slot(key.encode())
        first = next(node for node in self.nodes if node.is_alive())
        port = next(e[2][1] for e in self.slots(first) if e[0] <= slot <= e[1])
        return next(node for node in self.nodes if node.port == port)

    def move(self, key):
        """Moves the slot of the key, with all that is in it, to the next master."""
        slot, source = key_slot(key.encode()), self.owner(key)
        masters = self.masters()
        target = masters[(masters.index(source) + 1) % len(masters)]
        target.cluster("SETSLOT", slot, "IMPORTING", source.id)
        source.cluster("SETSLOT", slot, "MIGRATING", target.id)
        while keys := source.cluster("GETKEYSINSLOT", slot, 50):
            source.client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 60000, "KEYS", *keys)
        for node in [target, source, *masters]:
            node.cluster("SETSLOT", slot, "NODE", target.id)

    def stop(self):
        for node in self.nodes:
            node.kill()
