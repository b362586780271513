"""Decide which task starts next: jobs in the order of submission, as many at a time as there are slots."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from hubcheck.probe.dispatch.jobs import Job, WorkerTask


class TaskQueue:
    """Jobs that wait to be divided, and tasks that wait for a worker.

    Args:
        slots: how many tasks may run at a time.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._jobs: deque[Job] = deque()
        self._tasks: deque[WorkerTask] = deque()

    def add(self, job: Job) -> None:
        """Append a job."""
        self._jobs.append(job)

    def add_again(self, task: WorkerTask) -> None:
        """Append a task that is to run once more, alone."""
        self._tasks.append(task)

    def put_back(self, task: WorkerTask) -> None:
        """Make a task that `next` returned the next one again."""
        self._tasks.appendleft(task)

    def remove(self, job: Job) -> None:
        """Remove the waiting tasks of a job."""
        self._tasks = deque(task for task in self._tasks if task.job is not job)

    def clear(self) -> Iterator[Job]:
        """Remove everything and yield the jobs, one that has several waiting tasks several times."""
        yield from self._jobs
        yield from (task.job for task in self._tasks)
        self._jobs.clear()
        self._tasks.clear()

    def next(self, running: Sequence[WorkerTask]) -> WorkerTask | None:
        """Remove and return the task to start beside the running ones, or None if none can start now.

        A job is divided only when its turn comes: for several workers if it is the last one and a slot is free.
        """
        while len(running) < self._slots and not any(task.tried for task in running):
            if self._tasks:
                task = self._tasks[0]
                if (task.tried and running) or _shares_accelerator(task, running):
                    return None
                return self._tasks.popleft()
            if not self._jobs:
                return None
            job = self._jobs.popleft()
            if job.future.set_running_or_notify_cancel():
                free = self._slots - len(running)
                self._tasks.extend(job.divide(side_by_side=free > 1 and not self._jobs))
        return None


def _shares_accelerator(task: WorkerTask, running: Sequence[WorkerTask]) -> bool:
    """Return whether a running task uses the same device, which only one worker may use at a time."""
    return task.plan.device != "cpu" and any(other.plan.device == task.plan.device for other in running)
