"""The example configurations load as they stand, and a wrong one is refused with file and line."""
import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import SRCDIR, directory, output, program, run


def loads(path):
    output([program(daemon_of(path)), '--check', '-c', path])


def daemon_of(path):
    return os.path.basename(path).split('.')[0].split('-')[0]


def prints(path):
    """What --print-config says loads again and says the same."""
    daemon = program(daemon_of(path))
    text = output([daemon, '--print-config', '-c', path])
    again = os.path.join(directory(), os.path.basename(path))
    with open(again, 'w', encoding='utf-8') as f:
        f.write(text)
    assert output([daemon, '--print-config', '-c', again]) == text, text


def refuses(daemon):
    path = os.path.join(directory(), daemon + '.conf')
    with open(path, 'w', encoding='utf-8') as f:
        f.write('balance = 1\n\nno-such-key = 5\n')
    ended = subprocess.run([program(daemon), '--check', '-c', path], capture_output=True,
                           text=True, timeout=20, check=False)
    assert ended.returncode == 2, ended
    assert path + ':3:' in ended.stderr and 'no-such-key' in ended.stderr, ended.stderr


confs = sorted(glob.glob(os.path.join(SRCDIR, 'conf', '*.conf'))
               + glob.glob(os.path.join(SRCDIR, 'conf', 'quickstart', '*.conf')))
run(*[('%s loads' % os.path.relpath(path, SRCDIR), lambda path=path: loads(path))
      for path in confs],
    *[('%s printed loads again' % os.path.relpath(path, SRCDIR), lambda path=path: prints(path))
      for path in confs],
    *[('%s refuses an unknown key, with its line' % daemon,
       lambda daemon=daemon: refuses(daemon)) for daemon in ('dnsd', 'dhcpd', 'httpd')])
