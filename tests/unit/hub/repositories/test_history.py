"""Layers beside the instructions that made them; anybody may push any config."""

import json

import pytest

from sampan.hub.repositories.tags import Layer, Step, history, readable

LAYERS = [Layer("sha256:a", 1, "tar"), Layer("sha256:b", 2, "tar")]


def test_layers_go_to_the_steps_that_changed_files():
    config = {
        "history": [
            {"created_by": "/bin/sh -c #(nop) ADD file:1 in / "},
            {"created_by": '/bin/sh -c #(nop)  CMD ["sh"]', "empty_layer": True},
            {"created_by": "RUN /bin/sh -c make # buildkit"},
        ]
    }
    assert history(json.dumps(config).encode(), LAYERS) == [
        Step("ADD file:1 in /", LAYERS[0]),
        Step('CMD ["sh"]', None),
        Step("RUN make", LAYERS[1]),
    ]


@pytest.mark.parametrize(
    "config",
    [b"", b"{", b"[]", b"7", b'{"history": 7}', b'{"history": [7]}', b'{"history": [{}]}'],
)
def test_without_a_fitting_history_the_layers_alone(config):
    assert history(config, LAYERS) == [Step("", layer) for layer in LAYERS]


def test_readable():
    assert readable("/bin/sh -c apt-get update") == "RUN apt-get update"
    assert readable("COPY a b # buildkit") == "COPY a b"
