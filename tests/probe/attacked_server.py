"""The real probe server, in which modules whose folder is called "attack-..." take over their workers.

TensorFlow gives no module a way to run native code in a worker; this stands for one that found a way. Everything else
is as in any run: the servers, their workers and the modules between them.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.extend(entry for entry in sys.argv[3].split(os.pathsep) if entry)
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from hubcheck.probe.plan.steps import ProbePlan
from hubcheck.probe.worker import server
from tests.probe import hostile_server as hostile

PREFIX = "attack-"

ACTIONS = {
    **{action.__name__: action for action in hostile.ACTIONS if action.__name__ != "forge"},
    **{name.replace(" ", "_"): action for name, action in hostile.FORGED.items()},
}


def work(channel: socket.socket, plan: ProbePlan) -> None:
    """Run the plan, or the attack that the module's folder is called after."""
    name = Path(plan.path).name
    if name.startswith(PREFIX):
        hostile.misbehave(channel, plan, ACTIONS[name.removeprefix(PREFIX)])
    else:
        from hubcheck.probe.worker.runner import work as run_plan

        run_plan(channel, plan)


if __name__ == "__main__":
    import tensorflow  # noqa: F401 - once, before the workers are forked

    server.main(sys.argv[1:], work)
