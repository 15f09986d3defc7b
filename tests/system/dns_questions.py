"""Zones with every shape that an answer can have, and questions about them: names that exist, that
nearly exist, that are below something; every type, class, flag and EDNS option. All from a seed."""
import random
import struct

DS = 'DS 12345 13 2 ' + '0123456789abcdef' * 4

COMMON = '''$TTL 300
@ SOA ns host 1 7200 900 1209600 100
@ NS ns
@ NS ns.plain
@ NS ns.out.example.
@ MX 10 mail
@ MX 20 mx.out.example.
@ TXT "a text" "of two strings"
@ CAA 0 issue "ca.example"
ns A 192.0.2.1
ns AAAA 2001:db8::1
mail A 192.0.2.2
mail AAAA 2001:db8::2
www CNAME web
web A 192.0.2.3
web A 192.0.2.4
web TXT "another"
svc HTTPS 1 web alpn=h2 ipv4hint=192.0.2.3
svc HTTPS 2 . port=8443
own HTTPS 1 . alpn=h3
own A 192.0.2.30
_dns.svc SVCB 1 mail alpn=dot
a.b.ent A 192.0.2.5
b2.ent TXT "beside an empty non-terminal"
*.wild A 192.0.2.6
*.wild MX 10 mail
*.wild TXT "wild"
host.wild A 192.0.2.7
deep.x.wild A 192.0.2.8
*.cw CNAME t.wild
*.cn CNAME web
*.ca CNAME nothing.out.example.
*.cm CNAME missing
x.*.star A 192.0.2.9
*.*.two TXT "a wildcard below an asterisk"
old DNAME new
old A 192.0.2.10
new A 192.0.2.11
h.new A 192.0.2.12
*.w.new A 192.0.2.13
c.new CNAME web
oldout DNAME elsewhere.example.
long DNAME aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee.example.
todname CNAME h.old
tonodname CNAME no.old
toname CNAME nothing.wild.ent
towild CNAME q.wild
away CNAME www.example.
tochild CNAME www.secure
toent CNAME b.ent
notype CNAME mail
chain1 CNAME chain2
chain2 CNAME chain3.chain
chain3.chain CNAME chain4
chain4 CNAME web
secure NS ns.secure
secure %s
ns.secure A 192.0.2.20
ns.secure AAAA 2001:db8::20
plain NS ns.plain
plain NS ns.secure
ns.plain A 192.0.2.21
sibling NS ns.plain
sibling NS ns
outside NS ns.out.example.
c1.only NS ns.out.example.
c2.only NS ns.out.example.
d.mixed NS ns.out.example.
d.mixed %s
_s._tcp SRV 1 2 80 web
_s._tcp SRV 1 2 81 missing
_s._tcp SRV 1 2 82 h.old
mx2 MX 10 q.wild
mx2 MX 20 ns.plain
mx2 MX 30 mail
hinfo HINFO "cpu" "os"
ptr PTR web
rp RP host.mail txt.web
naptr NAPTR 100 50 "s" "http" "" _s._tcp
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
sshfp SSHFP 4 2 %s
tlsa TLSA 3 1 1 %s
uri URI 10 1 "https://example.com/"
kx KX 10 web
afsdb AFSDB 1 web
unknown TYPE65400 \\# 4 0A000001
UPPER A 192.0.2.14
Mixed.Case TXT "As It Was Written"
x\\.y A 192.0.2.15
\\001\\200z A 192.0.2.16
zz TXT "last but one"
zzz A 192.0.2.17
''' % (DS, DS, '0123456789abcdef' * 4, '0123456789abcdef' * 4)

# What tools that sign refuse or leave out.
ODD = '''loop1 CNAME loop2
loop2 CNAME loop1
self CNAME self
*.loop CNAME x.loop
round DNAME round2
round2 DNAME round
sub NS ns.sub
sub NS ns.other.example.
sub TXT "hidden by the cut"
ns.sub A 192.0.2.53
ns.sub AAAA 2001:db8::53
deep.sub A 192.0.2.54
child NS ns.child
child NS ns
ns.child A 192.0.2.60
'''
CHILD = '''$TTL 300
@ SOA ns host 7 7200 900 1209600 600
@ NS ns
@ NS ns.plain.test.
ns A 192.0.2.60
www A 192.0.2.61
*.wild TXT "wild"
up CNAME web.plain.test.
down NS ns.down
ns.down A 192.0.2.62
'''


def bulk(rng):
    """Sets that are too large for UDP, a chain of aliases that is longer than anybody follows, and
    hosts."""
    lines = ['big TXT "%d%s"' % (i, 'x' * 120) for i in range(12)]
    lines += ['bigmx MX %d mail%d.some.where' % (i, i) for i in range(30)]
    lines += ['mail%d.some.where A 192.0.2.%d' % (i, i) for i in range(0, 30, 2)]
    for i in range(13):
        lines += ['bigsub NS n%d.bigsub' % i, 'n%d.bigsub A 192.0.2.%d' % (i, i),
                  'n%d.bigsub AAAA 2001:db8::%d' % (i, i)]
    lines += ['l%d CNAME l%d' % (i, i + 1) for i in range(20)] + ['l20 A 192.0.2.99']
    for i in range(120):
        name = '%s%s' % (rng.choice(('h', 'Host-', 'n.', 'a.b.', '_x.')), i)
        for kind in rng.sample(('A', 'AAAA', 'TXT', 'MX', 'SRV'), rng.randint(1, 3)):
            lines.append('%s %s %s' % (name, kind, {
                'A': '198.51.100.%d' % i, 'AAAA': '2001:db8:1::%x' % i, 'TXT': '"t%d"' % i,
                'MX': '%d %s' % (i, rng.choice(('mail', 'h1', 'q.wild', 'mx.out.example.'))),
                'SRV': '0 0 %d %s' % (i, rng.choice(('web', 'www', 'missing')))}[kind]))
    return '\n'.join(lines) + '\n'


# ---- names

def flat(text):
    """A name in presentation format as its labels."""
    labels, label, i = [], bytearray(), 0
    while i < len(text):
        if text[i] == '.':
            labels.append(bytes(label))
            label = bytearray()
        elif text[i] == '\\' and text[i + 1].isdigit():
            label.append(int(text[i + 1:i + 4]))
            i += 3
        elif text[i] == '\\':
            i += 1
            label.append(ord(text[i]))
        else:
            label.append(ord(text[i]))
        i += 1
    return labels + ([bytes(label)] if label else [])


def wire(labels):
    return b''.join(bytes([len(label)]) + label for label in labels) + b'\0'


def owners(text, apex):
    """The names of a zone's text: lists of labels."""
    found = {tuple(apex)}
    for line in text.splitlines():
        word = line.split(' ')[0]
        if word and word[0] not in '$;@':
            found.add(tuple(flat(word) + apex))
    return sorted(found)


def neighbour(rng, name):
    """A name that is nearly `name`, or below, or above it."""
    first = name[0]
    return rng.choice((
        lambda: (b'no',) + name,
        lambda: (b'x', b'no') + name,
        lambda: (b'*',) + name,
        lambda: (b'a' * 63,) + name,
        lambda: name[1:],
        lambda: (b'*',) + name[1:],
        lambda: (first[:-1] + bytes([first[-1] + 1 & 0xFF]),) + name[1:],
        lambda: (first[:-1] or b'0',) + name[1:],
        lambda: (first[:62] + b'0',) + name[1:],
        lambda: (b'0' + first[:62],) + name[1:],
        lambda: (b'a', b'b', b'c') + name,
        lambda: tuple([b'l'] * rng.randint(1, 40)) + name,
        lambda: tuple([b'0123456789' * 5] * rng.randint(1, 4)) + name,
    ))()


def any_case(rng, labels):
    return [bytes(c ^ 0x20 if 65 <= (c & 0xDF) <= 90 and rng.random() < 0.5 else c for c in label)
            for label in labels]


# ---- questions

TYPES = (1, 1, 1, 28, 28, 2, 2, 5, 6, 6, 12, 15, 15, 16, 16, 33, 35, 39, 39, 43, 43, 46, 47, 48, 50,
         51, 52, 64, 65, 65, 255, 257, 65400, 99, 13, 17, 44, 256, 36, 18, 29, 59, 60)
METAS = (0, 41, 24, 25, 30, 10, 128, 129, 248, 249, 250, 251, 252, 253, 254, 255, 32768, 65535)
SIZES = (0, 100, 511, 512, 513, 600, 900, 1231, 1232, 1233, 1400, 4096, 4096, 4096, 65535)


def edns_option(rng):
    code = rng.choice((3, 10, 10, 11, 12, 8, 9, 5, 65001, 26946, 65535, rng.randint(16, 65000)))
    data = {3: b'', 10: rng.randbytes(8), 11: b'', 12: bytes(rng.randint(0, 40)),
            8: b'\0\1\x18\0\xc0\0\2', 9: b''}.get(code)
    return code, rng.randbytes(rng.randint(0, 12)) if data is None else data


def edns(rng):
    """(OPT record, {option codes})"""
    flags = rng.choice((0, 0, 0x8000, 0x8000, 0x8000, 0x8000, 0x8000, 0x8000, 0x4000, 0xC000, 1))
    version = 0 if rng.random() < 0.97 else rng.choice((1, 1, 2, 255))
    options = [edns_option(rng) for _ in range(rng.choice((0, 0, 0, 0, 0, 1, 1, 2, 3)))]
    options = list({code: (code, data) for code, data in options}.values())
    rng.shuffle(options)
    rdata = b''.join(struct.pack('>HH', code, len(data)) + data for code, data in options)
    return struct.pack('>BHHBBHH', 0, 41, rng.choice(SIZES), 0, version, flags,
                       len(rdata)) + rdata


class Question:
    """One message, with what it was made of."""

    def __init__(self, rng, number, zones, tag='plain'):
        self.number, self.zone = number, rng.choice(list(zones))
        apex, names = zones[self.zone]
        name = rng.choice(names)
        kind = rng.random()
        if kind > 0.45:
            name = neighbour(rng, name) if name else (b'no',)
        if kind > 0.97:
            name = rng.choice(((), (b'test',), (b'example',), (b'www', b'example', b'org'),
                               (b'a',) * 127, (b'xplain', b'test'), apex[1:]))
        while len(wire(name)) > 255:
            name = name[1:]
        self.labels = any_case(rng, name) if rng.random() < 0.3 else list(name)
        dice = rng.random()
        self.type = rng.choice(TYPES) if dice < 0.94 else \
            rng.choice(METAS) if dice < 0.98 else rng.randint(0, 65535)
        self.qclass = 1 if rng.random() < 0.98 else rng.choice((3, 4, 255, 254, 0, 2, 77))
        self.opcode = 0 if rng.random() < 0.99 else rng.choice((1, 2, 3, 6, 7, 15))
        self.flags = self.opcode << 11
        for bit, chance in ((0x0100, 0.3), (0x0010, 0.15), (0x0020, 0.15), (0x0400, 0.01),
                            (0x0200, 0.01), (0x0080, 0.01), (0x0040, 0.01)):
            self.flags |= bit if rng.random() < chance else 0
        self.tcp = rng.random() < 0.15
        self.opt = edns(rng) if rng.random() < 0.7 else b''
        self.silent = self.qclass == 3  # named limits the rate of what it says of itself
        self.tag = tag
        self.bytes = struct.pack('>6H', 0, self.flags, 1, 0, 0, 1 if self.opt else 0) \
            + wire(self.labels) + struct.pack('>HH', self.type, self.qclass) + self.opt
        if self.type in (251, 252):
            self.tcp = False  # the transfers have tests of their own

    @property
    def dnssec(self):
        return bool(self.opt) and bool(self.opt[7] & 0x80)

    @property
    def version(self):
        return self.opt[6] if self.opt else None

    @property
    def room(self):
        """Most bytes of an answer."""
        if self.tcp:
            return 65535
        size = struct.unpack('>H', self.opt[3:5])[0] if self.opt else 512
        return max(512, size)

    def name(self):
        return tuple(label.lower() for label in self.labels)

    def __str__(self):
        text = ''.join('%s.' % ''.join(chr(c) if 33 <= c < 127 else '\\%03d' % c for c in label)
                       for label in self.labels) or '.'
        return '%s class %d type %d flags %04x %s%s' % (
            text, self.qclass, self.type, self.flags, 'tcp ' if self.tcp else '',
            'opt ' + self.opt.hex() if self.opt else 'no opt')


def chaos(rng, number, zones):
    q = Question(rng, number, zones, 'chaos')
    q.labels = flat(rng.choice(('version.bind', 'id.server', 'hostname.bind', 'version.server',
                                'authors.bind', 'a.bind', 'bind', '')))
    q.silent, q.qclass, q.type = True, 3, rng.choice((16, 16, 16, 255, 1, 6))
    q.flags, q.opcode = rng.choice((0, 0x100)), 0
    q.bytes = struct.pack('>6H', 0, q.flags, 1, 0, 0, 1 if q.opt else 0) + wire(q.labels) \
        + struct.pack('>HH', q.type, q.qclass) + q.opt
    return q


def malformed(rng, number, zones):
    """A question that is wrong in one way, over UDP."""
    q = Question(rng, number, zones, 'malformed')
    q.tcp = False
    body, opt = q.bytes, q.opt or edns(rng)
    q.bytes, q.silent = rng.choice((
        lambda: (body[:rng.randint(0, 11)], True),                   # no header
        lambda: (body[:rng.randint(12, len(body) - 1)], True),       # cut anywhere
        lambda: (body[:2] + bytes([body[2] | 0x80]) + body[3:], True),  # an answer
        lambda: (body + b'\0' * rng.randint(1, 20), True),           # bytes behind it
        lambda: (body[:4] + b'\0\0' + body[6:], True),               # no question
        lambda: (body[:4] + b'\0\2' + body[6:], True),               # two, and one there
        lambda: (body[:6] + b'\0\1' + body[8:], True),               # an answer that is not there
        lambda: (body[:10] + b'\0\2' + body[12:len(body) - len(q.opt)] + opt + opt, True),  # 2 OPT
        lambda: (body[:12] + b'\xc0\x0c' + body[-4:], True),         # a name that is itself
        lambda: (body[:12] + b'\x40' + body[13:], True),             # a label of another kind
    ))()
    return q


def questions(seed, count, zones):
    """zones: name -> (apex, names). The same for the same seed."""
    rng = random.Random(seed)
    for number in range(count):
        dice = rng.random()
        yield chaos(rng, number, zones) if dice < 0.005 else \
            malformed(rng, number, zones) if dice < 0.015 else Question(rng, number, zones)
