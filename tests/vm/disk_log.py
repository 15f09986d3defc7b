"""What dm-log-writes has kept: every write to a disk in the order in which they became durable, and
images of the disk as a loss of power may leave it.

The log: a sector with the head, then for each write a sector that describes it and its data. A
write without FUA is in the log when a flush has followed it (Documentation/admin-guide/
device-mapper/log-writes.rst of the kernel)."""
import random
import struct
import subprocess

SECTOR = 512
MAGIC = 0x6a736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


class Entry:
    def __init__(self, sector, count, flags, data_at, mark):
        self.at, self.size, self.data_at = sector * SECTOR, count * SECTOR, data_at
        self.flush, self.fua = bool(flags & FLUSH), bool(flags & FUA)
        self.discard = bool(flags & DISCARD)
        self.mark = mark  # its text, or None


def read(path):
    """(file, entries) of a log."""
    f = open(path, 'rb')
    magic, version, count, sector_size = struct.unpack('<QQQI', f.read(28))
    if magic != MAGIC or version != 1 or sector_size != SECTOR:
        raise AssertionError('%s is no log of writes' % path)
    entries, at = [], SECTOR
    for _ in range(count):
        f.seek(at)
        head = f.read(SECTOR)
        sector, sectors, flags, size = struct.unpack('<QQQQ', head[:32])
        mark = head[32:32 + size].decode('ascii') if flags & MARK else None
        at += SECTOR
        entries.append(Entry(sector, sectors, flags, at, mark))
        if not flags & DISCARD:
            at += sectors * SECTOR
    return f, entries


class Disk:
    """An image to which the writes of a log are done, one after the other."""

    def __init__(self, image, log):
        self.image, self.path = image, log
        self.log, self.entries = None, []
        self.done = 0

    def read(self):
        self.log, self.entries = read(self.path)

    def write(self, f, entry, size=None):
        if entry.discard or entry.size == 0:
            return
        self.log.seek(entry.data_at)
        f.seek(entry.at)
        f.write(self.log.read(entry.size if size is None else size))

    def lose_power(self, after, left):
        """Writes to the file LEFT what may be left when the power fails behind entry number AFTER,
        which never goes down from call to call: all up to the last flush; of what is behind it each
        write, or some of its sectors, or nothing."""
        flushes = [i for i in range(self.done, after) if self.entries[i].flush]
        flushed = flushes[-1] + 1 if flushes else self.done
        with open(self.image, 'r+b') as f:
            for entry in self.entries[self.done:flushed]:
                self.write(f, entry)
        self.done = flushed
        subprocess.run(['cp', '--sparse=always', self.image, left], check=True)
        with open(left, 'r+b') as f:
            for entry in self.entries[flushed:after]:
                dice = random.random()
                if entry.fua or dice < 0.5:
                    self.write(f, entry)
                elif dice < 0.75:
                    self.write(f, entry, random.randrange(entry.size // SECTOR + 1) * SECTOR)
