#include "dnsd/wire/type.h"

#include "common/base/err.h"

#include <stdio.h>

struct type_row {
    uint16_t type;
    const char *name;
    const char *layout;
};

/* In order of the number: looked up by halving. */
static const struct type_row types[] = {
    {1, "A", "a"},          {2, "NS", "n"},
    {3, "MD", "n"},         {4, "MF", "n"},
    {5, "CNAME", "n"},      {6, "SOA", "nnwtttt"},
    {7, "MB", "n"},         {8, "MG", "n"},
    {9, "MR", "n"},         {10, "NULL", NULL},
    {11, "WKS", NULL},      {12, "PTR", "n"},
    {13, "HINFO", "ss"},    {14, "MINFO", "nn"},
    {15, "MX", "hn"},       {16, "TXT", "S"},
    {17, "RP", "NN"},       {18, "AFSDB", "hN"},
    {19, "X25", "s"},       {20, "ISDN", NULL},
    {21, "RT", "hN"},       {22, "NSAP", NULL},
    {23, "NSAP-PTR", NULL}, {24, "SIG", NULL},
    {25, "KEY", NULL},      {26, "PX", NULL},
    {27, "GPOS", NULL},     {28, "AAAA", "q"},
    {29, "LOC", NULL},      {30, "NXT", NULL},
    {33, "SRV", "hhhN"},    {35, "NAPTR", NULL},
    {36, "KX", "hN"},       {37, "CERT", NULL},
    {39, "DNAME", "N"},     {41, "OPT", NULL},
    {42, "APL", NULL},      {43, "DS", NULL},
    {44, "SSHFP", "bbx"},   {45, "IPSECKEY", NULL},
    {46, "RRSIG", NULL},    {47, "NSEC", NULL},
    {48, "DNSKEY", NULL},   {49, "DHCID", NULL},
    {50, "NSEC3", NULL},    {51, "NSEC3PARAM", NULL},
    {52, "TLSA", "bbbx"},   {53, "SMIMEA", "bbbx"},
    {55, "HIP", NULL},      {59, "CDS", NULL},
    {60, "CDNSKEY", NULL},  {61, "OPENPGPKEY", NULL},
    {62, "CSYNC", NULL},    {63, "ZONEMD", NULL},
    {64, "SVCB", "hNp"},    {65, "HTTPS", "hNp"},
    {99, "SPF", "S"},       {104, "NID", NULL},
    {105, "L32", "ha"},     {106, "L64", NULL},
    {107, "LP", "hN"},      {108, "EUI48", NULL},
    {109, "EUI64", NULL},   {249, "TKEY", NULL},
    {250, "TSIG", NULL},    {251, "IXFR", NULL},
    {252, "AXFR", NULL},    {253, "MAILB", NULL},
    {254, "MAILA", NULL},   {255, "ANY", NULL},
    {256, "URI", "hhv"},    {257, "CAA", "bgv"},
    {258, "AVC", "S"},
};
#define TYPES (sizeof types / sizeof types[0])

static const struct type_row *find(uint16_t type)
{
    size_t low = 0, high = TYPES;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (types[middle].type == type)
            return &types[middle];
        if (types[middle].type < type)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const char *dns_type_layout(uint16_t type)
{
    const struct type_row *row = find(type);
    return row ? row->layout : NULL;
}

/* "TYPE123" and "CLASS123" (RFC 3597, 5): decimal, no more than 65535. */
static int parse_generic(struct keel_str text, struct keel_str prefix, uint16_t *out)
{
    if (text.n <= prefix.n || !keel_str_equal_nocase((struct keel_str){text.p, prefix.n}, prefix))
        return KEEL_EINVAL;
    uint64_t v;
    if (keel_parse_u64((struct keel_str){text.p + prefix.n, text.n - prefix.n}, UINT16_MAX, &v) !=
        0)
        return KEEL_EINVAL;
    *out = (uint16_t)v;
    return 0;
}

int dns_type_parse(struct keel_str text, uint16_t *type)
{
    for (size_t i = 0; text.n > 0 && i < TYPES; i++) {
        if (keel_to_lower(types[i].name[0]) != keel_to_lower((unsigned char)text.p[0]))
            continue; /* this is asked for each record of a zone */
        if (keel_str_equal_nocase(text, keel_str(types[i].name))) {
            *type = types[i].type;
            return 0;
        }
    }
    return parse_generic(text, KEEL_STR("TYPE"), type);
}

const char *dns_type_format(char *out, uint16_t type)
{
    const struct type_row *row = find(type);
    if (row)
        snprintf(out, DNS_TYPE_TEXT, "%s", row->name);
    else
        snprintf(out, DNS_TYPE_TEXT, "TYPE%u", type);
    return out;
}

int dns_class_parse(struct keel_str text, uint16_t *class)
{
    static const struct {
        struct keel_str name;
        uint16_t class;
    } rows[] = {{{"IN", 2}, DNS_CLASS_IN}, {{"CH", 2}, DNS_CLASS_CH}, {{"HS", 2}, DNS_CLASS_HS}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (keel_str_equal_nocase(text, rows[i].name)) {
            *class = rows[i].class;
            return 0;
        }
    return parse_generic(text, KEEL_STR("CLASS"), class);
}

bool dns_type_is_meta(uint16_t type)
{
    return type == 0 || type == DNS_TYPE_OPT || (type >= 128 && type <= 255);
}
