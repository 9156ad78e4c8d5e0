"""Work done side by side in processes of its own: each piece is written down where it is done, so
that what was cut off goes on."""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import Any


def side_by_side(
    work: Callable[..., None],
    pieces: Sequence[tuple[Any, ...]],
    workers: int | None,
    ended: Callable[[], None],
) -> None:
    """Does `work(*piece)` of every piece; one worker, or one piece, needs no process of its own.

    Args:
        work: A function of a module, for it is sent to other processes.
        pieces: Its arguments, which can be sent too.
        workers: Processes; by default one for every core.
        ended: Hears of every piece that is done.
    """
    processes = min(workers or len(os.sched_getaffinity(0)), len(pieces))
    if processes <= 1:
        for piece in pieces:
            work(*piece)
            ended()
        return
    others = {*active_children()}
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _follow_parent) as pool:
        running = [pool.submit(work, *piece) for piece in pieces]
        try:
            for one in as_completed(running):
                one.result()
                ended()
        except BaseException:
            # Ctrl-C above all: nobody waits for what is under way, it is worked out again.
            for process in {*active_children()} - others:
                process.terminate()
            pool.shutdown(cancel_futures=True)
            raise


def _follow_parent() -> None:
    """Leaves Ctrl-C to the process that started this one, and ends when that one is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    Thread(target=follow, daemon=True).start()
