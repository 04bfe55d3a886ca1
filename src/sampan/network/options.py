"""Driver options of a request to create a network: checked, in Docker's words. Pure.

Options that a driver doesn't know are kept and ignored, as Docker does.
"""

import re
from ipaddress import AddressValueError, IPv4Address

from sampan.errors import InvalidArgument, Unsupported
from sampan.linux.rtmessages import MACVLAN_MODES
from sampan.network.macvlan import split_vlan
from sampan.network.model import (
    MACVLAN,
    OPTION_BRIDGE_NAME,
    OPTION_DEFAULT,
    OPTION_GATEWAY_MODES,
    OPTION_HOST_IP,
    OPTION_ICC,
    OPTION_IFACE_PREFIX,
    OPTION_MACVLAN_MODE,
    OPTION_MASQUERADE,
    OPTION_MTU,
    OPTION_PARENT,
    NetworkSpec,
)

INTERFACE_NAME = re.compile(r"[^\s/:\"\\]{1,15}")  # quoted in the text of rules
_PREFIX = re.compile(r"[^\s/:%]{1,11}")  # leaves room for a number
_TRUTHS = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSEHOODS = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def check_options(spec: NetworkSpec) -> None:
    """Raises InvalidArgument or Unsupported."""
    _check_mtu(spec.options.get(OPTION_MTU))
    prefix = spec.options.get(OPTION_IFACE_PREFIX)
    if prefix and not _PREFIX.fullmatch(prefix):
        raise InvalidArgument(f"invalid container interface prefix: {prefix}")
    if spec.driver == MACVLAN:
        _check_macvlan(spec)
    else:
        _check_bridge(spec)


def _check_mtu(text: str | None) -> None:
    if text is None:
        return
    if not re.fullmatch(r"[+-]?\d+", text):
        raise InvalidArgument(
            f"failed to parse {OPTION_MTU} value: {text} "
            f'(strconv.Atoi: parsing "{text}": invalid syntax)'
        )
    if int(text) < 0:
        raise InvalidArgument(f"invalid MTU number: {int(text)}")


def _check_bridge(spec: NetworkSpec) -> None:
    options = spec.options
    name = options.get(OPTION_BRIDGE_NAME)
    if name is not None and not INTERFACE_NAME.fullmatch(name):
        raise InvalidArgument(f"invalid bridge name: {name}")
    for option in (OPTION_ICC, OPTION_MASQUERADE, OPTION_DEFAULT):
        text = options.get(option)
        if text is not None and text not in _TRUTHS | _FALSEHOODS:
            raise InvalidArgument(
                f"failed to parse {option} value: {text} "
                f'(strconv.ParseBool: parsing "{text}": invalid syntax)'
            )
    if options.get(OPTION_DEFAULT) in _TRUTHS:
        raise InvalidArgument(
            f"label {OPTION_DEFAULT} is for internally created predefined networks"
            " and cannot be applied by users"
        )
    address = options.get(OPTION_HOST_IP)
    if address is not None:
        try:
            IPv4Address(address)
        except AddressValueError as error:
            raise InvalidArgument(
                f"failed to parse {OPTION_HOST_IP} value: {address} (nil ip)"
            ) from error
    for option in OPTION_GATEWAY_MODES:
        if options.get(option, "nat") != "nat":
            raise Unsupported(f"{option}={options[option]}: only nat is built")


def _check_macvlan(spec: NetworkSpec) -> None:
    mode = spec.options.get(OPTION_MACVLAN_MODE) or "bridge"
    if mode not in MACVLAN_MODES:
        raise InvalidArgument(
            f"requested macvlan mode '{mode}' is not valid, "
            "'bridge' mode is the macvlan driver default"
        )
    parent = spec.options.get(OPTION_PARENT)
    if parent is None:
        return
    if parent == "lo":
        raise InvalidArgument("loopback interface is not a valid macvlan parent link")
    if not INTERFACE_NAME.fullmatch(parent):
        split_vlan(parent)
        raise InvalidArgument(f"invalid parent interface name: {parent}")
