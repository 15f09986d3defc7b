"""A worker that hangs: its clients are served by its siblings within a second, and it is replaced."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import RESETS, echod, worker_pids
from keel import Load, run, tap, until

CONCURRENT = 8


def stopped_worker():
    with echod('worker-timeout = 3s\n', workers=2) as daemon:
        until(lambda: len(worker_pids(daemon)) == 2, 'two workers')
        load = Load(daemon.address('tcp'), 'echo', CONCURRENT, timeout_ms=20000)
        time.sleep(0.5)
        victim = worker_pids(daemon)[0]
        begin = time.monotonic()
        os.kill(victim, signal.SIGSTOP)
        until(lambda: victim not in daemon.processes(), 'the hung worker is ended', patience=30)
        until(lambda: len([p for p in worker_pids(daemon) if p != victim]) == 2, 'a replacement',
              patience=30)
        tap.note('replaced after %.1f s' % (time.monotonic() - begin))
        time.sleep(0.3)
        counts = load.finish()
        # what the worker had already taken is lost with it; all else was only late, by a second
        forgiven = sum(counts[kind] for kind in RESETS)
        assert counts['lost'] == forgiven <= CONCURRENT, counts
        assert counts['worst_ms'] < 1500, counts
        tap.note('%d served, %d lost in the hung worker, slowest %g ms'
                 % (counts['ok'], forgiven, counts['worst_ms']))


def backtrace():
    """A worker that does not stop but spins or waits is asked where: SIGABRT, seen in the log."""
    with echod(workers=1) as daemon:
        victim = worker_pids(daemon)[0]
        os.kill(victim, signal.SIGABRT)
        until(lambda: victim not in daemon.processes(), 'its end')
        until(lambda: worker_pids(daemon) and worker_pids(daemon) != [victim], 'a replacement')
        assert 'backtrace' in daemon.log().lower(), daemon.log()


run(('a stopped worker: siblings serve within a second', stopped_worker),
    ('a worker that aborts leaves a backtrace', backtrace))
