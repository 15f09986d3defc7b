"""Passwords: every kind that htpasswd writes, from the file and after it changed, by many clients."""
import base64
import concurrent.futures
import http.client
import os
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import whole, worker_pids
from keel import Daemon, directory, need_program, need_root, output, run, until

CONF = '''
listen = "127.0.0.1:0"
access-log { file = "access.log" format = "%{user} %{status} %{path}" buffer = 4k }
site "localhost" {
  root = "www"
  auth = "The site"
  auth-file = "users.htpasswd"
  location "/open/" { auth = "off" }
  location "/bob/"  { auth = "Bob's" auth-file = "users.htpasswd" allow-users = { "bob" } }
  location "/any/"  { allow = { "127.0.0.1" } satisfy = any }
  location "/none/" { allow = { "192.0.2.1" } satisfy = any }
  location "/all/"  { deny = { "127.0.0.0/8" } }
}
'''
FILES = {'www/index.html': 'in\n'}
FILES.update(('www/%s/index.html' % name, name + '\n')
             for name in ('open', 'bob', 'any', 'none', 'all', 'sub'))
# as fast as a hash can be: the tests ask about who may, not about how long
KINDS = {'bcrypt': ['-B', '-C', '4'], 'sha256': ['-2'], 'sha512': ['-5'], 'md5': ['-m'],
         'sha1': ['-s']}
# of mkpasswd -m yescrypt: it maps memory of its own, which the sandbox has to allow
YESCRYPT = ('yes:$y$j9T$fXggiECJq/LGMfxPSOmlO0$rIU1pxRw2Vy7Giwi2gqvHDxEpIdhXtPuB8HZpux/w98\n')


def line(user, password, *args):
    return output([need_program('htpasswd'), '-nb'] + list(args) + [user, password]).strip() + '\n'


def users():
    return (''.join(line(kind, 'pass-' + kind, *args) for kind, args in KINDS.items())
            + line('bob', 'b:ob', '-B', '-C', '4')
            + YESCRYPT + 'crypt:' + output([need_program('openssl'), 'passwd', '-1', 'old']))


def httpd(text=None, conf=CONF, **options):
    files = dict(FILES)
    files['users.htpasswd'] = text if text is not None else users()
    return Daemon('httpd', conf=conf, listen=None, folder=directory(), files=files, **options)


def ask(daemon, path, user=None, field=None):
    """(status, fields, body) of a GET, with "NAME:PASSWORD" or another Authorization."""
    if user is not None:
        field = 'Basic ' + base64.b64encode(user.encode()).decode()
    connection = http.client.HTTPConnection(*daemon.address('tcp'), timeout=30)
    connection.request('GET', path, headers={'Authorization': field} if field else {})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def read(daemon, name):
    with open(os.path.join(daemon.folder, name), encoding='utf-8') as f:
        return f.read()


def who_may():
    with httpd() as daemon:
        status, fields, _ = ask(daemon, '/')
        assert status == 401
        assert fields['www-authenticate'] == 'Basic realm="The site", charset="UTF-8"'
        for kind in KINDS:
            assert ask(daemon, '/', '%s:pass-%s' % (kind, kind))[0] == 200, kind
            assert ask(daemon, '/sub/', '%s:pass-%s' % (kind, kind))[2] == b'sub\n', kind
            assert ask(daemon, '/', '%s:pass' % kind)[0] == 401, kind
        assert ask(daemon, '/', 'yes:pass word')[0] == 200
        assert ask(daemon, '/', 'crypt:old')[0] == 200
        assert ask(daemon, '/', 'nobody:old')[0] == 401
        assert ask(daemon, '/nothing', 'crypt:old')[0] == 404
        assert ask(daemon, '/nothing')[0] == 401
        assert ask(daemon, '/open/')[0] == 200
        assert ask(daemon, '/bob/', 'bob:b:ob')[0] == 200
        assert ask(daemon, '/bob/', 'crypt:old')[0] == 403
        status, fields, _ = ask(daemon, '/bob/')
        assert (status, fields['www-authenticate']) == (
            401, 'Basic realm="Bob\'s", charset="UTF-8"')
        assert ask(daemon, '/any/')[0] == 200
        assert [ask(daemon, '/none/', who)[0] for who in (None, 'crypt:old')] == [401, 200]
        assert ask(daemon, '/all/', 'crypt:old')[0] == 403
        for field in ('Basic', 'Basic !', 'Bearer abcd', 'Basic b2xk', 'Basic ' + 'A' * 4000):
            assert ask(daemon, '/', field=field)[0] == 401, field
        # who it was stands in the log, once it is proved
        until(lambda: 'crypt 404 /nothing\n' in read(daemon, 'access.log'), 'the log')
        text = read(daemon, 'access.log')
        assert 'bob 200 /bob/\n' in text and 'crypt 403 /bob/\n' in text
        assert '- 401 /\n' in text and 'nobody' not in text


def a_body_waits():
    """The body behind a request that waits for its password is dropped, and the next one served."""
    with httpd() as daemon:
        field = base64.b64encode(b'bob:b:ob')
        request = (b'POST /bob/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic ' + field
                   + b'\r\nContent-Length: 5\r\n\r\nhello'
                   + b'GET /open/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
        with socket.create_connection(daemon.address('tcp'), timeout=20) as s:
            s.sendall(request)
            received = b''
            while True:
                part = s.recv(65536)
                if not part:
                    break
                received += part
        assert received.startswith(b'HTTP/1.1 405 ') and received.endswith(b'open\n'), received


def taken_up(daemon, times):
    """The master has handed the file to the workers, before any connection that it hands to them."""
    until(lambda: daemon.log().count('a file changed, taken up') == times, 'the new file')


def the_file_changes():
    """Workers take it up, those that are started while it is no good too; nobody asks the disk for it
    while requests come."""
    with httpd(text=line('old', 'a', '-B', '-C', '4'),
               conf='respawn-budget = 0\ncertificate-watch = 1s\n' + CONF, workers=2, schedule='round-robin') as daemon:
        whole(daemon, 2)
        before = worker_pids(daemon)
        assert ask(daemon, '/', 'old:a')[0] == 200
        daemon.write('users.new', line('new', 'b', '-B', '-C', '4'))
        os.chmod(daemon.folder + '/users.new', 0o600)
        os.rename(daemon.folder + '/users.new', daemon.folder + '/users.htpasswd')
        taken_up(daemon, 1)
        assert [ask(daemon, '/', 'new:b')[0] for _ in range(4)] == [200] * 4
        assert ask(daemon, '/', 'old:a')[0] == 401
        # a file that is wrong changes nothing, and one that is gone does not either
        daemon.write('users.htpasswd', 'new:secret\n')
        until(lambda: re.search(r'httpd.conf:\d+: site .*auth-file: .*users.htpasswd:1: no hash of a '
                                'kind', daemon.log()), 'the complaint')
        assert ask(daemon, '/', 'new:b')[0] == 200 and worker_pids(daemon) == before
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(re.findall('worker died', daemon.log())) == 2, 'two deaths')
        whole(daemon, 2)
        assert [ask(daemon, '/', 'new:b')[0] for _ in range(4)] == [200] * 4
        os.unlink(daemon.folder + '/users.htpasswd')
        until(lambda: 'cannot open' in daemon.log(), 'the complaint')
        assert ask(daemon, '/', 'new:b')[0] == 200
        daemon.write('users.htpasswd', '')
        taken_up(daemon, 2)
        assert [ask(daemon, '/', 'new:b')[0] for _ in range(4)] == [401] * 4
        assert 'reloading' not in daemon.log()


def others_cannot_read_it():
    """Workers get it from the master: it may be root's own."""
    need_root()
    folder = directory()
    os.chmod(folder, 0o755)
    for name, text in FILES.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
    os.mkdir(folder + '/secret', 0o700)
    conf = 'user = "nobody"\n' + CONF.replace('users.htpasswd', 'secret/users')
    with Daemon('httpd', conf=conf, listen=None, folder=folder,
                files={'secret/users': line('a', 'b', '-B', '-C', '4')}) as daemon:
        assert ask(daemon, '/', 'a:b')[0] == 200
        daemon.write('secret/users', line('c', 'd', '-B', '-C', '4'))
        taken_up(daemon, 1)
        until(lambda: ask(daemon, '/', 'c:d')[0] == 200, 'the new user', pause=0.5)


def many_at_once():
    """A slow hash: one check for all who bring the same password, and others are served meanwhile."""
    with httpd(text=line('slow', 'a', '-B', '-C', '13')) as daemon:
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            slow = [pool.submit(ask, daemon, '/', 'slow:a') for _ in range(10)]
            assert ask(daemon, '/open/')[0] == 200
            assert [future.result()[0] for future in slow] == [200] * 10
        assert daemon.metric('httpd_auth_checks_total') == 1
        assert ask(daemon, '/', 'slow:a')[0] == 200
        assert daemon.metric('httpd_auth_checks_total') == 1
        # streams of one HTTP/2 connection wait and go on alike; a wrong password is asked for anew
        for password, status in ((b'slow:a', 200), (b'slow:b', 401)):
            field = 'authorization: Basic ' + base64.b64encode(password).decode()
            out = output([need_program('nghttp'), '-nv', '-m', '8', '-H', field,
                          'http://127.0.0.1:%d/sub/' % daemon.address('tcp')[1]])
            assert out.count(':status: %d' % status) == 8, out
        assert daemon.metric('httpd_auth_checks_total') == 2


def guesses_are_few():
    with httpd(text=line('bob', 'a', '-B', '-C', '4')) as daemon:
        assert ask(daemon, '/', 'bob:a')[0] == 200
        results = [ask(daemon, '/', 'bob:%d' % i) for i in range(40)]
        statuses = [status for status, _, _ in results]
        assert statuses[0] == 401 and 429 in statuses and set(statuses) == {401, 429}, statuses
        assert int(results[statuses.index(429)][1]['retry-after']) >= 1
        assert daemon.metric('httpd_limited_total', what='passwords') >= 1
        # who is known is not held up by it
        assert ask(daemon, '/', 'bob:a')[0] == 200


def who_leaves_early():
    """A client that is gone before its password was checked leaves nothing behind."""
    with httpd(text=line('slow', 'a', '-B', '-C', '12')) as daemon:
        for i in range(5):
            with socket.create_connection(daemon.address('tcp'), timeout=20) as s:
                field = base64.b64encode(b'slow:%d' % i)
                s.sendall(b'GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic ' + field
                          + b'\r\n\r\n')
                until(lambda: daemon.metric('httpd_auth_checks_total') > i, 'the check')
        until(lambda: daemon.metric('httpd_auth_failed_total') == 5, 'the checks')
        assert ask(daemon, '/', 'slow:a')[0] == 200


if __name__ == '__main__':
    run(('who may come in', who_may),
        ('a body waits for the password', a_body_waits),
        ('the file changes', the_file_changes),
        ('others cannot read the file', others_cannot_read_it),
        ('many at once', many_at_once),
        ('guesses are few', guesses_are_few),
        ('who leaves early', who_leaves_early))
