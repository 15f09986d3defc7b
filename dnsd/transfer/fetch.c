#include "dnsd/transfer/fetch_records.h"

#include "common/base/mem.h"
#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"

#define LENGTH 2             /* bytes before each message of a stream */
#define REQUEST_MAX 1024     /* header, question, SOA, OPT, TSIG */
#define UDP_SIZE 1232        /* what we can take */
#define SOA_NOTHING (2 + 20) /* two root names and the numbers */

/* --- asking --- */

/* Asks for the zone's SOA, IXFR or AXFR. */
static int ask(struct dns_fetch *f, uint16_t type, uint64_t now)
{
    const struct dns_fetch_options *o = &f->options;
    const size_t length = o->udp ? 0 : LENGTH;
    struct keel_writer w;

    uint8_t *room = keel_buf_reserve(&f->out, LENGTH + REQUEST_MAX);
    if (!room)
        return KEEL_ENOMEM;
    keel_writer_init(&w, room + length, REQUEST_MAX);
    f->id = (uint16_t)keel_prng_next(&f->prng);
    keel_write_u16(&w, f->id);
    keel_write_u16(&w, DNS_OPCODE_QUERY << DNS_OPCODE_SHIFT);
    keel_write_u16(&w, 1);
    keel_write_u16(&w, 0);
    keel_write_u16(&w, type == DNS_TYPE_IXFR ? 1 : 0);
    keel_write_u16(&w, 1);
    keel_write_bytes(&w, o->apex.bytes, o->apex.size);
    keel_write_u16(&w, type);
    keel_write_u16(&w, DNS_CLASS_IN);
    if (type == DNS_TYPE_IXFR) { /* of our SOA only the serial is looked at (RFC 1995, 3) */
        keel_write_u16(&w, 0xC000 | DNS_HEADER_SIZE);
        keel_write_u16(&w, DNS_TYPE_SOA);
        keel_write_u16(&w, DNS_CLASS_IN);
        keel_write_u32(&w, 0);
        keel_write_u16(&w, SOA_NOTHING);
        keel_write_u16(&w, 0);
        keel_write_u32(&w, o->serial);
        memset(keel_write_skip(&w, 16), 0, 16);
    }
    size_t opt = keel_writer_offset(&w);
    dns_edns_build(&w, &(struct dns_edns){.udp_size = UDP_SIZE});
    dns_edns_option(&w, DNS_OPTION_EXPIRE, NULL, 0);
    dns_edns_end(&w, opt);
    if (o->key)
        dns_tsig_open(&f->tsig, o->key);
    else
        dns_tsig_none(&f->tsig);
    if (dns_tsig_sign(&f->tsig, &w, now) != 0)
        return KEEL_ENOMEM; /* of libcrypto */
    size_t size = keel_writer_offset(&w);
    if (length > 0)
        keel_put_u16(room, (uint16_t)size);
    keel_buf_commit(&f->out, length + size);
    f->request_messages = 0;
    f->unsigned_count = 0;
    keel_buf_clear(&f->unsigned_);
    return 0;
}

static int ask_transfer(struct dns_fetch *f, uint64_t now)
{
    f->stage = DNS_FETCH_FIRST;
    return ask(f, f->incremental ? DNS_TYPE_IXFR : DNS_TYPE_AXFR, now);
}

int dns_fetch_start(struct dns_fetch *f, const struct dns_fetch_options *options, uint64_t now)
{
    *f = (struct dns_fetch){.options = *options};
    keel_buf_init(&f->out, 0);
    keel_buf_init(&f->unsigned_, 0);
    keel_prng_seed(&f->prng, options->seed);
    f->incremental = options->incremental && options->have && !options->only_soa;
    if (!options->ask_soa)
        return ask_transfer(f, now);
    f->stage = DNS_FETCH_ASKED_SOA;
    return ask(f, DNS_TYPE_SOA, now);
}

static void drop_steps(struct dns_fetch *f)
{
    for (unsigned i = 0; i < f->step_count; i++)
        dns_diff_fini(&f->steps[i]);
    keel_free(f->steps);
    f->steps = NULL;
    f->step_count = f->step_room = 0;
}

void dns_fetch_fini(struct dns_fetch *f)
{
    keel_buf_fini(&f->out);
    keel_buf_fini(&f->unsigned_);
    dns_compiler_free(f->compiler);
    f->compiler = NULL;
    drop_steps(f);
}

struct dns_compiler *dns_fetch_take(struct dns_fetch *f)
{
    struct dns_compiler *compiler = f->compiler;
    f->compiler = NULL;
    return compiler;
}

struct dns_diff *dns_fetch_take_steps(struct dns_fetch *f, unsigned *count)
{
    struct dns_diff *steps = f->steps;
    *count = f->step_count;
    f->steps = NULL;
    f->step_count = f->step_room = 0;
    return steps;
}

void dns_fetch_abort(struct dns_fetch *f, const char *why)
{
    if (f->stage == DNS_FETCH_COMPLETE)
        return;
    keel_diag_set(&f->diag, 0, "%s", why);
    fetch_over(f, DNS_FETCH_FAILED);
}

/* --- messages --- */

/* Of the answer to an SOA query: is there news. */
static enum dns_fetch_outcome judge_soa(struct dns_fetch *f, const uint8_t *message, size_t size,
                                        size_t offset, unsigned answers, uint64_t now)
{
    uint8_t rdata[UINT16_MAX];
    struct dns_record record;
    size_t n;

    if (!(keel_get_u16(message + 2) & DNS_FLAG_AA))
        return fetch_fail(f, "the answer is not authoritative");
    for (unsigned i = 0; i < answers; i++) {
        if (dns_record_parse(&record, message, size, &offset) != 0)
            return fetch_fail(f, "a malformed message");
        dns_name_lower(&record.owner);
        if (record.type != DNS_TYPE_SOA || record.class != DNS_CLASS_IN ||
            !fetch_is_apex(f, &record.owner))
            continue;
        if (dns_rdata_parse(record.type, message, record.rdata, record.rdata_size, rdata, &n) !=
                0 ||
            dns_soa_parse(&f->soa, rdata, n) != 0)
            return fetch_fail(f, "a malformed SOA");
        if (f->options.have && !dns_serial_newer(f->soa.serial, f->options.serial))
            return fetch_over(f, DNS_FETCH_CURRENT);
        if (f->options.only_soa)
            return fetch_over(f, DNS_FETCH_NEWER);
        return ask_transfer(f, now) == 0 ? DNS_FETCH_MORE : fetch_no_memory(f);
    }
    return fetch_fail(f, "the answer has no SOA");
}

static const char *rcode_text(unsigned rcode)
{
    static const char *const names[] = {
        [DNS_FORMERR] = "FORMERR", [DNS_SERVFAIL] = "SERVFAIL", [DNS_NXDOMAIN] = "NXDOMAIN",
        [DNS_NOTIMP] = "NOTIMP",   [DNS_REFUSED] = "REFUSED",   [DNS_NOTAUTH] = "NOTAUTH"};
    return rcode < sizeof names / sizeof names[0] && names[rcode] ? names[rcode] : "another rcode";
}

/* An IXFR that is not to be had: what about all of it (RFC 1995, 4)? */
static enum dns_fetch_outcome on_error(struct dns_fetch *f, unsigned rcode, uint64_t now)
{
    if (!f->incremental || f->request_messages > 1)
        return fetch_fail(f, "the server said %s", rcode_text(rcode));
    f->incremental = false;
    return ask_transfer(f, now) == 0 ? DNS_FETCH_MORE : fetch_no_memory(f);
}

/* RFC 8945, 5.3.1: the first and the last are signed, and of those between at least every 100th. */
static enum dns_fetch_outcome verify(struct dns_fetch *f, const uint8_t *message, size_t size,
                                     uint64_t now)
{
    struct keel_str before = {(const char *)keel_buf_bytes(&f->unsigned_),
                              keel_buf_size(&f->unsigned_)};
    unsigned error = 0;

    int err = dns_tsig_verify_all(&f->tsig, before, message, size, now, &error);
    if (err == 0) {
        f->unsigned_count = 0;
        keel_buf_clear(&f->unsigned_);
        return DNS_FETCH_MORE;
    }
    if (err == KEEL_EACCES)
        return fetch_fail(f, "the signature is not good: %s", dns_tsig_error_name(error));
    if (err != KEEL_ENOENT)
        return fetch_fail(f, "a malformed message");
    if (f->request_messages == 1)
        return fetch_fail(f, "the answer is not signed (%s)",
                          rcode_text(keel_get_u16(message + 2) & DNS_RCODE_MASK));
    if (++f->unsigned_count > DNS_TSIG_UNSIGNED_MAX)
        return fetch_fail(f, "%u messages without a signature", f->unsigned_count);
    return keel_buf_append(&f->unsigned_, message, size) == 0 ? DNS_FETCH_MORE : fetch_no_memory(f);
}

/* The question, when there is one, is the one that was asked. Moves *offset behind it. */
static bool question_fits(const struct dns_fetch *f, const uint8_t *message, size_t size,
                          size_t *offset)
{
    unsigned count = keel_get_u16(message + 4);
    uint16_t type = DNS_TYPE_SOA;
    struct dns_name name;

    /* RFC 5936, 2.2.1: later ones may do without */
    if (count == 0)
        return f->request_messages > 1;
    if (count != 1 || dns_name_parse_compressed(&name, message, size, offset) != 0 ||
        size - *offset < 4)
        return false;
    if (f->stage != DNS_FETCH_ASKED_SOA)
        type = f->incremental ? DNS_TYPE_IXFR : DNS_TYPE_AXFR;
    dns_name_lower(&name);
    bool fits = fetch_is_apex(f, &name) && keel_get_u16(message + *offset) == type &&
                keel_get_u16(message + *offset + 2) == DNS_CLASS_IN;
    *offset += 4;
    return fits;
}

/* Authority and additional sections: well formed, and EXPIRE may be there (RFC 7314, 3). */
static bool read_rest(struct dns_fetch *f, const uint8_t *message, size_t size, size_t offset,
                      unsigned count)
{
    struct dns_edns edns = {0};
    struct dns_record record;

    for (unsigned i = 0; i < count; i++) {
        if (dns_record_parse(&record, message, size, &offset) != 0)
            return false;
        if (record.type == DNS_TYPE_TSIG && !f->options.key)
            return false; /* nobody asked for one */
        if (record.type != DNS_TYPE_OPT || edns.present)
            continue;
        if (dns_edns_parse(&edns, record.class, record.ttl, record.rdata, record.rdata_size) != 0)
            continue; /* what else is said there is none of our concern */
        if (edns.expire && edns.expire_size == 4) {
            f->expire_known = true;
            f->expire = edns.expire_after;
        }
    }
    return offset == size;
}

/* The answer section of a transfer, and then whether that is all. */
static enum dns_fetch_outcome read_transfer(struct dns_fetch *f, const uint8_t *message,
                                            size_t size, size_t *offset, unsigned answers)
{
    for (unsigned i = 0; i < answers; i++) {
        enum dns_fetch_outcome outcome = fetch_record(f, message, size, offset);
        if (outcome != DNS_FETCH_MORE)
            return outcome;
    }
    return DNS_FETCH_MORE;
}

static enum dns_fetch_outcome finish(struct dns_fetch *f)
{
    /* RFC 1995, 2: nothing but an SOA that is not newer than ours */
    if (f->stage == DNS_FETCH_SECOND && !dns_serial_newer(f->soa.serial, f->options.serial))
        return fetch_over(f, DNS_FETCH_CURRENT);
    if (f->stage != DNS_FETCH_COMPLETE)
        return DNS_FETCH_MORE;
    if (f->unsigned_count > 0)
        return fetch_fail(f, "the last message is not signed");
    return fetch_over(f, f->step_count > 0 ? DNS_FETCH_STEPS : DNS_FETCH_ZONE);
}

enum dns_fetch_outcome dns_fetch_message(struct dns_fetch *f, const uint8_t *message, size_t size,
                                         uint64_t now)
{
    size_t offset = DNS_HEADER_SIZE, rest;
    enum dns_fetch_outcome outcome;

    if (f->stage == DNS_FETCH_COMPLETE)
        return f->outcome;
    unsigned flags = size >= DNS_HEADER_SIZE ? keel_get_u16(message + 2) : 0;
    bool ours = size >= DNS_HEADER_SIZE && keel_get_u16(message) == f->id &&
                (flags & DNS_FLAG_QR) &&
                (flags & DNS_OPCODE_MASK) == DNS_OPCODE_QUERY << DNS_OPCODE_SHIFT;
    if (!ours) /* over UDP anybody can send anything */
        return f->options.udp ? DNS_FETCH_MORE : fetch_fail(f, "what came is no answer");
    f->messages++;
    f->request_messages++;
    f->bytes += size;
    if (f->options.key && (outcome = verify(f, message, size, now)) != DNS_FETCH_MORE)
        return outcome;
    if (flags & DNS_FLAG_TC) {
        f->truncated = true;
        return fetch_fail(f, "the answer is cut");
    }
    if (flags & DNS_RCODE_MASK)
        return f->stage == DNS_FETCH_ASKED_SOA
                   ? fetch_fail(f, "the server said %s", rcode_text(flags & DNS_RCODE_MASK))
                   : on_error(f, flags & DNS_RCODE_MASK, now);
    if (!question_fits(f, message, size, &offset))
        return fetch_fail(f, "it answers another question");
    unsigned answers = keel_get_u16(message + 6);
    unsigned others = keel_get_u16(message + 8) + (unsigned)keel_get_u16(message + 10);
    if (f->stage == DNS_FETCH_ASKED_SOA) {
        read_rest(f, message, size, offset, answers + others);
        return judge_soa(f, message, size, offset, answers, now);
    }
    if (answers == 0)
        return fetch_fail(f, "a message without a record");
    outcome = read_transfer(f, message, size, &offset, answers);
    if (outcome != DNS_FETCH_MORE)
        return outcome;
    rest = offset;
    if (!read_rest(f, message, size, rest, others))
        return fetch_fail(f, "a malformed message");
    if (f->bytes > f->options.limit && f->stage != DNS_FETCH_COMPLETE)
        return fetch_fail(f, "it is larger than %llu bytes", (unsigned long long)f->options.limit);
    return finish(f);
}

enum dns_fetch_outcome dns_fetch_data(struct dns_fetch *f, const uint8_t *bytes, size_t size,
                                      size_t *used, uint64_t now)
{
    enum dns_fetch_outcome outcome = f->outcome;
    *used = 0;
    while (outcome == DNS_FETCH_MORE && size - *used >= LENGTH) {
        size_t n = keel_get_u16(bytes + *used);
        if (size - *used - LENGTH < n)
            break;
        *used += LENGTH;
        outcome = dns_fetch_message(f, bytes + *used, n, now);
        *used += n;
    }
    return outcome;
}
