"""What clients send: any bytes are decoded or refused in our words."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.errors import DataLoss, SampanError
from sampan.wire import codec, filters
from sampan.wire.containers import CreateRequest
from sampan.wire.execs import ExecCreate
from sampan.wire.networks import NetworkCreate
from sampan.wire.stdcopy import HEADER, Demultiplexer, Stream, frame
from sampan.wire.volumes import VolumeCreate

KEYS = st.sampled_from(
    [
        *("Image", "image", "Cmd", "Env", "Labels", "HostConfig", "Mounts", "PortBindings", "Name"),
        *("Healthcheck", "NetworkingConfig", "Driver", "IPAM", "Config", "label", "dangling", "x"),
    ]
)
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.just("\ud800")
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=15,
)
BODIES = [CreateRequest, ExecCreate, NetworkCreate, VolumeCreate]
FEW = settings(max_examples=200, deadline=None, database=None)


@FEW
@given(JSON, st.sampled_from(BODIES))
def test_bodies(value, kind):
    with suppress(SampanError):
        found = codec.decode(json.dumps(value).encode(), kind)
        assert codec.encode(codec.decode(codec.encode(found), kind)) == codec.encode(found)


@FEW
@given(st.binary(max_size=100), st.sampled_from(BODIES))
def test_noise(data, kind):
    with suppress(SampanError):
        codec.decode(data, kind)


@FEW
@given(st.one_of(JSON.map(json.dumps), st.text(max_size=60)))
def test_filters(text):
    with suppress(SampanError):
        found = filters.parse(text)
        for key in found.values:
            found.get(key)
            found.match_labels({"x": "1"}, key=key)
            found.match_glob(key, "x")
            with suppress(SampanError):
                found.boolean(key)


@FEW
@given(
    st.lists(st.tuples(st.sampled_from(list(Stream)), st.binary(max_size=50)), max_size=8),
    st.lists(st.integers(1, 30), min_size=1, max_size=8),
)
def test_streams_come_apart_however_they_are_cut(frames, cuts):
    data = b"".join(frame(stream, payload) for stream, payload in frames)
    demultiplexer, found, at, turn = Demultiplexer(), [], 0, 0
    while at < len(data):
        step = cuts[turn % len(cuts)]
        found += demultiplexer.feed(data[at : at + step])
        at, turn = at + step, turn + 1
    assert found == frames


@FEW
@given(st.binary(max_size=200))
def test_noise_in_a_stream_is_refused_in_our_words(data):
    with suppress(DataLoss):
        list(Demultiplexer().feed(data))


def test_an_unknown_stream_is_corrupt():
    with pytest.raises(DataLoss, match="unrecognized stream: 7"):
        list(Demultiplexer().feed(HEADER.pack(7, 0)))
