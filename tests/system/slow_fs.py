"""A file system that takes its time (FUSE, spoken by hand), to see who waits for it."""
import ctypes
import os
import struct
import threading
import time

from keel import Skip, need_root

_libc = ctypes.CDLL(None, use_errno=True)
_FORGET, _INTERRUPT, _BATCH_FORGET = 2, 36, 42
_MNT_FORCE, _MNT_DETACH, _MS_NOSUID_NODEV = 1, 2, 6
_DIRECTORY, _FILE = 0o040755, 0o100644


class SlowFs:
    """`files` (name to bytes) appear in the folder. Looking up, opening and reading a file,
    and saying what file system it is, take `lookup`, `open`, `read` and `statfs` seconds, which may
    be changed at any time."""

    def __init__(self, folder, files):
        need_root()
        self.folder, self.names = folder, sorted(files)
        self.files = files
        self.lookup = self.open = self.read = self.statfs = 0
        self.reads = 0
        os.makedirs(folder, exist_ok=True)
        try:
            self.fd = os.open('/dev/fuse', os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise Skip('no /dev/fuse here') from error
        data = b'fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other' % self.fd
        if _libc.mount(b'slow', folder.encode(), b'fuse', _MS_NOSUID_NODEV, data) != 0:
            os.close(self.fd)
            raise Skip('FUSE cannot be mounted here')
        threading.Thread(target=self._serve, daemon=True).start()

    def hurry(self):
        self.lookup = self.open = self.read = self.statfs = 0

    def close(self):
        _libc.umount2(self.folder.encode(), _MNT_FORCE | _MNT_DETACH)  # who waits gets an error
        os.close(self.fd)

    def _serve(self):
        while True:
            try:
                request = os.read(self.fd, 1 << 18)
            except OSError:
                return
            threading.Thread(target=self._answer, args=(request,), daemon=True).start()

    def _attr(self, node):
        size = len(self.files[self.names[node - 2]]) if node > 1 else 0
        mode = _FILE if node > 1 else _DIRECTORY
        return struct.pack('<6Q10I', node, size, (size + 511) // 512, 1, 1, 1, 0, 0, 0, mode, 1, 0,
                           0, 0, 4096, 0)

    def _answer(self, request):
        _, opcode, unique, node = struct.unpack_from('<IIQQ', request)
        if opcode in (_FORGET, _INTERRUPT, _BATCH_FORGET):
            return
        error, body = self._result(opcode, node, request[40:])
        try:
            os.write(self.fd, struct.pack('<IiQ', 16 + len(body), -error, unique) + body)
        except OSError:
            pass

    def _result(self, opcode, node, args):
        if opcode == 26:  # INIT
            return 0, struct.pack('<IIIIHHIIHHI28x', 7, 31, 1 << 17, 0, 12, 9, 4096, 1, 0, 0, 0)
        if opcode == 1:  # LOOKUP; nothing is kept, so that each look asks again
            time.sleep(self.lookup)
            name = args[:-1].decode()
            if name not in self.files:
                return 2, b''
            node = self.names.index(name) + 2
            return 0, struct.pack('<5Q', node, 1, 0, 0, 0) + self._attr(node)
        if opcode == 3:  # GETATTR
            return 0, struct.pack('<QII', 0, 0, 0) + self._attr(node)
        if opcode in (14, 27):  # OPEN, OPENDIR
            time.sleep(self.open)
            return 0, struct.pack('<QII', 0, 0, 0)
        if opcode == 15:  # READ
            _, offset, size = struct.unpack_from('<QQI', args)
            self.reads += 1
            time.sleep(self.read)
            return 0, self.files[self.names[node - 2]][offset:offset + size]
        if opcode == 17:  # STATFS
            time.sleep(self.statfs)
            return 0, struct.pack('<5Q10I', 0, 0, 0, 0, 0, 4096, 255, 4096, *[0] * 7)
        if opcode in (18, 25, 28, 29):  # RELEASE, FLUSH, READDIR, RELEASEDIR
            return 0, b''
        return 38, b''
