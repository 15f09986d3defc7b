#include "dnsd/zone/rdata_text.h"

#include "common/base/mem.h"
#include "common/base/buf.h"
#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/svcb_text.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>

struct reading {
    struct dns_lexer *lexer;
    const struct dns_name *origin;
    struct keel_writer out;
    struct keel_diag *diag;
};

/* "1.2.3.400" is not an IPv4 address */
static int wrong(struct reading *rd, struct keel_str text, const char *what)
{
    char shown[128];
    keel_escape(shown, sizeof shown, text.p, text.n);
    return keel_diag_set(rd->diag, KEEL_EINVAL, "\"%s\" %s", shown, what);
}

static int next_token(struct reading *rd, struct dns_token *token)
{
    int got = dns_lexer_next(rd->lexer, token);
    if (got < 0)
        return keel_diag_set(rd->diag, got, "%s", rd->lexer->what);
    return got ? 0 : keel_diag_set(rd->diag, KEEL_EINVAL, "the record ends too early");
}

static int read_address(struct reading *rd, int family)
{
    struct dns_token token;
    char text[INET6_ADDRSTRLEN];
    uint8_t address[16];
    int err = next_token(rd, &token);
    if (err)
        return err;
    if (token.text.n < sizeof text) {
        memcpy(text, token.text.p, token.text.n);
        text[token.text.n] = '\0';
        if (memchr(text, 0, token.text.n) == NULL && inet_pton(family, text, address) == 1) {
            keel_write_bytes(&rd->out, address, family == AF_INET ? 4 : 16);
            return 0;
        }
    }
    return wrong(rd, token.text,
                 family == AF_INET ? "is not an IPv4 address" : "is not an IPv6 address");
}

static int read_number(struct reading *rd, unsigned bytes)
{
    struct dns_token token;
    uint64_t v, max = bytes == 1 ? UINT8_MAX : bytes == 2 ? UINT16_MAX : UINT32_MAX;
    int err = next_token(rd, &token);
    if (err)
        return err;
    if (keel_parse_u64(token.text, max, &v) != 0) {
        char what[64];
        snprintf(what, sizeof what, "is not a number from 0 to %llu", (unsigned long long)max);
        return wrong(rd, token.text, what);
    }
    if (bytes == 1)
        keel_write_u8(&rd->out, (uint8_t)v);
    else if (bytes == 2)
        keel_write_u16(&rd->out, (uint16_t)v);
    else
        keel_write_u32(&rd->out, (uint32_t)v);
    return 0;
}

static int read_time(struct reading *rd)
{
    struct dns_token token;
    uint32_t seconds;
    int err = next_token(rd, &token);
    if (err)
        return err;
    if (dns_parse_seconds(token.text, UINT32_MAX, &seconds) != 0)
        return wrong(rd, token.text, "is not a time");
    keel_write_u32(&rd->out, seconds);
    return 0;
}

static int read_name(struct reading *rd)
{
    struct dns_token token;
    struct dns_name name;
    int err = next_token(rd, &token);
    if (err)
        return err;
    if (token.quoted || dns_name_from_text(&name, token.text, rd->origin) != 0)
        return wrong(rd, token.text, "is not a domain name");
    keel_write_bytes(&rd->out, name.bytes, name.size);
    return 0;
}

static int write_string(struct reading *rd, struct keel_str text)
{
    uint8_t bytes[255];
    int n = dns_token_bytes(text, bytes, sizeof bytes);
    if (n < 0)
        return wrong(rd, text, n == KEEL_ENOSPC ? "is longer than 255 bytes" : "has a bad escape");
    keel_write_u8(&rd->out, (uint8_t)n);
    keel_write_bytes(&rd->out, bytes, (size_t)n);
    return 0;
}

static int read_string(struct reading *rd)
{
    struct dns_token token;
    int err = next_token(rd, &token);
    return err ? err : write_string(rd, token.text);
}

static int read_strings(struct reading *rd)
{
    struct dns_token token;
    int got, err = read_string(rd);
    if (err)
        return err;
    while ((got = dns_lexer_next(rd->lexer, &token)) == 1)
        if ((err = write_string(rd, token.text)) != 0)
            return err;
    return got < 0 ? keel_diag_set(rd->diag, got, "%s", rd->lexer->what) : 0;
}

static int read_value(struct reading *rd)
{
    struct dns_token token;
    int err = next_token(rd, &token);
    if (err)
        return err;
    int n = dns_token_bytes(token.text, rd->out.next, keel_writer_left(&rd->out));
    if (n < 0)
        return wrong(rd, token.text, n == KEEL_ENOSPC ? "is too long" : "has a bad escape");
    rd->out.next += n;
    return 0;
}

/* Hexadecimal digits to the end of the entry; blanks may stand between any two (RFC 4255, 3.2). */
static int read_hex(struct reading *rd)
{
    struct dns_token token;
    int got, high = -1;
    unsigned digits = 0;
    while ((got = dns_lexer_next(rd->lexer, &token)) == 1) {
        for (size_t i = 0; i < token.text.n; i++, digits++) {
            int v = keel_hex_digit((unsigned char)token.text.p[i]);
            if (v < 0)
                return wrong(rd, token.text, "is not hexadecimal");
            if (high >= 0)
                keel_write_u8(&rd->out, (uint8_t)(high << 4 | v));
            high = high >= 0 ? -1 : v;
        }
    }
    if (got < 0)
        return keel_diag_set(rd->diag, got, "%s", rd->lexer->what);
    if (high >= 0)
        return keel_diag_set(rd->diag, KEEL_EINVAL, "an odd number of hexadecimal digits");
    return 0;
}

static int read_field(struct reading *rd, char field)
{
    switch (field) {
    case 'a':
        return read_address(rd, AF_INET);
    case 'q':
        return read_address(rd, AF_INET6);
    case 'b':
        return read_number(rd, 1);
    case 'h':
        return read_number(rd, 2);
    case 'w':
        return read_number(rd, 4);
    case 't':
        return read_time(rd);
    case 'n':
    case 'N':
        return read_name(rd);
    case 's':
    case 'g':
        return read_string(rd);
    case 'S':
        return read_strings(rd);
    case 'v':
        return read_value(rd);
    case 'x':
        return read_hex(rd);
    default:
        return dns_svcb_from_text(rd->lexer, &rd->out, rd->diag);
    }
}

/* RFC 3597, 5: \# size hex. The "\#" is taken already. */
static int read_generic(struct reading *rd)
{
    struct dns_token token;
    uint64_t size;
    int err = next_token(rd, &token);
    if (err)
        return err;
    if (keel_parse_u64(token.text, UINT16_MAX, &size) != 0)
        return wrong(rd, token.text, "is not a size from 0 to 65535");
    uint8_t *start = rd->out.next;
    err = read_hex(rd);
    if (err)
        return err;
    if (rd->out.bad || (uint64_t)(rd->out.next - start) != size)
        return keel_diag_set(rd->diag, KEEL_EINVAL, "\\# says %u bytes, there are %zu",
                             (unsigned)size, (size_t)(rd->out.next - start));
    return 0;
}

/* What is left of the entry as one line of text that ldns can read. */
static int collect_text(struct reading *rd, uint16_t type, struct keel_buf *line)
{
    char mnemonic[DNS_TYPE_TEXT];
    struct dns_token token;
    int got;
    keel_buf_printf(line, ". 0 IN %s", dns_type_format(mnemonic, type));
    while ((got = dns_lexer_next(rd->lexer, &token)) == 1) {
        keel_buf_append(line, " ", 1);
        keel_buf_append(line, token.text.p, token.text.n);
    }
    if (got < 0)
        return keel_diag_set(rd->diag, got, "%s", rd->lexer->what);
    if (!keel_buf_text(line))
        return keel_diag_memory(rd->diag);
    return 0;
}

/* The rdata of a record that ldns has read. */
static int take_rdata(struct reading *rd, const ldns_rr *rr)
{
    uint8_t *wire = NULL;
    size_t size = 0;
    if (ldns_rr2wire(&wire, rr, LDNS_SECTION_ANSWER, &size) != LDNS_STATUS_OK)
        return keel_diag_set(rd->diag, KEEL_EINVAL, "the record cannot be encoded");
    /* root owner, type, class, ttl, rdlength: 11 bytes */
    if (size < 11)
        rd->out.bad = true;
    else
        keel_write_bytes(&rd->out, wire + 11, size - 11);
    free(wire);
    return 0;
}

static int read_by_ldns(struct reading *rd, uint16_t type)
{
    struct keel_buf line;
    ldns_rr *rr = NULL;
    ldns_rdf *origin = NULL;

    keel_buf_init(&line, 1 << 20);
    int err = collect_text(rd, type, &line);
    if (err == 0) {
        origin = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, rd->origin->size, rd->origin->bytes);
        ldns_status status = origin
                                 ? ldns_rr_new_frm_str(&rr, keel_buf_text(&line), 0, origin, NULL)
                                 : LDNS_STATUS_MEM_ERR;
        if (status == LDNS_STATUS_OK && (uint16_t)ldns_rr_get_type(rr) != type)
            status = LDNS_STATUS_SYNTAX_TYPE_ERR;
        err = status == LDNS_STATUS_OK
                  ? take_rdata(rd, rr)
                  : keel_diag_set(rd->diag, KEEL_EINVAL, "%s", ldns_get_errorstr_by_id(status));
    }
    ldns_rr_free(rr);
    ldns_rdf_deep_free(origin);
    keel_buf_fini(&line);
    return err;
}

static int read_rdata(struct reading *rd, uint16_t type)
{
    char mnemonic[DNS_TYPE_TEXT];
    struct dns_token token;
    int got = dns_lexer_peek(rd->lexer, &token);

    if (got < 0)
        return keel_diag_set(rd->diag, got, "%s", rd->lexer->what);
    if (got == 1 && keel_str_equal(token.text, KEEL_STR("\\#"))) {
        dns_lexer_next(rd->lexer, &token);
        return read_generic(rd);
    }
    const char *layout = dns_type_layout(type);
    if (layout) {
        for (int err = 0; *layout; layout++)
            if ((err = read_field(rd, *layout)) != 0)
                return err;
        got = dns_lexer_next(rd->lexer, &token);
        if (got < 0)
            return keel_diag_set(rd->diag, got, "%s", rd->lexer->what);
        return got ? wrong(rd, token.text, "is more than the record takes") : 0;
    }
    if (strncmp(dns_type_format(mnemonic, type), "TYPE", 4) == 0)
        return keel_diag_set(rd->diag, KEEL_EINVAL, "%s is known only as \\# size bytes", mnemonic);
    return read_by_ldns(rd, type);
}

int dns_rdata_from_text(uint16_t type, struct dns_lexer *lexer, const struct dns_name *origin,
                        uint8_t *out, size_t room, struct keel_diag *diag)
{
    struct reading rd = {.lexer = lexer, .origin = origin, .diag = diag};
    keel_writer_init(&rd.out, out, room < UINT16_MAX ? room : UINT16_MAX);
    int err = read_rdata(&rd, type);
    if (err)
        return err;
    if (rd.out.bad)
        return keel_diag_set(diag, KEEL_EINVAL, "the record is longer than %u bytes", UINT16_MAX);
    size_t size = keel_writer_offset(&rd.out);
    if (dns_rdata_check(type, out, size) != 0)
        return keel_diag_set(diag, KEEL_EINVAL, "the rdata is malformed");
    return (int)size;
}
