"""The chapter's swarm on three machines, and what stands for the services of bigger clusters.

    master   (10.99.0.1)   init, all commands
    node1    (10.99.0.2)   joins with the line that init prints
    node2    (10.99.0.3)   joins as a second manager

Each machine pulls for itself, from the hub. Both clients work on the same machines, one after the
other: in between all leave the swarm and lose the private images.
"""

import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.client import Client
from acceptance.public import PASSWORD, Public
from acceptance.table import row
from integration.swarm.doors import Doors
from integration.swarm.faults import until
from integration.swarm.lab import Lab, LabNode

# the first test of a session may have to make the base images
pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]

PRIVATE = "miguelgrinberg/site"
STACK = """
version: "3.7"
services:
  web:
    image: nginx
    command: sh -c 'cp /run/secrets/greeting /usr/share/nginx/html/index.html;
      exec nginx -g "daemon off;"'
    ports: ["8081:80"]
    secrets: [greeting]
    stop_grace_period: 1s
    deploy: {replicas: 3}
secrets:
  greeting: {external: true}
"""


class Cluster:
    """The machines, and who works at them with which program."""

    def __init__(self, lab: Lab, program: str) -> None:
        self.nodes = lab.nodes
        self.users = {
            node.name: Client(program, node.host, node.home / f"user-{program}")
            for node in lab.nodes
        }
        self.master, self.node1, self.node2 = lab.nodes
        self.join_line = ""

    def run(self, line: str, *, at: LabNode | None = None, **options: object) -> str:
        return self.users[(at or self.master).name].run(line, **options)

    def port(self, wanted: int) -> int:
        return self.users[self.master.name].port(wanted)

    def running(self, service: str) -> list[str]:
        """The nodes that its tasks run on."""
        shape = "{{.Node}} {{.CurrentState}}"
        line = f"docker service ps {service} -f desired-state=running --format '{shape}'"
        rows = [row.split() for row in self.run(line).splitlines()]
        return [node for node, state, *_ in rows if state == "Running"]

    def pages(self, port: int, count: int = 3) -> Counter[bytes]:
        """What the nodes answer on a published port, asked from each of them."""
        found: Counter[bytes] = Counter()
        for node in self.nodes:
            for _ in range(count):
                answer = node.fetch(self.port(port))
                assert b" 200 OK" in answer, answer
                found[answer.split(b"\r\n\r\n", 1)[1].strip()] += 1
        return found


@pytest.fixture(scope="module")
def lab(public: Public) -> Iterator[Lab]:
    with Lab(3, *public.options()) as made, Doors(made.wires, public.port):
        yield made


@pytest.fixture(scope="module")
def cluster(lab: Lab, cli: str) -> Iterator[Cluster]:
    yield Cluster(lab, cli)
    for node in reversed(lab.nodes):
        node.docker("swarm", "leave", "--force")
        private = node.docker("images", "-q", PRIVATE).stdout.split()
        if private:
            node.docker("rmi", "-f", *set(private))


@row("B16")
def test_init_makes_the_leader_and_prints_how_to_join(cluster: Cluster) -> None:
    address = cluster.master.address
    shown = cluster.run(f"docker swarm init --advertise-addr {address}")
    assert re.match(r"Swarm initialized: current node \(\w{25}\) is now a manager\.", shown)
    found = re.search(
        rf"^ +(\w+ swarm join --token SWMTKN-1-\w{{50}}-\w{{25}} {address}:2377)$",
        shown,
        re.MULTILINE,
    )
    assert found, shown
    cluster.join_line = re.sub(r"^\w+", "docker", found[1])


@row("B15")
def test_the_machines_reach_each_other_s_ports(cluster: Cluster) -> None:
    where = (cluster.master.address, 2377)
    cluster.node1.call(lambda: socket.create_connection(where, timeout=5).close())


@row("B18")
def test_another_machine_joins_with_the_printed_line(cluster: Cluster) -> None:
    shown = cluster.run(cluster.join_line, at=cluster.node1)
    assert shown.strip() == "This node joined a swarm as a worker."
    refused = cluster.run("docker node ls", at=cluster.node1, status=1)
    assert "This node is not a swarm manager." in refused


@row("B17")
def test_a_second_manager_needs_another_token(cluster: Cluster) -> None:
    shown = cluster.run("docker swarm join-token manager")
    assert shown.startswith("To add a manager to this swarm, run the following command:")
    line = re.sub(r"^\w+", "docker", shown.splitlines()[2].strip())
    worker = cluster.run("docker swarm join-token -q worker").strip()
    assert worker in cluster.join_line
    assert worker not in line
    forged = line.replace("SWMTKN-1-", "SWMTKN-1-0", 1)
    assert "invalid join token" in cluster.run(forged, at=cluster.node2, status=1)
    joined = cluster.run(line, at=cluster.node2)
    assert joined.strip() == "This node joined a swarm as a manager."
    assert cluster.run("docker node ls -q", at=cluster.node2).split()


@row("B19")
def test_node_ls_shows_who_leads_and_who_follows(cluster: Cluster) -> None:
    until(lambda: cluster.run("docker node ls --format '{{.Status}}'").split() == ["Ready"] * 3)
    until(lambda: "Reachable" in cluster.run("docker node ls"))
    header, *rows = cluster.run("docker node ls").splitlines()
    columns = "ID HOSTNAME STATUS AVAILABILITY MANAGER STATUS ENGINE VERSION"
    assert header.split() == columns.split()
    version = cluster.run("docker version --format '{{.Server.Version}}'").strip()
    shown = sorted(re.sub(r"^\w{25} ", "", line).split() for line in rows)
    assert shown == [
        ["*", "node1", "Ready", "Active", "Leader", version],
        ["node2", "Ready", "Active", version],
        ["node3", "Ready", "Active", "Reachable", version],
    ]


@row("B20")
def test_a_service_is_created_and_waited_for(cluster: Cluster) -> None:
    shown = cluster.run("docker service create --detach=false -p 80:80 --name webserver nginx")
    assert re.match(r"\w{25}\s", shown)
    assert "overall progress: 1 out of 1 tasks" in shown
    assert re.search(r"verify: Service \w{25} converged", shown)


@row("B21", "B22")
def test_its_task_and_the_service_are_listed(cluster: Cluster) -> None:
    header, task = cluster.run("docker service ps webserver").splitlines()
    columns = "ID NAME IMAGE NODE DESIRED STATE CURRENT STATE ERROR PORTS"
    assert header.split() == columns.split()
    assert re.match(r"\w{12} +webserver\.1 +nginx:latest +node\d +Running +Running \d+ ", task)
    header, service = cluster.run("docker service ls").splitlines()
    assert header.split() == ["ID", "NAME", "MODE", "REPLICAS", "IMAGE", "PORTS"]
    _, *rest = service.split()
    published = f"*:{cluster.port(80)}->80/tcp"
    assert rest == ["webserver", "replicated", "1/1", "nginx:latest", published]


@row("B23")
def test_three_replicas_are_spread_over_the_machines(cluster: Cluster) -> None:
    shown = cluster.run("docker service scale webserver=3")
    assert "webserver scaled to 3" in shown
    assert sorted(cluster.running("webserver")) == ["node1", "node2", "node3"]


@row("B15", "B24")
def test_every_machine_answers_on_the_published_port(cluster: Cluster) -> None:
    (page,) = cluster.pages(80)
    assert b"<title>Welcome to nginx!</title>" in page
    at = (cluster.master.address, cluster.port(80))
    assert b"Welcome to nginx!" in cluster.node1.fetch(at[1], host=at[0])
    cluster.run("docker service rm webserver")


def _push_site(cluster: Cluster, public: Public, folder: Path) -> None:
    """Two versions, in a repository that only its owner sees."""
    cluster.run("docker login -u miguelgrinberg --password-stdin", stdin=PASSWORD)
    (folder / "Dockerfile").write_text("FROM nginx\nCOPY index.html /usr/share/nginx/html/\n")
    for version in "12":
        (folder / "index.html").write_text(f"version {version}")
        cluster.run(f"docker build -t {PRIVATE}:{version} .", folder=folder)
        cluster.run(f"docker push {PRIVATE}:{version}")
    login = json.dumps({"username": "miguelgrinberg", "password": PASSWORD}).encode()
    token = json.loads(public.call("POST", "/v2/users/login", login).body)["token"]
    where, private = f"/v2/repositories/{PRIVATE}/privacy/", b'{"is_private": true}'
    answer = public.call("PATCH", where, private, Authorization=f"JWT {token}")
    assert answer.status == 200, answer.body


@row("A30")
def test_a_private_image_runs_on_every_machine(
    cluster: Cluster, public: Public, tmp_path: Path
) -> None:
    _push_site(cluster, public, tmp_path)
    denied = cluster.run(f"docker pull {PRIVATE}:1", at=cluster.node1, status=1)
    assert f"pull access denied for {PRIVATE}" in denied
    cluster.run(
        "docker service create --with-registry-auth --name site --replicas 3 -p 8080:80 "
        f"--stop-grace-period 1s --update-monitor 1s --rollback-monitor 1s {PRIVATE}:1"
    )
    assert sorted(cluster.running("site")) == ["node1", "node2", "node3"]
    assert cluster.pages(8080) == {b"version 1": 9}


@row("A31")
def test_an_update_and_its_rollback_roll_through_the_replicas(cluster: Cluster) -> None:
    shown = cluster.run(f"docker service update --image {PRIVATE}:2 --with-registry-auth site")
    assert re.search(r"verify: Service \w+ converged", shown)
    assert cluster.pages(8080) == {b"version 2": 9}
    shown = cluster.run("docker service update --rollback site")
    assert re.search(r"(verify: Service|service rolled back).*", shown)
    assert cluster.pages(8080) == {b"version 1": 9}
    cluster.run("docker service rm site")


@row("A31")
def test_a_stack_is_deployed_from_its_file_with_a_secret(cluster: Cluster, tmp_path: Path) -> None:
    cluster.run("docker secret create greeting -", stdin="Ahoy from a secret")
    assert "greeting" in cluster.run("docker secret ls")
    (tmp_path / "docker-stack.yml").write_text(STACK)
    shown = cluster.run(
        "docker stack deploy -c docker-stack.yml --detach=false shop", folder=tmp_path
    )
    assert "Creating service shop_web" in shown
    assert sorted(cluster.running("shop_web")) == ["node1", "node2", "node3"]
    assert {node.fetch(8081).rpartition(b"\n")[2] for node in cluster.nodes} == {
        b"Ahoy from a secret"
    }
    assert "shop_web" in cluster.run("docker stack services shop")
    cluster.run("docker stack rm shop")
    until(lambda: not cluster.run("docker stack ls --format '{{.Name}}'").strip())
    assert cluster.run("docker secret rm greeting").strip() == "greeting"
