"""Workers killed at random, and reloads, under load: only requests in flight in a killed worker are
lost, and the master is afterwards what it was before. tests/system/soak does the same for longer."""
import contextlib
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import churn, echod, worker_pids
from keel import run, until


def gives_up():
    """More deaths than the budget allows: the daemon ends with an error and one clear line."""
    daemon = echod('respawn-budget = 3\n', workers=1)
    for _ in range(20):
        if daemon.process.poll() is not None:
            break
        for pid in daemon.children():
            with contextlib.suppress(ProcessLookupError):  # the daemon has just given up
                os.kill(pid, signal.SIGKILL)
        try:
            until(lambda: daemon.process.poll() is not None or daemon.children(),
                  'an end or a new worker')
        except AssertionError:
            break
    until(lambda: daemon.process.poll() is not None, 'the end')
    daemon.stopped = True
    assert daemon.process.returncode == 1, daemon.process.returncode
    assert not daemon.processes()
    errors = [line for line in daemon.log().splitlines() if line.startswith('ERROR')]
    assert errors, daemon.log()


def master_killed():
    """Workers do not outlive their master."""
    daemon = echod(workers=2)
    until(lambda: len(worker_pids(daemon)) == 2, 'two workers')
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.process.wait()
    until(lambda: not daemon.processes(), 'no worker without a master', patience=10)
    daemon.stopped = True


def all_die():
    """A backoff is never a client's delay: when the last worker dies, one comes at once, however
    often they died before."""
    daemon = echod('respawn-budget = 0\n', workers=2)
    with daemon:
        address = daemon.address('tcp')
        for _ in range(9):  # the ninth death of a worker would wait for ten seconds
            for pid in daemon.children():
                os.kill(pid, signal.SIGKILL)
            begin = time.monotonic()
            with socket.create_connection(address, timeout=20) as s:
                s.sendall(b'here\n')
                assert s.recv(100) == b'here\n'
            assert time.monotonic() - begin < 3, time.monotonic() - begin


run(('40 kills and 15 reloads under load', lambda: churn(40, 15, 0)),
    ('too many deaths end the daemon', gives_up),
    ('workers leave with their master', master_killed),
    ('all workers die', all_die))
