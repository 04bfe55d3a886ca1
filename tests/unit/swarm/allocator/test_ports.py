from sampan.swarm.allocator.ports import FIRST_DYNAMIC, LAST_DYNAMIC, Ports
from sampan.swarm.model import Endpoint, Service
from sampan.wire.services import PortConfig
from simulation.swarm import ingress_port, spec


def _service(name: str, *ports: PortConfig, given: tuple[PortConfig, ...] = ()) -> Service:
    return Service(id=name, spec=spec(name, ports=ports), endpoint=Endpoint(ports=given))


def test_a_port_is_one_services_until_it_gives_it_back() -> None:
    ports = Ports()
    held = _service("a", ingress_port(1, 80), given=(ingress_port(1, 80),))
    ports.hold(held)
    assert ports.allocate(_service("b", ingress_port(2, 80))) is None
    assert ports.allocate(_service("b", ingress_port(2, 81))) == (ingress_port(2, 81),)
    udp = PortConfig(Protocol="udp", TargetPort=2, PublishedPort=80)
    assert ports.allocate(_service("c", udp)) == (udp,)
    ports.release("a")
    assert ports.allocate(_service("d", ingress_port(2, 80))) == (ingress_port(2, 80),)


def test_what_a_stored_service_no_longer_has_is_free() -> None:
    ports = Ports()
    ports.hold(_service("a", given=(ingress_port(1, 80),)))
    ports.hold(_service("a", given=(ingress_port(1, 81),)))
    assert ports.allocate(_service("b", ingress_port(2, 80))) is not None


def test_numbers_of_the_pool_go_round() -> None:
    ports = Ports()
    count = LAST_DYNAMIC - FIRST_DYNAMIC + 1
    given = []
    for number in range(count + 1):
        name = str(number)
        [port] = ports.allocate(_service(name, ingress_port(80))) or ()
        given.append(port.PublishedPort)
        ports.release(name)
    assert given == [*range(FIRST_DYNAMIC, LAST_DYNAMIC + 1), FIRST_DYNAMIC]


def test_the_same_target_keeps_its_number() -> None:
    ports = Ports()
    had = (ingress_port(80, 30007), ingress_port(80, 30009))
    service = _service("a", ingress_port(80), ingress_port(80), ingress_port(81), given=had)
    ports.hold(service)
    found = ports.allocate(service) or ()
    assert [port.PublishedPort for port in found] == [30007, 30009, FIRST_DYNAMIC]
