#!/usr/bin/env python3
"""keelctl against a daemon that is not one: what it sends, shows, and says when there is no answer."""
import contextlib
import glob
import json
import os
import pty
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))
from tap import Skip, Tap  # noqa: E402

KEELCTL = os.path.join(os.environ.get('KEEL_BUILDDIR', '.'), 'common', 'keelctl', 'keelctl')
HELP = [{'name': 'help', 'usage': '', 'help': 'the commands'},
        {'name': 'status', 'usage': '', 'help': 'what runs'},
        {'name': 'stop', 'usage': '[now]', 'help': 'end'}]


class Fake:
    """A control socket that answers from a table; bytes go out as they are."""

    def __init__(self, name='dnsd', **answers):
        self.folder = tempfile.mkdtemp(prefix='keelctl-')
        self.run = os.path.join(self.folder, 'keel')
        os.mkdir(self.run, 0o755)
        self.path = os.path.join(self.run, name + '.sock')
        self.answers = {'help': HELP, **answers}
        self.program = KEELCTL
        self.requests = []
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(self.path)
        self.door.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                client = self.door.accept()[0]
            except OSError:
                return
            with client, client.makefile('rb') as stream, contextlib.suppress(OSError):
                request = json.loads(stream.readline())
                self.requests.append(request)
                answer = self.answers.get(request['command'])
                if callable(answer):
                    answer(client)
                elif isinstance(answer, bytes):
                    client.sendall(answer)
                elif request['command'] in self.answers:
                    client.sendall(json.dumps({'ok': True, 'result': answer}).encode() + b'\n')
                else:
                    client.sendall(b'{"ok": false, "error": "there is no such command"}\n')

    def env(self):
        """The caller is root in most test runs: the runtime folder is then not looked at."""
        return dict(os.environ, XDG_RUNTIME_DIR=self.folder, XDG_STATE_HOME=self.folder,
                    HOME=self.folder, TERM='xterm', LD_LIBRARY_PATH=self.folder)

    def ctl(self, *args, **kwargs):
        return subprocess.run([self.program, *args], capture_output=True, text=True, timeout=30,
                              env=self.env(), check=False, **kwargs)

    def shows(self, command, expected):
        answer = self.ctl(self.path, command)
        assert answer.returncode == 0 and not answer.stderr, answer
        assert answer.stdout == expected, answer.stdout
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        self.thread.join(5)
        shutil.rmtree(self.folder)


def words_become_a_request():
    with Fake(status='fine') as fake:
        fake.ctl(fake.path, 'status', 'a b', '--x', 'é"\n')
        fake.ctl('--socket', fake.path, 'whatever', 'status')
        assert fake.requests == [{'command': 'status', 'args': ['a b', '--x', 'é"\n']},
                                 {'command': 'status', 'args': []}], fake.requests


def results_for_the_eye():
    with Fake(
            table=[{'name': 'a', 'n': 1}, {'name': 'bcd', 'n': 1000, 'tls': True}],
            object={'pid': 12, 'on': False, 'load': 0.25, 'age': 6.5e-5, 'up': 3.0, 'list': [1, 'x'], 'none': None,
                    'inner': {'deep': {'er': 1}}, 'rows': [{'a': 'x', 'b': {'c': 1}}], 'empty': []},
            text={'text': 'a_total 5\nb 3\n'}, word='fine', null=None, nothing=[], items=['a', 2],
            workers=[{'worker': 0, 'result': [{'name': 'http', 'calls': 10}]},
                     {'worker': 1, 'result': []}, {'worker': 2, 'result': [{'name': 'udp'}]}],
            idle=[{'worker': 0, 'result': []}],
            times={'rows': [{'a': 'x', 'at': 1795253426}, {'a': 'y', 'at': -1}, {'a': 'z', 'at': None}],
                   'times': ['at', 'b', 7]},
            lists=[{'worker': w, 'result': {'open': w + 1, 'detail': ['b'], 'none': [],
                                            'all': [{'a': w, 'b': 'x'}]}} for w in (0, 1)],
            texts=[{'worker': 0, 'result': 'fine'}, {'worker': 1, 'result': {'text': 'a\nb'}}]) as fake:
        fake.shows('table', 'name     n  tls\na        1  -\nbcd   1000  yes\n')
        fake.shows('object', 'pid: 12\non: no\nload: 0.25\nage: 0.000065\nup: 3\nlist: 1, x\nnone: -\n'
                   'inner:\n  deep:\n    er: 1\nrows:\n  a  c\n  x  1\nempty: none\n')
        fake.shows('text', 'a_total 5\nb 3\n')
        fake.shows('word', 'fine\n')
        fake.shows('null', 'done\n')
        fake.shows('nothing', 'none\n')
        fake.shows('items', 'a\n2\n')
        fake.shows('workers', 'worker  name  calls\n     0  http     10\n     2  udp       -\n')
        fake.shows('idle', 'none\n')
        fake.shows('times', 'a  at\nx  2026-11-21T09:30:26Z\ny  -1\nz  -\n')
        fake.shows('lists', 'worker  open\n     0     1\n     1     2\n'
                   'none:\n  none\nall:\n  worker  a\n       0  0\n       1  1\n')
        assert 'worker  a  b\n       0  0  x\n' in fake.ctl('--wide', fake.path, 'lists').stdout
        fake.shows('texts', 'worker 0:\nfine\nworker 1:\na\nb\n')
        fake.shows('help', 'name    usage  help\nhelp           the commands\n'
                   'status         what runs\nstop    [now]  end\n')


def nothing_steers_the_terminal():
    evil = '\x1b[31m\x07\u009b2J\x7f'
    safe = '\\x1b[31m\\x07\\x9b2J\\x7f'
    with Fake(word=evil, table=[{evil: evil + '\n'}], text={'text': 'tab\there ' + evil},
              wrong=json.dumps({'ok': False, 'error': evil}).encode() + b'\n') as fake:
        fake.shows('word', safe + '\n')
        fake.shows('table', safe + '\n' + safe + '\\x0a\n')
        fake.shows('text', 'tab\there ' + safe + '\n')
        assert fake.ctl(fake.path, 'wrong').stderr == 'keelctl: ' + safe + '\n'


def json_as_it_came():
    line = b'{"ok":true,  "result": {"b":1, "a":[]} }'
    with Fake(odd=line + b'\nmore') as fake:
        answer = fake.ctl('--json', fake.path, 'odd')
        assert answer.returncode == 0 and answer.stdout.encode() == line + b'\n', answer
        answer = fake.ctl('--json', fake.path, 'unknown')
        assert answer.returncode == 1 and json.loads(answer.stdout)['ok'] is False, answer


def exit_statuses():
    with Fake(rude=b'{"ok": 1}\n', cut=b'{"ok": true, "result": ', silent=b'', text=b'hello\n',
              wordless=b'{"ok": false}\n') as fake:
        answer = fake.ctl(fake.path, 'unknown')
        assert answer.returncode == 1 and 'no such command' in answer.stderr, answer
        assert not answer.stdout, answer
        for args in (['--nonsense'], ['--timeout', 'x', fake.path, 'help']):
            assert fake.ctl(*args).returncode == 2, args
        for command in ('rude', 'cut', 'silent', 'text', 'wordless'):
            answer = fake.ctl(fake.path, command)
            assert answer.returncode == 3 and answer.stderr.startswith('keelctl: '), answer
        answer = fake.ctl('no-such-daemon', 'status')
        assert answer.returncode == 3 and 'no-such-daemon does not run' in answer.stderr, answer
        answer = fake.ctl(fake.folder + '/none.sock', 'status')
        assert answer.returncode == 3 and 'No such file' in answer.stderr, answer
        answer = fake.ctl('--help')
        assert answer.returncode == 0 and answer.stdout.startswith('usage: keelctl'), answer
        assert fake.ctl('--version').stdout.startswith('keelctl ')


def a_daemon_that_does_not_answer():
    with Fake(slow=lambda client: time.sleep(3)) as fake:
        begin = time.monotonic()
        answer = fake.ctl('--timeout', '500ms', fake.path, 'slow')
        assert answer.returncode == 3 and 'no answer in time' in answer.stderr, answer
        assert time.monotonic() - begin < 2.5


def replies_of_megabytes():
    def endless(client):
        while True:
            client.sendall(b'x' * 65536)

    with Fake(big={'text': 'line\n' * 2000000}, endless=endless) as fake:
        answer = fake.ctl(fake.path, 'big')
        assert answer.returncode == 0 and len(answer.stdout) == 10000000, answer.returncode
        answer = fake.ctl(fake.path, 'endless')
        assert answer.returncode == 3 and '64 MiB' in answer.stderr, answer


def by_name_for_a_user():
    """As nobody: by the name in the user's own folder, and not in one that strangers can write."""
    if os.geteuid() != 0:
        with Fake(status='fine') as fake:
            assert fake.ctl('dnsd', 'status').stdout == 'fine\n'
        return
    with Fake(status='fine') as fake:
        os.chmod(fake.folder, 0o755)
        for path in (fake.run, fake.path):
            os.chown(path, 65534, 65534)
        nobody = {'user': 65534, 'group': 65534, 'extra_groups': []}
        # the build may be where nobody may not look: a copy of the program and its library
        real = os.path.join(os.path.dirname(KEELCTL), '.libs', 'keelctl')
        shutil.copy(real if os.path.exists(real) else KEELCTL, fake.folder)
        for library in glob.glob(os.path.join(os.path.dirname(KEELCTL), '..', '.libs', '*.so*')):
            if not os.path.islink(library):
                shutil.copy(library, os.path.join(fake.folder, 'libkeel.so.0'))
        fake.program = os.path.join(fake.folder, 'keelctl')
        answer = fake.ctl('dnsd', 'status', **nobody)
        assert answer.stdout == 'fine\n', answer
        os.chmod(fake.run, 0o777)
        answer = fake.ctl('dnsd', 'status', **nobody)
        assert answer.returncode == 3 and 'strangers' in answer.stderr, answer
        os.chmod(fake.run, 0o755)
        os.chown(fake.run, 12345, 12345)
        answer = fake.ctl('dnsd', 'status', **nobody)
        assert answer.returncode == 3 and 'strangers' in answer.stderr, answer


# ---- the console -----------------------------------------------------------------------------

def lines_from_a_pipe():
    with Fake(status='fine') as fake:
        answer = fake.ctl(fake.path, input='status\n\n  status "a b" \nquit\nstatus\n')
        assert answer.stdout == 'fine\nfine\n' and answer.returncode == 0, answer
        assert [r['args'] for r in fake.requests] == [[], ['a b']], fake.requests
        answer = fake.ctl(input='%s status\nunknown-daemon status\n' % fake.path)
        assert answer.stdout == 'fine\n' and answer.returncode == 3, answer
        answer = fake.ctl(fake.path, input='nonsense\n')
        assert answer.returncode == 1, answer


class Terminal:
    def __init__(self, fake, *args):
        try:
            self.pid, self.fd = pty.fork()
        except OSError as error:
            raise Skip('needs a pseudo terminal') from error
        if self.pid == 0:
            # libedit never frees the names of added functions: not our leak
            os.execve(KEELCTL, [KEELCTL, *args], dict(fake.env(), ASAN_OPTIONS='detect_leaks=0'))
        self.seen = b''

    def expect(self, text, patience=10):
        until = time.monotonic() + patience
        while text.encode() not in self.seen:
            left = until - time.monotonic()
            assert left > 0, (text, self.seen)
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.seen += os.read(self.fd, 65536)
                except OSError:
                    break
        assert text.encode() in self.seen, (text, self.seen)
        self.seen = self.seen[self.seen.index(text.encode()) + len(text):]

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self, typing='', patience=20):
        """Its exit status. `typing` is typed again every second: the prompt stands there a moment
        before the console reads key by key, and a Ctrl-D in that moment becomes a NUL in the line,
        which Ctrl-U takes away."""
        until, again = time.monotonic() + patience, 0
        pid, status = 0, 0
        while pid == 0:
            assert time.monotonic() < until, ('it does not end', self.seen)
            if typing and time.monotonic() > again:
                self.type(typing)
                again = time.monotonic() + 1
            time.sleep(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def a_console_with_history_and_completion():
    with Fake(status='all is well') as fake:
        t = Terminal(fake, fake.path)
        t.expect('dnsd.sock> ')
        t.type('statu\t\r')              # one candidate: finished
        t.expect('all is well')
        t.expect('> ')
        t.type('st\t')                   # two candidates, nothing in common: listed
        t.expect('status  stop')
        t.type('\x03')                   # Ctrl-C drops the line, not the console
        t.expect('> ')
        t.type('nonsense\r')
        t.expect('no such command')
        t.expect('> ')
        t.type('\x1b[A\x1b[A\r')         # up, up: the line before the last
        t.expect('all is well')
        t.expect('> ')
        t.type('quit\r')
        assert t.end() == 0
        assert [r['command'] for r in fake.requests if r['command'] != 'help'] == \
            ['status', 'nonsense', 'status'], fake.requests
        # the next console remembers
        history = [os.path.join(d, 'history') for d, _, names in os.walk(fake.folder)
                   if 'history' in names]
        if history:                      # root's is in the system's state folder
            assert 'nonsense' in open(history[0], encoding='utf-8').read()


def a_console_for_all_daemons():
    with Fake(status='all is well') as fake:
        t = Terminal(fake)
        t.expect('keel> ')
        t.type('%s statu\t\r' % fake.path)
        t.expect('all is well')
        t.expect('> ')
        t.type('dnsd\r')
        t.expect('which command of dnsd')
        t.type('help\r')
        t.expect('Running here:')
        t.expect('keel> ')
        assert t.end('\x15\x04') == 0


Tap().run([
    ('words become a request', words_become_a_request),
    ('results are shown for the eye', results_for_the_eye),
    ('nothing in an answer steers the terminal', nothing_steers_the_terminal),
    ('--json shows the reply as it came', json_as_it_came),
    ('exit statuses', exit_statuses),
    ('a daemon that does not answer', a_daemon_that_does_not_answer),
    ('replies of megabytes', replies_of_megabytes),
    ('a user finds his own daemon by its name', by_name_for_a_user),
    ('lines from a pipe', lines_from_a_pipe),
    ('a console with history and completion', a_console_with_history_and_completion),
    ('a console for all daemons', a_console_for_all_daemons),
])
