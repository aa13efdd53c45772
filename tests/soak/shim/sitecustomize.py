"""A clock that the soak may set: `time.time` of every Python process that finds this folder first on its PYTHONPATH.

The offset in seconds stands in the file `offset` beside this one (absent: 0), and is read again ten times a second.
`time.monotonic`, `time.sleep` and the kernel's clock, hence the times of files, stay what they are.
"""

import os
import time

_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "offset")
_EVERY = 0.1  # seconds
_time, _time_ns, _monotonic = time.time, time.time_ns, time.monotonic
_seen = [0.0, -1.0]  # the offset, and when it was read


def _offset() -> float:
    now = _monotonic()
    if now - _seen[1] > _EVERY or _seen[1] < 0:
        _seen[1] = now
        try:
            with open(_FILE) as file:
                _seen[0] = float(file.read() or 0)
        except (OSError, ValueError):
            pass  # being written: as before
    return _seen[0]


time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + int(_offset() * 1e9)
