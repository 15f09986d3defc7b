"""What the benches measure: CPU time and memory of a server's whole process tree, from /proc."""
import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'system'))
import keel  # noqa: E402


def tree(root):
    return sorted({root} | keel._descendants(root))


def threads(pids):
    """Paths in /proc. A helper of a server's may be gone already."""
    return [path for pid in pids for path in glob.glob('/proc/%d/task/*' % pid)]


def cpu_seconds(pids):
    total = 0
    for path in threads(pids):
        with open(path + '/schedstat') as f:
            total += int(f.read().split()[0])
    return total / 1e9


def pin(pids, core):
    for path in threads(pids):
        os.sched_setaffinity(int(os.path.basename(path)), {core})


def memory(pid):
    """Bytes of PSS of the process tree, but for mapped files: what is shared counts once. A library's
    pages are shared with whatever else runs on the machine, so that its part would come and go with
    that: hundreds of KiB, which is nothing that a connection costs."""
    total = 0
    for child in tree(pid):
        try:
            with open('/proc/%d/smaps_rollup' % child) as f:
                total += sum(int(line.split()[1]) * 1024 for line in f
                             if line.startswith(('Pss_Anon:', 'Pss_Shmem:')))
        except (FileNotFoundError, ProcessLookupError):
            continue  # a helper that ended meanwhile
    return total
