import pytest

from sampan.lib.jsontext import NotJson, decode, decode_stream, encode, encode_indented


def test_decodes_and_keeps_the_order():
    assert list(decode(b' {"b": 1, "a": [1.5, null, true, "\\u00fc"]}\n')) == ["b", "a"]


@pytest.mark.parametrize("text", [b"", b"{", b"{} x", b"nope"])
def test_refuses_what_is_not_one_value(text):
    with pytest.raises(NotJson):
        decode(text)


def test_streams_of_values_may_be_cut_anywhere():
    data = b'{"a":1}\r\n{"b":"x"}{"c":3}\n"last"'
    pieces = (data[index : index + 1] for index in range(len(data)))
    assert list(decode_stream(pieces)) == [{"a": 1}, {"b": "x"}, {"c": 3}, "last"]


def test_encodes_as_go_does():
    assert encode({"b": "<ü>", "a": None}) == '{"b":"<ü>","a":null}'
    assert encode({"b": 1, "a": "<&>"}, sort_keys=True, escape_html=True) == (
        '{"a":"\\u003c\\u0026\\u003e","b":1}'
    )


def test_indents_as_go_does():
    text = encode_indented([{"a": [], "b": {}, "c": [1]}])
    assert text == (
        '[\n    {\n        "a": [],\n        "b": {},\n        "c": [\n            1\n        ]\n'
        "    }\n]"
    )
