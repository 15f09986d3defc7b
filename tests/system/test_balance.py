"""Evenness of the ways to spread connections over workers."""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import echod, nothing_lost, workers
from keel import Load, run, tap, until, variation

WORKERS, CONNECTIONS = 4, 10000


def accepted(daemon):
    return {row['worker']: row['accepted'] for row in workers(daemon)}


def even(schedule, bound):
    with echod(workers=WORKERS, schedule=schedule) as daemon:
        until(lambda: len(workers(daemon)) == WORKERS, 'all workers')
        load = Load(daemon.address('tcp'), 'echo', 32, connections=CONNECTIONS, sources=250)
        nothing_lost(load.finish(stop=False))
        counts = accepted(daemon)
        assert sum(counts.values()) == CONNECTIONS, counts
        found = variation(list(counts.values()))
        tap.note('%s: %s, coefficient of variation %.4f' % (schedule, counts, found))
        assert len(counts) == WORKERS and found <= bound, counts


def fewest_first():
    with echod(workers=WORKERS, schedule='least') as daemon:
        until(lambda: len(workers(daemon)) == WORKERS, 'all workers')
        held = [socket.create_connection(daemon.address('tcp'), timeout=10) for _ in range(200)]
        for s in held:
            s.sendall(b'x\n')
            assert s.recv(10) == b'x\n'
        live = [row['connections'] for row in workers(daemon)]
        assert sum(live) == 200 and max(live) - min(live) <= 4, live
        for s in held:
            s.close()


def one_serves():
    with echod(workers=2, schedule='single') as daemon:
        nothing_lost(Load(daemon.address('tcp'), 'echo', 8, connections=500).finish(stop=False))
        assert sorted(row['accepted'] for row in daemon.ctl('workers')) == [0, 500], \
            daemon.ctl('workers')


run(('kernel: 10,000 connections over 4 workers', lambda: even('kernel', 0.05)),
    ('round-robin: 10,000 connections over 4 workers', lambda: even('round-robin', 0.01)),
    ('least: 200 open connections over 4 workers', fewest_first),
    ('single: one worker serves, one waits', one_serves))
