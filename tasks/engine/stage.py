"""The decorator that makes a function a stage: cached, locked, launched in its own process, tracked, retried."""

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any, TypeVar

from prefect import Task, task
from prefect.client.schemas.objects import State, TaskRun

from tasks.engine.caching import StageCache, key_parts, refs_in, stage_key
from tasks.engine.files import write_json
from tasks.engine.home import home
from tasks.engine.launch import Cancelled, WorkerLost
from tasks.engine.locks import core_count
from tasks.engine.progress import StageProgress
from tasks.engine.refs import checkpoint_in
from tasks.engine.session import Session, TrackedRun, current_parent, current_session
from tasks.engine.tracking import CHECKPOINT_TAG, Tracker, flatten, new_key
from tasks.engine.worker import decode, encode

R = TypeVar("R")
ALL_CORES = 0
RETRIES = 2


def stage(cores: int = 1) -> Callable[[Callable[..., R]], Task[..., R]]:
    """Make a plain function a Prefect task that computes in a process of its own.

    The function's parameters are frozen models, references and JSON values, all annotated, and it returns
    references; the body runs in a child with one torch thread a core (``ALL_CORES``: every core of the machine).
    A call with the same inputs and the same code returns the earlier result, for every arm, seed, paper and
    process; two that ask at once compute it once. A child that dies is started again and goes on from its last
    checkpoint; an exception is not retried.
    """

    def decorate(function: Callable[..., R]) -> Task[..., R]:
        @functools.wraps(function)
        def launched(*args: Any, **kwargs: Any) -> Any:
            bound = inspect.signature(function).bind(*args, **kwargs)
            bound.apply_defaults()
            return _launch(function, bound.arguments, cores or core_count())

        as_task = task(
            name=function.__name__,
            task_run_name=functools.partial(_run_name, function.__name__),
            cache_policy=StageCache(function),
            persist_result=True,
            result_serializer="json",
            cache_result_in_memory=False,
            retries=RETRIES,
            retry_condition_fn=_process_died,
        )
        return as_task(launched)

    return decorate


def _run_name(stage_name: str) -> str:
    return f"{stage_name} {current_parent().label}"


def _process_died(task_: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    try:
        state.result()
    except WorkerLost:
        return True
    except Exception:
        return False
    return False


def _launch(function: Callable[..., R], arguments: dict[str, Any], threads: int) -> R:
    session, parent = current_session(), current_parent()
    key = stage_key(function, arguments)
    work = home() / "work" / key
    work.mkdir(parents=True, exist_ok=True)
    write_json(work / "key.json", key_parts(function, arguments))
    tracker = Tracker(session.folder / f"{new_key()}.jsonl", session.folder)
    open_run = functools.partial(_open_run, tracker, function.__name__, session, parent, arguments, key)
    request = {
        "function": f"{function.__module__}:{function.__qualname__}",
        "arguments": encode(arguments),
        "spool": str(session.folder / f"{tracker.key}.jsonl"),
        "work": str(work),
    }
    progress = StageProgress(f"{function.__name__} {parent.label}", work)
    status = "FAILED"
    try:
        result: R = decode(session.launcher.run(work, request, threads, open_run, progress.poll))
        progress.poll()
        made = checkpoint_in(result)
        if made is not None and tracker.opened:
            tracker.tags({CHECKPOINT_TAG: made.model_dump_json()})
        status = "FINISHED"
        parent.failures.pop(key, None)
        return result
    except Cancelled:
        status = "KILLED"
        raise
    except Exception as error:
        parent.failures[key] = f"{function.__name__}: {error}"
        tracker.tags({"error": str(error)})
        raise
    finally:
        if tracker.opened:
            tracker.finish(status)
        tracker.close()


def _open_run(
    tracker: Tracker, name: str, session: Session, parent: TrackedRun, arguments: dict[str, Any], key: str
) -> None:
    inputs = {ref.path for ref in refs_in(list(arguments.values()))}
    tags = session.tags | {
        "stage": name,
        "stage_key": key,
        "level": "stage",
        "inputs": json.dumps(sorted(inputs)),
    }
    params = flatten({item: _plain(value) for item, value in arguments.items()})
    tracker.create(session.paper, name, parent.tracker.key, tags, params)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
