"""What every daemon has from the core: command line, control socket, log, metrics, systemd's
protocols, and workers that gave up their rights."""
import json
import os
import pwd
import re
import resource
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import echod, upgrade, whole, worker_pids, workers
from keel import (Daemon, Load, Refused, Skip, directory, keelctl, need_no_sanitizer,
                  need_root, program, run, tap, until)


# ---- command line

def ended(*args):
    return subprocess.run([program('echod'), *args], capture_output=True, text=True, timeout=20,
                          check=False)


def help_and_version():
    for option in ('--help', '--version'):
        answer = ended(option)
        assert answer.returncode == 0 and 'echod' in answer.stdout, answer
    for option in ('--balance', '--schedule', '--listen', '--check', '--control', '--state-dir'):
        assert option in ended('--help').stdout, option


def wrong_command_line():
    for args in (('--no-such-option',), ('--schedule=sometimes',), ('--balance=none',),
                 ('--listen', 'nonsense'), ('-c', '/nonexistent/echod.conf'), ('stray',)):
        answer = ended(*args)
        assert answer.returncode == 2 and answer.stderr.strip(), (args, answer)


def port_in_use():
    with socket.create_server(('127.0.0.1', 0)) as taken:
        address = '127.0.0.1:%d' % taken.getsockname()[1]
        answer = ended('--listen', address, '--control', os.path.join(directory(), 's'),
                       '--state-dir', directory())
        assert answer.returncode == 1 and address in answer.stderr \
            and 'in use' in answer.stderr, answer


# ---- control socket

def control_commands():
    with echod(workers=2) as daemon:
        status = daemon.status()
        assert status['pid'] == daemon.pid and len(workers(daemon)) == 2, status
        for command in ('help', 'workers', 'generations', 'metrics', 'lag', 'connections'):
            assert daemon.ctl(command), command
        for command in ('status', 'reload', 'upgrade', 'stop', 'log-level'):
            assert command in json.dumps(daemon.ctl('help')), command
        try:
            daemon.ctl('no-such-command')
        except Refused as error:
            assert 'no-such-command' in str(error), error
        else:
            raise AssertionError('an unknown command was taken')


def connections_are_listed():
    with echod(workers=1) as daemon:
        with socket.create_connection(daemon.address('tcp'), timeout=10) as s:
            s.sendall(b'x\n')
            s.recv(10)
            peer = '%s:%d' % s.getsockname()
            assert peer in json.dumps(daemon.ctl('connections'))
        until(lambda: peer not in json.dumps(daemon.ctl('connections')), 'the connection is gone')


def stop_command():
    daemon = echod(workers=2)
    daemon.ctl('stop')
    until(lambda: daemon.process.poll() is not None, 'the end')
    daemon.stopped = True
    assert daemon.process.returncode == 0 and not daemon.processes()
    assert not os.path.exists(daemon.socket)


def by_keelctl():
    with echod(workers=2) as daemon:
        assert str(daemon.pid) in keelctl(daemon.socket, 'status')
        raw = json.loads(keelctl('--json', daemon.socket, 'status'))
        assert raw['ok'] and raw['result']['pid'] == daemon.pid, raw
        answer = subprocess.run([program('keelctl'), daemon.socket, 'no-such-command'],
                                capture_output=True, text=True, timeout=20, check=False)
        assert answer.returncode != 0 and 'no-such-command' in answer.stderr, answer


def socket_taken_or_stale():
    first = echod(workers=1)
    answer = ended('--listen', '127.0.0.1:0', '--control', first.socket, '--state-dir', directory())
    assert answer.returncode == 1 and first.socket in answer.stderr, answer
    assert first.status()
    first.kill_master()
    assert os.path.exists(first.socket)
    with echod(workers=1, folder=first.folder) as second:   # a dead one's socket is no obstacle
        assert second.status()['pid'] == second.pid
    assert os.stat(first.folder)


def socket_mode():
    with echod('control-mode = "0600"\n', workers=1) as daemon:
        assert os.stat(daemon.socket).st_mode & 0o777 == 0o600
    with echod(workers=1) as daemon:
        assert os.stat(daemon.socket).st_mode & 0o777 == 0o660


# ---- log

def json_log():
    with echod('log {\n format = json\n level = debug\n}\n', workers=1) as daemon:
        daemon.ctl('reload')
        daemon.stop()
        lines = daemon.log().splitlines()
        assert len(lines) > 3
        for line in lines:
            assert {'level', 'time', 'message'} <= set(json.loads(line)), line


def reopened_log():
    folder = directory()
    path = os.path.join(folder, 'echod.txt')
    conf = 'log {\n target = file\n file = "%s"\n}\n' % path
    with echod(conf, workers=2, folder=folder) as daemon:
        until(lambda: os.path.exists(path) and os.path.getsize(path), 'a log file')
        os.rename(path, path + '.1')
        daemon.kill(signal.SIGUSR1)
        until(lambda: os.path.exists(path), 'the log is opened anew')
        old = os.path.getsize(path + '.1')
        daemon.ctl('reload')
        until(lambda: os.path.getsize(path) > 0, 'lines in the new file')
        whole(daemon, 2)
        # workers of before had the new descriptor too: nothing more went to the old file
        assert os.path.getsize(path + '.1') - old < 400, open(path + '.1').read()


def log_level():
    with echod(workers=1) as daemon:
        daemon.ctl('log-level', 'debug')
        daemon.ctl('log-level', 'error')
        size = len(daemon.log())
        daemon.ctl('reload')
        assert not re.search(r'^(INFO|DEBUG)', daemon.log()[size:], re.M), daemon.log()[size:]
        try:
            daemon.ctl('log-level', 'loud')
        except Refused:
            pass
        else:
            raise AssertionError('a level that is none was taken')


# ---- metrics

def samples(text):
    found = {}
    for line in text.splitlines():
        if line and not line.startswith('#'):
            match = re.fullmatch(r'([a-zA-Z_:][\w:]*(?:\{[^}]*\})?) (\S+)', line)
            assert match, 'not a sample: ' + line
            found[match.group(1)] = float(match.group(2))
    return found


def counters_go_up():
    with echod('respawn-budget = 0\n', workers=2) as daemon:
        kinds = dict(re.findall(r'^# TYPE (\S+) (\w+)$', daemon.metrics_text(), re.M))
        last = {}
        for step in range(6):
            Load(daemon.address('tcp'), 'echo', 4, connections=100).finish(stop=False)
            if step % 2:
                os.kill(worker_pids(daemon)[0], signal.SIGKILL)
            else:
                daemon.ctl('reload')
            whole(daemon, 2)
            now = samples(daemon.metrics_text())
            for name, value in last.items():
                if kinds.get(name.split('{')[0]) == 'counter':
                    assert now[name] >= value, '%s went from %g to %g' % (name, value, now[name])
            last = now
        accepted = [v for k, v in last.items() if 'connections' in k and 'total' in k]
        assert max(accepted) >= 500, last


def open_metrics():
    with echod(workers=1) as daemon:
        result = daemon.ctl('metrics', 'openmetrics')
        text = result if isinstance(result, str) else result['text']
        assert text.endswith('# EOF\n'), text[-200:]
        samples(text)


# ---- systemd

def notified():
    path = os.path.join(directory(), 'notify')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(path)
        door.settimeout(15)

        def hear(word):
            heard = []
            while not any(line == word for text in heard for line in text.splitlines()):
                heard.append(door.recv(4096).decode())
            return heard[-1]
        with echod(workers=1, env={'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '400000'}) as daemon:
            hear('READY=1')
            hear('WATCHDOG=1')
            daemon.kill(signal.SIGHUP)
            assert 'MONOTONIC_USEC=' in hear('RELOADING=1')
            hear('READY=1')
            daemon.kill(signal.SIGTERM)
            hear('STOPPING=1')


def watchdog_after_upgrade():
    """systemd names the process whose sign of life it wants; an upgrade changes that process."""
    path = os.path.join(directory(), 'notify')
    start = os.path.join(directory(), 'echod')
    with open(start, 'w', encoding='utf-8') as f:
        f.write('#!/bin/sh\nWATCHDOG_PID=$$\nexport WATCHDOG_PID\nexec %s "$@"\n' % program('echod'))
    os.chmod(start, 0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(path)
        door.settimeout(15)
        with Daemon(start, env={'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '400000'}) as daemon:
            upgrade(daemon)
            while door.recv(4096) != b'MAINPID=%d\nREADY=1' % daemon.pid:
                pass
            while door.recv(4096) != b'WATCHDOG=1':
                pass


def doors_closed():
    """From a stop on new clients are refused at once, while old ones may finish."""
    with echod(workers=2) as daemon:
        address = daemon.address('tcp')
        with socket.create_connection(address, timeout=10) as old:
            old.sendall(b'a')
            assert old.recv(10) == b'a'
            daemon.ctl('stop')

            def refused():
                try:
                    socket.create_connection(address, timeout=10).close()
                except ConnectionRefusedError:
                    return True
                except ConnectionResetError:
                    pass
                return False
            until(refused, 'a new client is refused', patience=5)
            old.sendall(b'b')
            assert old.recv(10) == b'b'


def socket_activated():
    """The manager's socket is used instead of one of our own, and survives."""
    with socket.create_server(('127.0.0.1', 0), reuse_port=True) as given:
        address = given.getsockname()
        start = os.path.join(directory(), 'echod')
        with open(start, 'w', encoding='utf-8') as f:
            f.write('#!/bin/sh\nexec 3<&%d\nLISTEN_PID=$$ LISTEN_FDS=1\nexport LISTEN_PID LISTEN_FDS\n'
                    'exec %s "$@"\n' % (given.fileno(), program('echod')))
        os.chmod(start, 0o755)
        os.set_inheritable(given.fileno(), True)
        with Daemon(start, listen=['%s:%d' % address], workers=1, pass_fds=(given.fileno(),)):
            for _ in range(3):
                with socket.create_connection(address, timeout=10) as s:
                    s.sendall(b'hello\n')
                    assert s.recv(10) == b'hello\n'
        socket.create_connection(address, timeout=10).close()   # it still listens


# ---- rights

def fields(pid):
    with open('/proc/%d/status' % pid, encoding='utf-8') as f:
        return dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)


def sandboxed():
    need_no_sanitizer()
    with echod(workers=1) as daemon:
        found = fields(worker_pids(daemon)[0])
        assert found['NoNewPrivs'] == '1' and found['Seccomp'] == '2', found
        assert int(found['CapEff'], 16) == 0 and int(found['CapPrm'], 16) == 0, found
        assert 'sandbox' in json.dumps(daemon.status()) + json.dumps(daemon.ctl('workers'))


def other_user():
    need_root()
    nobody = pwd.getpwnam('nobody')
    with echod('user = "nobody"\n', workers=2) as daemon:
        for pid in worker_pids(daemon):
            found = fields(pid)
            assert found['Uid'].split() == [str(nobody.pw_uid)] * 4, found['Uid']
            assert found['Gid'].split() == [str(nobody.pw_gid)] * 4, found['Gid']
            assert int(found['CapEff'], 16) == 0, found
        before = worker_pids(daemon)
        daemon.ctl('reload')
        until(lambda: worker_pids(daemon) != before, 'new workers')
        with socket.create_connection(daemon.address('tcp'), timeout=10) as s:
            s.sendall(b'x\n')
            assert s.recv(10) == b'x\n'


def a_connection_outlives_a_reload():
    """Drained, not cut: an open connection goes on with the old worker."""
    with echod('drain-timeout = 20s\n', workers=1) as daemon:
        with socket.create_connection(daemon.address('tcp'), timeout=10) as s:
            s.sendall(b'one\n')
            assert s.recv(10) == b'one\n'
            before = worker_pids(daemon)
            daemon.ctl('reload')
            until(lambda: worker_pids(daemon) and worker_pids(daemon) != before, 'a new worker')
            s.sendall(b'two\n')
            assert s.recv(10) == b'two\n'
        whole(daemon, 1)


def memory_of_idle_connections():
    """At most 400 bytes of private memory each, measured over 8,000."""
    need_no_sanitizer()
    count = 8000
    with echod(workers=1) as daemon:
        def private():
            with open('/proc/%d/smaps_rollup' % worker_pids(daemon)[0], encoding='utf-8') as f:
                return sum(int(line.split()[1]) for line in f if line.startswith('Private_')) << 10
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limit[1] < count + 1000:
            raise Skip('needs %d descriptors' % (count + 1000))
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))

        def opened(n):
            held = []
            for i in range(n):
                s = socket.socket()
                s.bind(('127.1.0.%d' % (1 + i % 200), 0))
                s.settimeout(10)
                s.connect(daemon.address('tcp'))
                held.append(s)
            held[-1].sendall(b'x\n')
            held[-1].recv(10)
            return held
        some = opened(500)
        before = private()
        held = opened(count)
        time.sleep(0.3)
        each = (private() - before) / count
        for s in some + held:
            s.close()
        tap.note('%.0f bytes for each idle connection' % each)
        assert each <= 400, each


run(('--help and --version', help_and_version),
    ('a wrong command line is exit status 2', wrong_command_line),
    ('a port in use is named', port_in_use),
    ('control commands', control_commands),
    ('connections are listed', connections_are_listed),
    ('the stop command', stop_command),
    ('keelctl', by_keelctl),
    ('a control socket that is taken, and one that is stale', socket_taken_or_stale),
    ('the mode of the control socket', socket_mode),
    ('a log in JSON', json_log),
    ('a log file is reopened', reopened_log),
    ('the log level changes', log_level),
    ('counters never go back', counters_go_up),
    ('OpenMetrics', open_metrics),
    ('systemd is told', notified),
    ('the watchdog after an upgrade', watchdog_after_upgrade),
    ('a stop closes the doors at once', doors_closed),
    ('a socket from systemd', socket_activated),
    ('workers gave up their rights', sandboxed),
    ('workers of another user', other_user),
    ('a connection outlives a reload', a_connection_outlives_a_reload),
    ('memory of idle connections', memory_of_idle_connections))
