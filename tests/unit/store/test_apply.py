import gzip
import hashlib
import io

import pytest

from sampan.errors import DataLoss, InvalidArgument
from sampan.store.apply import extract


def test_the_diff_id_is_of_the_plain_bytes_to_the_end_of_the_stream(tmp_path, make_tar):
    plain = make_tar({"a": b"x" * 1000}) + b"tail behind the archive"
    expected = "sha256:" + hashlib.sha256(plain).hexdigest()
    for number, data in enumerate((plain, gzip.compress(plain))):
        root = tmp_path / str(number)
        root.mkdir()
        found = extract(io.BytesIO(data), root)
        assert (found.diff_id, found.size_bytes, found.inodes) == (expected, 1000, 1)


def test_progress_counts_compressed_bytes(tmp_path, make_tar):
    data = gzip.compress(make_tar({"a": bytes(1_000_000)}))
    seen = []
    extract(io.BytesIO(data), tmp_path, on_progress=seen.append)
    assert seen[-1] == len(data)
    assert seen == sorted(seen)


@pytest.mark.parametrize("cut", [100, 3000])
def test_truncated_layers_are_refused(tmp_path, make_tar, cut):
    plain = make_tar({"a": bytes(5000)})
    with pytest.raises(InvalidArgument, match="unexpected EOF"):
        extract(io.BytesIO(plain[:cut]), tmp_path)
    packed = gzip.compress(plain)
    with pytest.raises(DataLoss, match="unexpected EOF"):
        extract(io.BytesIO(packed[:-9]), tmp_path)


def test_garbage_is_refused(tmp_path):
    with pytest.raises(InvalidArgument):
        extract(io.BytesIO(b"garbage" * 100), tmp_path)


def test_an_empty_layer_is_a_layer(tmp_path):
    found = extract(io.BytesIO(bytes(1024)), tmp_path)
    assert found.inodes == 0
