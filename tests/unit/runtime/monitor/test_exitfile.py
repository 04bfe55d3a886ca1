import json
import os

from sampan.runtime.monitor import exitfile


def test_the_first_record_wins(tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    exitfile.write(folder, 3, 100, oom_killed=True)
    exitfile.write(folder, 137, 200, oom_killed=False)
    os.close(folder)
    assert [path.name for path in tmp_path.iterdir()] == [exitfile.NAME]
    record = json.loads((tmp_path / exitfile.NAME).read_text())
    assert record == {"code": 3, "exited_ns": 100, "oom_killed": True}
