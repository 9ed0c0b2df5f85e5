"""A server whose descendants try to get away: run as ``python -m breeding FILE``, it writes their pids to FILE."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SLEEP = [sys.executable, "-c", "import time; time.sleep(120)"]


def main() -> None:
    """One plain child, one in a session of its own, one whose parent has died; --stubborn: none minds SIGTERM."""
    file = Path(sys.argv[1])
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "--stubborn" in sys.argv else signal.SIG_DFL)
    plain, session = subprocess.Popen(SLEEP), subprocess.Popen(SLEEP, start_new_session=True)
    spawn = (
        f"import subprocess, sys; print(subprocess.Popen({SLEEP!r}, start_new_session=True, stdout=-3, stderr=-3).pid)"
    )
    orphan = subprocess.run([sys.executable, "-c", spawn], capture_output=True, text=True, check=True).stdout.strip()
    file.with_suffix(".new").write_text(f"{os.getpid()} {plain.pid} {session.pid} {orphan}")
    file.with_suffix(".new").rename(file)
    time.sleep(120)


if __name__ == "__main__":
    main()
