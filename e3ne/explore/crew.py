"""The workers: a Dask cluster on this machine or elsewhere, its answers and its failures.

A task that loses its worker is started again on another one, as often as the scheduler allows
(three times by default); a lost scheduler is called again. Then it is said.
"""

from __future__ import annotations

import importlib
import logging
import pickle
import queue
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..ir import BadInput
from ..toolchain import ToolError, ToolFailed
from .missing import needed_packages

Client = Any  # of distributed, whose own types do not pass a strict check
Future = Any

CONNECT_S = 15.0
"""How long a scheduler may take to answer, and to come back."""

POLL_S = 0.5
FORGOTTEN = ("cancelled", "lost")  # states of a future whose scheduler went away
MOST_STARTS = 3


@dataclass(frozen=True)
class Answer:
    """What became of a task: a value, or the error that ended it."""

    name: Any
    value: Any = None
    error: BaseException | None = None


@dataclass
class _Task:
    """A task on its way: what to start again where the scheduler forgets it."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    future: Future
    starts: int = 1


class Crew:
    """Hands tasks to the workers of a Dask client and collects the answers as they come."""

    def __init__(self, client: Client, where: str) -> None:
        self.client, self.where = client, where
        self._tasks: dict[Any, _Task] = {}
        self._shares: dict[str, bytes] = {}
        self._done: queue.SimpleQueue[tuple[Any, Future]] = queue.SimpleQueue()
        self._lost_since: float | None = None

    @property
    def threads(self) -> int:
        """How many tasks the workers run at once."""
        return sum(self.client.ncores().values()) or 1

    @property
    def busy(self) -> int:
        """Tasks that have not been answered yet."""
        return len(self._tasks)

    def submit(self, name: Any, function: Callable[..., Any], *arguments: Any) -> None:
        """Starts `function(*arguments)` on a worker; `name` comes back with the answer."""
        self._tasks[name] = _Task(function, arguments, self._start(name, function, arguments))

    def answer(self) -> Answer:
        """The next answer, as soon as there is one; ToolFailed where the scheduler is lost."""
        while True:
            try:
                name, future = self._done.get(timeout=POLL_S)
            except queue.Empty:
                self._look_after_tasks()
                continue
            task = self._tasks.get(name)
            if task is None or task.future is not future or future.status in FORGOTTEN:
                continue  # started again, or about to be
            del self._tasks[name]
            if future.status == "finished":
                return Answer(name, future.result(CONNECT_S))
            return Answer(name, error=readable(future.exception(CONNECT_S)))

    def _start(self, name: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Future:
        with self._talking():
            future = self.client.submit(function, *arguments, pure=False)
        future.add_done_callback(lambda done: self._done.put((name, done)))
        return future

    def _look_after_tasks(self) -> None:
        """Starts forgotten tasks again; ToolFailed where the scheduler is away for too long."""
        now = time.monotonic()
        if self.client.status != "running":
            self._lost_since = self._lost_since or now
            if self.client.status == "closed" or now - self._lost_since > CONNECT_S:
                raise self._lost()
            return
        if self._lost_since is not None:  # it may be another scheduler, which knows nothing
            self._lost_since = None
            for name, pickled in self._shares.items():
                self._register(name, pickled)
        for name, task in self._tasks.items():
            if task.future.status in FORGOTTEN:
                if task.starts > MOST_STARTS:
                    raise self._lost()
                task.starts += 1
                task.future = self._start(name, task.function, task.arguments)

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Turns what a client raises without a scheduler into our words."""
        try:
            yield
        except Exception as error:
            if self.client.status == "running":
                raise
            raise self._lost() from error

    def _lost(self) -> ToolFailed:
        return ToolFailed(
            f"{self.where}: found a scheduler that no longer answers, accepted one that runs; what "
            "was finished is kept: start the scheduler again and repeat the command"
        )

    def share(self, name: str, value: Any) -> None:
        """Gives every worker, also those to come, a value that `shared(name)` returns there."""
        self._shares[name] = pickle.dumps(value)
        self._register(name, self._shares[name])

    def _register(self, name: str, pickled: bytes) -> None:
        with self._talking():
            self.client.register_plugin(_shelf(name, pickled), name=name)

    def unshare(self, name: str) -> None:
        """Takes the value away again; of no matter where the scheduler is gone."""
        self._shares.pop(name, None)
        try:
            self.client.unregister_worker_plugin(name)
        except Exception as error:  # the scheduler may be gone, or going
            logging.getLogger(__name__).debug("unregister %s: %s", name, error)


_SHELF: dict[str, Any] = {}
"""In a worker: what was shared with it."""


def shared(name: str) -> Any:
    """In a worker: the value that was shared with it under `name`."""
    return _SHELF[name]


def _shelf(name: str, pickled: bytes) -> Any:
    from distributed import WorkerPlugin

    class Shelf(WorkerPlugin):
        """Puts the value on the worker's shelf when the worker starts."""

        def setup(self, worker: Any) -> None:
            from e3ne.explore import crew

            crew._SHELF[name] = pickle.loads(pickled)

        def teardown(self, worker: Any) -> None:
            from e3ne.explore import crew

            crew._SHELF.pop(name, None)

    return Shelf()


def readable(error: BaseException | None) -> BaseException:
    """The error of a task, a lost worker in our words."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return WorkerLost(
            "explore: found that every worker died which ran this task, accepted one that lives; "
            "most often memory ran out: use fewer --jobs, or workers with more memory"
        )
    return error or ToolFailed("explore: found a task without an answer; repeat the command")


class WorkerLost(ToolError):
    """A task's worker died, again and again."""


@contextmanager
def open_crew(jobs: int, scheduler: str | None) -> Iterator[Crew]:
    """`jobs` workers on this machine, or those of a running scheduler (`tcp://host:port`).

    Nothing of a local cluster is left afterwards. BadInput for an address that is none,
    ToolFailed where no scheduler answers or it has no workers, ToolMissing without Dask.
    """
    with needed_packages():
        import distributed  # noqa: F401 (told before anything is started)
    with _quiet(), _remote(scheduler) if scheduler else _local(jobs) as found:
        yield found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Dask logs: what matters to a user is said by us."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    before = {name: logging.getLogger(name).level for name in ("distributed", *names)}
    for name in before:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def _remote(scheduler: str) -> Iterator[Crew]:
    client = connect(scheduler)
    try:
        yield Crew(client, scheduler)
    finally:
        client.close(timeout=2)


@contextmanager
def _local(jobs: int) -> Iterator[Crew]:
    distributed: Any = importlib.import_module("distributed")
    cluster = distributed.LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
        memory_limit=0,
    )
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # the cluster set its own
    try:
        with distributed.Client(cluster, set_as_default=False) as client:
            yield Crew(client, "local cluster")
    finally:
        cluster.close(timeout=10)


def connect(scheduler: str) -> Client:
    """A client of a running scheduler that has workers."""
    distributed: Any = importlib.import_module("distributed")
    try:
        wait_for_port(scheduler)
        client = distributed.Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except ValueError as error:
        raise BadInput(
            f"--scheduler: found {scheduler!r} ({error}), accepted an address like tcp://host:8786"
        ) from error
    except OSError as error:
        raise ToolFailed(
            f"{scheduler}: found no scheduler that answers within {CONNECT_S:g} s; start one with "
            "`dask scheduler` and workers with `dask worker ADDRESS --nthreads 1`"
        ) from error
    try:
        client.wait_for_workers(1, timeout=CONNECT_S)
    except (TimeoutError, OSError) as error:
        client.close(timeout=2)
        raise ToolFailed(
            f"{scheduler}: found no workers after {CONNECT_S:g} s; start some with "
            f"`dask worker {scheduler} --nthreads 1`"
        ) from error
    return client


def wait_for_port(address: str) -> None:
    """Waits until something listens at an address; OSError where nothing does, ValueError where
    it is no address."""
    comm: Any = importlib.import_module("distributed.comm")
    host, port = comm.get_address_host_port(address)
    end = time.monotonic() + CONNECT_S
    while True:
        try:
            socket.create_connection((host, port), timeout=CONNECT_S).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(POLL_S)
        else:
            return
