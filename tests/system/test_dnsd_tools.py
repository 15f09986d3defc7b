"""The flags of dnsd that do one thing and end: a zone file is checked, printed, and what was printed
is the same zone; also out of an image file of the state directory."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import Daemon, program, run, until

GOOD = """$TTL 300
@ SOA ns hostmaster 7 3600 900 1209600 300
@ NS ns
ns A 192.0.2.1
www 60 A 192.0.2.2
www TXT "a;b" c
*.w MX 5 www
"""


def dnsd(*arguments):
    done = subprocess.run([program('dnsd'), *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def write(name, text):
    with open(name, 'w', encoding='utf-8') as f:
        f.write(text)
    return name


def checks():
    good = write('good.zone', GOOD)
    assert dnsd('--check-zone', 'example.org', good) == (
        0, 'example.org. serial 7: 6 records, 5 names, 0 warnings\n', '')
    bad = write('bad.zone', GOOD + 'x CNAME ns\nx A 192.0.2.3\n')
    status, out, err = dnsd('--check-zone', 'example.org', bad)
    assert status == 1 and out == '' and err.startswith('bad.zone:9: x.example.org.: '), err
    odd = write('odd.zone', GOOD + 'alias CNAME ns\nx MX 5 alias\n')
    assert dnsd('--check-zone', 'example.org', odd) == (
        0, 'example.org. serial 7: 8 records, 7 names, 1 warning\n',
        'warning: odd.zone:9: x.example.org. MX alias.example.org.: the target is an alias '
        '(RFC 2181, 10.3)\n')
    status, out, err = dnsd('--check-zone', 'example.org', 'no-such-file')
    assert status == 1 and 'cannot open "no-such-file"' in err, err
    assert dnsd('--check-zone', 'example.org')[0] == 2
    assert dnsd('--check-zone', 'a..b', good)[0] == 1


def prints():
    status, first, err = dnsd('--print-zone', 'example.org', write('good.zone', GOOD))
    assert (status, err) == (0, ''), err
    assert 'www\t60\tIN\tA\t192.0.2.2\n' in first, first
    again = dnsd('--print-zone', 'example.org', write('again.zone', first))
    assert again == (0, first, ''), again


def prints_an_image():
    """What the daemon left in its state directory."""
    write('good.zone', GOOD)
    with Daemon('dnsd', ['--zone', 'example.org=' + os.path.abspath('good.zone')]) as daemon:
        zones = os.path.join(daemon.folder, 'state', 'zones')
        until(lambda: os.path.isdir(zones) and [n for n in os.listdir(zones)
                                                if n.endswith('.img')], 'an image')
        image = os.path.join(zones, [n for n in os.listdir(zones) if n.endswith('.img')][0])
        text = dnsd('--print-zone', 'example.org', 'good.zone')
        assert dnsd('--print-zone', 'example.org', image) == text
        assert dnsd('--print-zone', 'example.net', image)[0] == 1
        with open(image, 'rb') as f:
            data = bytearray(f.read())
    data[-20] ^= 4
    with open('damaged.img', 'wb') as f:
        f.write(data)
    status, _, err = dnsd('--print-zone', 'example.org', 'damaged.img')
    assert status == 1 and 'damaged' in err, err


run(('a zone file is checked, with file and line', checks),
    ('a zone file is printed, and read again the same', prints),
    ('an image is printed, and a damaged one refused', prints_an_image))
