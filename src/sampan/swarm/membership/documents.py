"""What nodes say to managers about membership, as JSON (peer routes /ca and /cluster)."""

import msgspec


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Unknown members are skipped: nodes of two versions may meet."""


class CertificateRequest(Document, frozen=True, kw_only=True):
    """POST /ca/certificate: with a token to join, or by the certificate in use to renew.

    `address` is where other managers reach the node, without a port: a manager's certificate
    names it.
    """

    csr: str
    token: str = ""
    availability: str = ""
    address: str = ""


class Issued(Document, frozen=True, kw_only=True):
    """`certificate` may carry an intermediate behind it; `roots` one or two certificates."""

    node_id: str
    cluster_id: str
    role: str
    certificate: str
    roots: str


class Membership(Document, frozen=True, kw_only=True):
    """GET /cluster/membership: what the caller should be and know now.

    Its certificate is to be for `role`, and from the CA with the public key `issuer`. `managers`:
    where their APIs listen, by node id.
    """

    role: str
    issuer: str
    roots: str
    managers: dict[str, str]


class ManagerJoin(Document, frozen=True, kw_only=True):
    """POST /cluster/managers. `fresh`: the caller has no data of the store. No `peer_url`: its
    daemon is to use an external etcd.
    """

    addr: str
    peer_url: str
    fresh: bool


class ManagerJoined(Document, frozen=True, kw_only=True):
    """`initial`: the store's members with their peer URLs, without the caller's."""

    member_id: str
    initial: dict[str, str]
    data_keys: tuple[bytes, ...]
    unlock_key: str = ""


class Promotion(Document, frozen=True, kw_only=True):
    """POST /cluster/managers/promotion: the caller's member has started; give it a vote."""

    member_id: str


class Nothing(Document, frozen=True, kw_only=True):
    """An answer that says no more than that it was done."""
