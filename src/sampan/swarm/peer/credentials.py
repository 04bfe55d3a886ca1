"""A node's own certificate, key and roots as TLS contexts.

The files are the ones that etcd reads too. They are replaced under way (renewal, another role,
another root): `refresh` makes contexts of what is there now, for connections from then on. Managers
are recognised by the DNS name `swarm-manager` in their certificates, not by their addresses.
"""

import ssl

from sampan.swarm.etcd.process import ROLE_NAME, TlsFiles

MANAGER_NAME = ROLE_NAME


class Credentials:
    """Contexts for a member. Raises OSError, ssl.SSLError for unusable files."""

    def __init__(self, files: TlsFiles) -> None:
        self.files = files
        self.refresh()

    def refresh(self) -> None:
        self._client = self._context(ssl.PROTOCOL_TLS_CLIENT)
        inner = self._context(ssl.PROTOCOL_TLS_SERVER)
        self._inner = inner
        if not hasattr(self, "_server"):
            self._server = self._context(ssl.PROTOCOL_TLS_SERVER)
            self._server.sni_callback = self._choose

    def client(self) -> ssl.SSLContext:
        """To call managers, and the own etcd."""
        return self._client

    def server(self) -> ssl.SSLContext:
        """One object for as long as this is; each handshake uses what is current."""
        return self._server

    def _choose(self, connection: ssl.SSLObject, name: str | None, outer: ssl.SSLContext) -> None:
        connection.context = self._inner

    def _context(self, purpose: int) -> ssl.SSLContext:
        context = ssl.SSLContext(purpose)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(self.files.ca)
        context.load_cert_chain(self.files.certificate, self.files.key)
        if purpose == ssl.PROTOCOL_TLS_SERVER:
            # joining nodes have no certificate yet; routes say whom they serve
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


def stranger(root: bytes | None) -> ssl.SSLContext:
    """For a node without a certificate: trusts `root` alone, or, to fetch it, whoever answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if root is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=root.decode())
    return context
