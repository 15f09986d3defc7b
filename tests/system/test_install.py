"""make install into an empty folder; then a daemon is built from the installed headers alone, and
serves. What is not installed, or reaches back into the tree, is found here."""
import os
import shlex
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import (BUILDDIR, SRCDIR, Daemon, Skip, directory, make_environment, need_program, output,
                  run, setting)

destdir = directory()
built = {}


def install():
    output(['make', '-C', BUILDDIR, 'install', 'DESTDIR=' + destdir], patience=300,
           env=make_environment())
    for name in ('dnsd', 'dhcpd', 'httpd'):
        if os.path.exists(os.path.join(BUILDDIR, name, name)):
            assert os.access(installed('sbindir', name), os.X_OK), name + ' is not installed'


def installed(variable, *parts):
    return os.path.join(destdir + setting(variable), *parts)


def pkg_config(*args):
    need_program('pkg-config')
    return shlex.split(output(
        ['pkg-config', *args, 'libkeel'],
        env=make_environment(PKG_CONFIG_PATH=installed('libdir', 'pkgconfig'),
                        PKG_CONFIG_SYSROOT_DIR=destdir)))


def headers():
    """Each installed header compiles by itself."""
    top = installed('includedir', 'keel')
    flags = pkg_config('--cflags')
    names = sorted(os.path.relpath(os.path.join(folder, name), top)
                   for folder, _, files in os.walk(top) for name in files)
    assert 'common/keel.h' in names, names
    for name in names:
        output(['gcc', '-std=gnu11', '-Wall', '-Wextra', '-Wno-unused-parameter', '-Werror',
                '-fsyntax-only', '-x', 'c', os.path.join(top, name)] + flags, cwd=destdir)


def example():
    source = os.path.join(SRCDIR, 'doc', 'examples', 'echod.c')
    if not os.path.exists(source):
        raise Skip('there is no doc/examples/echod.c')
    path = os.path.join(destdir, 'echod')
    output(['gcc', '-std=gnu11', '-O2', '-Wall', '-Wextra', '-Wno-unused-parameter', '-Werror',
            source, '-o', path] + pkg_config('--cflags', '--libs'), cwd=destdir, patience=60)
    with open(source, encoding='utf-8') as f:
        lines = len(f.readlines())
    assert lines <= 100, 'echod.c has %d lines' % lines
    built['echod'] = path


def serves():
    if 'echod' not in built:
        raise Skip('echod was not built')
    with Daemon(built['echod'], workers=2,
                env={'LD_LIBRARY_PATH': installed('libdir')}) as echod:
        with socket.create_connection(echod.address('tcp'), timeout=10) as s:
            s.sendall(b'hello\n')
            assert s.recv(100) == b'hello\n'
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(10)
            s.sendto(b'hello', echod.address('udp'))
            assert s.recv(100) == b'hello'


def module():
    """The same file as a module, which the installed keeld runs."""
    path = os.path.join(destdir, 'echo.so')
    output(['gcc', '-std=gnu11', '-O2', '-shared', '-fPIC',
            os.path.join(SRCDIR, 'doc', 'examples', 'echod.c'), '-o', path]
           + pkg_config('--cflags', '--libs'), cwd=destdir, patience=60)
    os.chmod(path, 0o755)
    with Daemon(installed('sbindir', 'keeld'), first=[path],
                env={'LD_LIBRARY_PATH': installed('libdir')}) as echod:
        with socket.create_connection(echod.address('tcp'), timeout=10) as s:
            s.sendall(b'hello\n')
            assert s.recv(100) == b'hello\n'


run(('make install DESTDIR', install),
    ('every installed header stands alone', headers),
    ('echod builds from the installed headers', example),
    ('echod from outside the tree serves', serves),
    ('echod as a module of the installed keeld', module))
