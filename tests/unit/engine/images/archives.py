"""Small archives for the tests."""

import io
import tarfile


def make_tar(files, *, compression=""):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compression}") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


async def once(data, *, size=65536):
    for start in range(0, len(data), size):
        yield data[start : start + size]
