"""A desk without a screen, to be killed: ``python -m tests.engine.crash_desk STATE_DIR`` prints ``ready`` when every
connection is up and no pair is open any more, and then goes on until it is killed."""

import sys
import time
from pathlib import Path

from engine.seat import StatusRow, Topic
from engine.thread import EngineThread
from schema.lock import StateDirLock
from schema.logs import open_log
from tests.practice import practice_settings


def main() -> None:
    settings = practice_settings(Path(sys.argv[1]))
    with StateDirLock(settings.state_dir):
        open_log(settings)
        seat = EngineThread(settings).start()
        while True:
            rows = seat.view(Topic.STATUS).rows
            if rows:
                row = rows[0]
                assert isinstance(row, StatusRow)
                if row.connections_up == row.connections and not row.unknown and not row.undecided:
                    break
            time.sleep(0.01)
        print("ready", flush=True)
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
