#include "dnsd/wire/rcode.h"

#include <stdio.h>
#include <string.h>

#define RCODE_MAX 4095 /* 12 bits with EDNS (RFC 6891, 6.1.3) */

static const char *const names[] = {
    [0] = "NOERROR",  [1] = "FORMERR",    [2] = "SERVFAIL", [3] = "NXDOMAIN",  [4] = "NOTIMP",
    [5] = "REFUSED",  [6] = "YXDOMAIN",   [7] = "YXRRSET",  [8] = "NXRRSET",   [9] = "NOTAUTH",
    [10] = "NOTZONE", [11] = "DSOTYPENI", [16] = "BADVERS", [23] = "BADCOOKIE"};
#define NAMES (sizeof names / sizeof names[0])

const char *dns_rcode_format(char *out, unsigned rcode)
{
    if (rcode < NAMES && names[rcode])
        snprintf(out, DNS_RCODE_TEXT, "%s", names[rcode]);
    else
        snprintf(out, DNS_RCODE_TEXT, "RCODE%u", rcode);
    return out;
}

int dns_rcode_parse(struct keel_str text, unsigned *rcode)
{
    static const struct keel_str prefix = {"RCODE", 5};
    uint64_t n;
    for (unsigned i = 0; i < NAMES; i++) {
        if (names[i] && keel_str_equal_nocase(text, keel_str(names[i]))) {
            *rcode = i;
            return 0;
        }
    }
    if (text.n > prefix.n && keel_str_equal_nocase((struct keel_str){text.p, prefix.n}, prefix))
        text = (struct keel_str){text.p + prefix.n, text.n - prefix.n};
    if (keel_parse_u64(text, RCODE_MAX, &n) != 0)
        return KEEL_EINVAL;
    *rcode = (unsigned)n;
    return 0;
}
