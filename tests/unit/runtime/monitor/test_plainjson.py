import json

import pytest

from sampan.runtime.monitor import plainjson

VALUE = {"a": [1, 'ä"\n', None, True, {"b": -5}], "c": False, "d": {}}


def test_round_trip():
    assert plainjson.decode(plainjson.encode(VALUE).encode()) == VALUE
    assert json.loads(plainjson.encode(VALUE)) == VALUE
    assert plainjson.decode(json.dumps(VALUE, indent=2).encode()) == VALUE


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"nonsense"])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError):
        plainjson.decode(text)
