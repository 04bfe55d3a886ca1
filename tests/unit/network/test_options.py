import pytest

from sampan.errors import InvalidArgument, Unsupported
from sampan.network.model import (
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
from sampan.network.options import check_options


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        (
            OPTION_MTU,
            "abc",
            f'failed to parse {OPTION_MTU} value: abc (strconv.Atoi: parsing "abc"',
        ),
        (OPTION_MTU, "-1", "invalid MTU number: -1"),
        (OPTION_ICC, "maybe", f"failed to parse {OPTION_ICC} value: maybe (strconv.ParseBool"),
        (OPTION_MASQUERADE, "", f"failed to parse {OPTION_MASQUERADE} value:  (strconv.ParseBool"),
        (OPTION_HOST_IP, "nope", f"failed to parse {OPTION_HOST_IP} value: nope (nil ip)"),
        (OPTION_BRIDGE_NAME, "a name with blanks", "invalid bridge name"),
        (OPTION_IFACE_PREFIX, "much-too-long", "invalid container interface prefix"),
        (OPTION_DEFAULT, "true", f"label {OPTION_DEFAULT} is for internally created"),
    ],
)
def test_wrong_values_are_told_in_dockers_words(option, value, said):
    with pytest.raises(InvalidArgument) as failure:
        check_options(NetworkSpec("n", options={option: value}))
    assert failure.value.message.startswith(said)


def test_what_a_driver_does_not_know_is_ignored():
    options = {OPTION_MTU: "1400", OPTION_ICC: "F", OPTION_MACVLAN_MODE: "odd", "foo": "bar"}
    check_options(NetworkSpec("n", options=options))
    check_options(NetworkSpec("n", driver="macvlan", options={OPTION_ICC: "maybe"}))


def test_gateway_modes_that_are_not_built_are_refused():
    check_options(NetworkSpec("n", options={OPTION_GATEWAY_MODES[0]: "nat"}))
    with pytest.raises(Unsupported, match="only nat is built"):
        check_options(NetworkSpec("n", options={OPTION_GATEWAY_MODES[1]: "routed"}))


def test_parent_and_mode_of_macvlan():
    check_options(NetworkSpec("n", driver="macvlan", options={OPTION_PARENT: "eth0.10"}))
    for options in ({OPTION_PARENT: "lo"}, {OPTION_MACVLAN_MODE: "odd"}, {OPTION_PARENT: "a b"}):
        with pytest.raises(InvalidArgument):
            check_options(NetworkSpec("n", driver="macvlan", options=options))


@pytest.mark.parametrize("name", ['x","lo', "a\\b"])
def test_bridge_names_cannot_leave_the_quotes_of_a_rule(name):
    with pytest.raises(InvalidArgument):
        check_options(NetworkSpec("n", options={OPTION_BRIDGE_NAME: name}))
