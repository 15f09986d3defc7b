"""What may differ between two right answers."""
import re

RULES = []


def rule(function):
    RULES.append(function)
    return function


FLAGS = ((0x0400, 'AA'), (0x0200, 'TC'), (0x0100, 'RD'), (0x0080, 'RA'), (0x0040, 'Z'),
         (0x0020, 'AD'), (0x0010, 'CD'), (0x7800, 'opcode'))
SECTIONS = ('answer', 'authority', 'additional')


def facets(d):
    """Names of what differs."""
    ours, theirs = d['ours'], d['theirs']
    if ours['state'] == 'bad' or theirs['state'] == 'bad' or ours['state'] != theirs['state']:
        return ['state']
    found = []
    if ours['rcode'] != theirs['rcode']:
        found.append('rcode')
    found += [name for bit, name in FLAGS if (ours['flags'] ^ theirs['flags']) & bit]
    if ours['question'] != theirs['question']:
        found.append('question')
    if ('edns' in ours) != ('edns' in theirs):
        found.append('edns')
    elif 'edns' in ours:
        for i, name in enumerate(('edns-version', 'edns-flags', 'edns-size')):
            if ours['edns'][i] != theirs['edns'][i]:
                found.append(name)
        mine, other = ({code for code, _ in side['options']} for side in (ours, theirs))
        found += ['option-%d' % code for code in sorted(mine - other)]
        found += ['option+%d' % code for code in sorted(other - mine)]
    for section in sorted({row[0] for row in d['minus'] + d['plus']}):
        found.append(SECTIONS[section])
    return found


def explain(q, d, facet):
    """The name of the rule that explains this facet of a difference, or None. Where the codes differ,
    or one answers and the other does not, that alone is to be explained: the rest follows."""
    if 'state' not in facet and d['ours']['rcode'] != d['theirs']['rcode']:
        facet = 'rcode'
    for candidate in RULES:
        if candidate(q, d, facet):
            return candidate.__name__.replace('_', '-')
    return None


FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH = 1, 2, 3, 4, 5, 9


# ---- what is no question

@rule
def malformed(q, d, facet):
    if q.tag != 'malformed':
        return False
    if len(q.bytes) < 12 or q.bytes[2] & 0x80:
        return d['ours']['state'] == 'none'
    return d['ours']['rcode'] == (NOTIMP if q.opcode else FORMERR) and \
        d['ours']['counts'] == [0, 0, 0]


@rule
def opcodes(q, d, facet):
    return q.opcode != 0 and d['ours']['rcode'] == NOTIMP and d['ours']['counts'] == [0, 0, 0]


@rule
def classes(q, d, facet):
    return q.qclass != 1 and d['ours']['rcode'] == REFUSED and d['ours']['counts'] == [0, 0, 0]


@rule
def transfers(q, d, facet):
    return q.type in (251, 252) and d['ours']['rcode'] in (REFUSED, NOTAUTH)


@rule
def meta_types(q, d, facet):
    if q.type == 41:
        return d['ours']['rcode'] == FORMERR
    return (q.type == 0 or 128 <= q.type <= 254) and d['ours']['rcode'] == NOTIMP


@rule
def bad_versions(q, d, facet):
    """nsd sends some bits of the question back."""
    return q.version and d['ours']['rcode'] == d['theirs']['rcode'] == 16 and \
        facet in ('AA', 'TC', 'RA', 'Z', 'edns-flags')


# ---- several types at once

@rule
def any_type(q, d, facet):
    """Of ANY and RRSIG an answer has what it has."""
    return q.type in (46, 255) and facet in ('rcode', 'answer', 'additional', 'TC', 'authority') and \
        d['ours']['counts'][0] > 0 and \
        (d['theirs']['counts'][0] > 0 or d['theirs']['flags'] & 0x200)


@rule
def types_beside_aliases(q, d, facet):
    """NSEC, RRSIG and KEY may stand beside a CNAME; NSEC3 and SIG may not."""
    followers = {47: ('nsd', 'plus'), 25: ('knotd nsd', 'plus'), 46: ('nsd', 'plus'), 50: ('nsd', 'minus'),
                 24: ('named', 'minus')}
    servers, side = followers.get(q.type, ('', 'plus'))
    return d['server'] in servers.split() and any(r[0] == 0 and r[2] == 5 for r in d[side])


@rule
def nsec_at_cuts(q, d, facet):
    """The NSEC at a delegation is the parent's, and ours to give."""
    return q.type == 47 and d['server'] in ('knotd', 'nsd') and d['ours']['counts'][0] > 0 and \
        facet in ('AA', 'TC', 'answer', 'authority', 'additional') and \
        not d['theirs']['flags'] & 0x400


@rule
def nsec_twice(q, d, facet):
    """An NSEC that answers for a wildcard and denies the name in one."""
    return q.type == 47 and facet == 'authority' and not d['plus'] and only(d, (47,)) and \
        d['ours']['counts'][0] > 0


# ---- aliases

@rule
def said_twice(q, d, facet):
    """knotd follows a loop of DNAMEs until it has had enough."""
    return facet == 'state' and d['server'] == 'knotd' and d['ours']['state'] == 'complete' and \
        d['theirs'].get('what') == 'a record stands twice in a section' and \
        any(r[2] == 5 for r in d['plus'])

@rule
def loops(q, d, facet):
    """named says SERVFAIL to an alias that leads to itself, or is too far from its end."""
    return facet == 'rcode' and d['server'] == 'named' and d['theirs']['rcode'] == SERVFAIL and \
        d['ours']['rcode'] == 0 and \
        any(re.fullmatch(rb'loop\d?|self|round2?|l\d+', label) for label in q.name())


@rule
def long_chains(q, d, facet):
    """Some follow a chain of aliases further than others."""
    if d['ours']['counts'][0] >= 17 and d['ours']['counts'][1] == 0 and not d['minus']:
        return facet in ('answer', 'authority', 'TC')
    shorter, rest, other = (d['theirs'], d['minus'], d['plus']) if d['minus'] else \
        (d['ours'], d['plus'], d['minus'])
    return facet in ('rcode', 'answer', 'authority', 'additional', 'TC') and \
        shorter['counts'][0] >= 5 and any(r[0] == 0 and r[2] == 5 for r in rest) and \
        not any(r[0] == 0 for r in other)


# ---- header and EDNS

@rule
def cookies(q, d, facet):
    return facet == 'option-10'


@rule
def keepalive(q, d, facet):
    return facet == 'option-11' and q.tcp


@rule
def client_subnet(q, d, facet):
    return facet == 'option+8'


@rule
def expire(q, d, facet):
    return facet in ('option+9', 'option-9')


@rule
def extended_errors(q, d, facet):
    return facet in ('option+15', 'option-15')


@rule
def checking_disabled(q, d, facet):
    return facet == 'CD' and d['ours']['flags'] & 0x10 == q.flags & 0x10



# ---- what fits

@rule
def all_glue_or_truncated(q, d, facet):
    """A referral without all of its glue has TC."""
    ours, theirs = d['ours'], d['theirs']
    return ours['flags'] & 0x600 == 0x200 and not theirs['flags'] & 0x600 and \
        ours['counts'][1] == theirs['counts'][1] and facet in ('TC', 'additional')


@rule
def truncated(q, d, facet):
    """What stands in an answer with TC is no answer."""
    return d['ours']['flags'] & d['theirs']['flags'] & 0x200 and \
        (facet in ('answer', 'authority', 'additional') or
         (facet == 'rcode' and d['theirs']['rcode'] == NXDOMAIN and d['ours']['rcode'] == 0))


@rule
def authentic_data(q, d, facet):
    """named sets AD in some answers with TC: the client asked for it, and nothing there is wrong."""
    return facet == 'AD' and d['server'] == 'named' and q.flags & 0x20 and \
        d['theirs']['flags'] & 0x220 == 0x220


@rule
def what_fits(q, d, facet):
    """One had room for all and the other not: names are compressed more or less well, and options
    of EDNS take room."""
    ours, theirs = d['ours'], d['theirs']
    whole = theirs if ours['flags'] & 0x200 else ours
    limit = min(q.room, 1232)
    return (ours['flags'] ^ theirs['flags']) & 0x200 and whole['size'] > limit * 0.65 and \
        facet in ('TC', 'answer', 'authority', 'additional')


def is_referral(side):
    return side['state'] == 'complete' and not side['flags'] & 0x400 and side['counts'][1] > 0 \
        and side['counts'][0] == 0


def cut_of(d):
    """Owner of the NS records in the authority section that one side has, as far as it shows."""
    return [r[1] for r in d['minus'] + d['plus'] if r[0] == 1 and r[2] == 2]


@rule
def additional(q, d, facet):
    """Addresses that spare a question; never glue, which is all in both or explained above."""
    if facet != 'additional':
        return False
    if not is_referral(d['ours']) and d['ours']['counts'][0] > 0:
        return True
    # in a referral: no record that only they have is below the cut
    below = '.'.join(label.decode('latin-1') for label in q.name())
    return is_referral(d['ours']) and not any(
        r[2] in (1, 28) and glue(r[1], below) for r in d['plus'] if r[0] == 2)


def glue(owner, qname):
    """The address's owner is below a cut that the question's name is below too: they share more
    than the zone's apex."""
    a, b = owner.rstrip('.').split('.')[::-1], qname.split('.')[::-1]
    shared = 0
    while shared < min(len(a), len(b)) and a[shared] == b[shared]:
        shared += 1
    return shared > 2


# ---- between zones

@rule
def other_zones(q, d, facet):
    """nsd follows an alias into another zone that it serves."""
    inside = '.' + q.zone + '.'
    return d['server'] == 'nsd' and facet in ('rcode', 'answer', 'authority', 'additional') and \
        d['plus'] and not any(('.' + r[1]).endswith(inside) for r in d['plus'] if r[2] != 5)


@rule
def ds_without_signatures(q, d, facet):
    """A DS in a zone that is not signed."""
    return facet == 'authority' and not d['plus'] and q.zone == 'plain.test' and \
        all(r[2] == 43 for r in d['minus'] if r[0] == 1)


# ---- denial

def only(d, types):
    """Nothing but records of these types and their signatures differs."""
    return all(r[2] in types or (r[2] == 46 and int(r[5][:4], 16) in types)
               for r in d['minus'] + d['plus'])


@rule
def needless_proofs(q, d, facet):
    """nsd proves the closest encloser of a name that exists, because it begins with an asterisk."""
    return facet == 'authority' and d['server'] == 'nsd' and b'*' in q.labels[:1] and \
        not d['minus'] and only(d, (50,))


@rule
def opt_out_enclosers(q, d, facet):
    """Above names that opt-out leaves out of the chain nsd finds another encloser than all others."""
    return facet in ('authority', 'TC') and d['server'] == 'nsd' and q.zone == 'optout.test' and \
        only(d, (50,)) and b'only' in q.name()


@rule
def denial_behind_dname(q, d, facet):
    """nsd leaves out that the name itself does not exist."""
    return facet == 'authority' and d['server'] == 'nsd' and not d['plus'] and only(d, (47, 50)) and \
        d['ours']['counts'][0] >= 3 and d['ours']['rcode'] in (0, NXDOMAIN)


@rule
def denial_of_sig(q, d, facet):
    """named proves nothing about the type SIG."""
    return q.type == 24 and facet == 'authority' and d['server'] == 'named' and not d['plus'] and \
        only(d, (47, 50))
