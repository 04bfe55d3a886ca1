"""Stored objects as clients see them (wire/swarm_views.py); pure."""

from collections.abc import Mapping

from msgspec.structs import replace

from sampan.swarm import ca
from sampan.swarm.control.lookup import index_of, moment
from sampan.swarm.model import (
    Attachment,
    Cluster,
    Endpoint,
    Network,
    Node,
    NodeDescription,
    NodeTls,
    Service,
    Task,
    TaskStatus,
)
from sampan.wire.networks import IPAMConfig
from sampan.wire.services import DriverConfig, EndpointChoice, PlatformSpec
from sampan.wire.swarm_views import (
    AttachmentView,
    ClusterInfo,
    ContainerStatusView,
    EndpointView,
    EngineView,
    JobStatusView,
    ManagerStatusView,
    NodeDescriptionView,
    NodeStatusView,
    NodeView,
    PluginView,
    PortStatusView,
    ServiceView,
    SwarmIPAM,
    SwarmNetworkSpec,
    SwarmNetworkView,
    TaskStatusView,
    TaskView,
    TLSInfo,
    UpdateStatusView,
    VirtualIPView,
)


def cluster_view(cluster: Cluster) -> ClusterInfo:
    subject, key = ca.shown(cluster.ca_certificate.encode())
    hidden = replace(cluster.spec.CAConfig, SigningCACert="", SigningCAKey="")
    return ClusterInfo(
        ID=cluster.id,
        Version=index_of(cluster.version),
        CreatedAt=moment(cluster.created_ns),
        UpdatedAt=moment(cluster.updated_ns),
        Spec=replace(cluster.spec, CAConfig=hidden, Labels=cluster.spec.Labels or {}),
        TLSInfo=TLSInfo(
            TrustRoot=cluster.ca_certificate, CertIssuerSubject=subject, CertIssuerPublicKey=key
        ),
        RootRotationInProgress=bool(cluster.next_ca_certificate),
        DefaultAddrPool=list(cluster.address_pools),
        SubnetSize=cluster.subnet_size,
        DataPathPort=cluster.data_path_port,
    )


def node_view(node: Node, manager: ManagerStatusView | None) -> NodeView:
    return NodeView(
        ID=node.id,
        Version=index_of(node.version),
        CreatedAt=moment(node.created_ns),
        UpdatedAt=moment(node.updated_ns),
        Spec=replace(node.spec, Labels=node.spec.Labels or {}),
        Description=_description(node.description, node.tls),
        Status=NodeStatusView(
            State=node.status.state, Message=node.status.message, Addr=node.status.addr
        ),
        ManagerStatus=manager,
    )


def _description(description: NodeDescription, tls: NodeTls) -> NodeDescriptionView:
    return NodeDescriptionView(
        Hostname=description.hostname,
        Platform=PlatformSpec(Architecture=description.architecture, OS=description.os),
        Resources=description.resources,
        Engine=EngineView(
            EngineVersion=description.engine_version,
            Labels=dict(description.engine_labels) or None,
            Plugins=[PluginView(Type=each.type, Name=each.name) for each in description.plugins],
        ),
        TLSInfo=TLSInfo(
            TrustRoot=tls.trust_root,
            CertIssuerSubject=tls.issuer_subject,
            CertIssuerPublicKey=tls.issuer_public_key,
        ),
    )


def service_view(service: Service) -> ServiceView:
    status, job = service.update_status, service.job
    return ServiceView(
        ID=service.id,
        Version=index_of(service.version),
        CreatedAt=moment(service.created_ns),
        UpdatedAt=moment(service.updated_ns),
        Spec=service.spec,
        PreviousSpec=service.previous_spec,
        Endpoint=_endpoint(service.endpoint, service.spec.EndpointSpec),
        UpdateStatus=None
        if status is None
        else UpdateStatusView(
            State=status.state,
            StartedAt=moment(status.started_ns) if status.started_ns else "",
            CompletedAt=moment(status.completed_ns) if status.completed_ns else "",
            Message=status.message,
        ),
        JobStatus=None
        if job is None
        else JobStatusView(
            JobIteration=index_of(job.iteration),
            LastExecution=moment(job.last_execution_ns) if job.last_execution_ns else "",
        ),
    )


def _endpoint(endpoint: Endpoint | None, asked: EndpointChoice | None) -> EndpointView:
    if endpoint is None:
        return EndpointView(Spec=asked or EndpointChoice())
    return EndpointView(
        Spec=asked or EndpointChoice(),
        Ports=list(endpoint.ports) or None,
        VirtualIPs=[
            VirtualIPView(NetworkID=each.network_id, Addr=each.addr)
            for each in endpoint.virtual_ips
        ],
    )


def task_view(task: Task, networks: Mapping[str, Network]) -> TaskView:
    """`networks`: by id, those that the task is in."""
    attachments = [
        AttachmentView(Network=network_view(network), Addresses=list(each.addresses))
        for each in task.networks
        if (network := networks.get(each.network_id)) is not None
    ]
    return TaskView(
        ID=task.id,
        Version=index_of(task.version),
        CreatedAt=moment(task.created_ns),
        UpdatedAt=moment(task.updated_ns),
        Spec=replace(task.spec, Runtime="") if task.spec.Runtime == "container" else task.spec,
        ServiceID=task.service_id,
        Slot=task.slot,
        NodeID=task.node_id,
        Status=_task_status(task.status),
        DesiredState=task.desired_state.word,
        NetworksAttachments=attachments,
        GenericResources=list(task.generic_resources),
        JobIteration=None if task.job_iteration is None else index_of(task.job_iteration),
    )


def _task_status(status: TaskStatus) -> TaskStatusView:
    container = status.container
    return TaskStatusView(
        Timestamp=moment(status.timestamp_ns) if status.timestamp_ns else "",
        State=status.state.word,
        Message=status.message,
        Err=status.err,
        ContainerStatus=None
        if container is None
        else ContainerStatusView(
            ContainerID=container.container_id, PID=container.pid, ExitCode=container.exit_code
        ),
        PortStatus=PortStatusView(Ports=list(status.ports) or None),
    )


def driver_options(network: Network) -> dict[str, str]:
    """What was asked for, and the VXLAN id as Docker shows it."""
    options = dict(network.options)
    if network.vni:
        options["com.docker.network.driver.overlay.vxlanid_list"] = str(network.vni)
    return options


def pools(network: Network) -> list[IPAMConfig]:
    """What was given; until then what was asked for."""
    if not network.subnets:
        return list(network.ipam.Config or ()) if network.ipam is not None else []
    asked = {each.Subnet: each for each in (network.ipam.Config or ())} if network.ipam else {}
    gateways = (*network.gateways, *("" for _ in network.subnets))
    return [
        replace(asked.get(subnet, IPAMConfig()), Subnet=subnet, Gateway=gateway.partition("/")[0])
        for subnet, gateway in zip(network.subnets, gateways, strict=False)
    ]


def network_view(network: Network) -> SwarmNetworkView:
    """As a task's attachment shows it."""
    return SwarmNetworkView(
        ID=network.id,
        Version=index_of(network.version),
        CreatedAt=moment(network.created_ns),
        UpdatedAt=moment(network.updated_ns),
        Spec=SwarmNetworkSpec(
            Name=network.name,
            Labels=dict(network.labels),
            DriverConfiguration=DriverConfig(Name=network.driver),
            IPv6Enabled=network.ipv6,
            Internal=network.internal,
            Attachable=network.attachable,
            Ingress=network.ingress,
            Scope="swarm",
        ),
        DriverState=DriverConfig(Name=network.driver, Options=driver_options(network) or None),
        IPAMOptions=SwarmIPAM(Driver=DriverConfig(Name="default"), Configs=pools(network)),
    )


def addresses_in(attachments: tuple[Attachment, ...], network_id: str) -> tuple[str, ...]:
    return next((each.addresses for each in attachments if each.network_id == network_id), ())
