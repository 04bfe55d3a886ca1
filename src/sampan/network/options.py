"""Driver options of a request to create a network: checked, in Docker's words. Pure.

Options that a driver doesn't know are kept and ignored, as Docker does.
"""

import re
from ipaddress import AddressValueError, IPv4Address

from sampan.errors import InvalidArgument, Unsupported
from sampan.linux.rtmessages import IPVLAN_FLAGS, IPVLAN_MODES, MACVLAN_MODES
from sampan.network.model import (
    IPVLAN,
    MACVLAN,
    OPTION_BRIDGE_NAME,
    OPTION_DEFAULT,
    OPTION_GATEWAY_MODES,
    OPTION_HOST_IP,
    OPTION_ICC,
    OPTION_IFACE_PREFIX,
    OPTION_IPVLAN_FLAG,
    OPTION_IPVLAN_MODE,
    OPTION_MACVLAN_MODE,
    OPTION_MASQUERADE,
    OPTION_MTU,
    OPTION_PARENT,
    NetworkSpec,
)
from sampan.network.parents import split_vlan

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
    elif spec.driver == IPVLAN:
        _check_ipvlan(spec)
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
    _check_parent(spec)


def _check_ipvlan(spec: NetworkSpec) -> None:
    mode = spec.options.get(OPTION_IPVLAN_MODE) or "l2"
    if mode not in IPVLAN_MODES:
        raise InvalidArgument(
            f"requested ipvlan mode '{mode}' is not valid, 'l2' mode is the ipvlan driver default"
        )
    flag = spec.options.get(OPTION_IPVLAN_FLAG) or "bridge"
    if flag not in IPVLAN_FLAGS:
        raise InvalidArgument(
            f"requested ipvlan flag '{flag}' is not valid, "
            "'bridge' is the ipvlan driver default flag"
        )
    _check_parent(spec)


def _check_parent(spec: NetworkSpec) -> None:
    parent = spec.options.get(OPTION_PARENT)
    if parent is None:
        return
    if parent == "lo":
        raise InvalidArgument(f"loopback interface is not a valid {spec.driver} parent link")
    if not INTERFACE_NAME.fullmatch(parent):
        split_vlan(parent)
        raise InvalidArgument(f"invalid parent interface name: {parent}")
