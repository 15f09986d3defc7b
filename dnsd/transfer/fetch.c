#include "dnsd/transfer/fetch.h"

#include "common/base/mem.h"
#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"

#define LENGTH 2           /* bytes before each message of a stream */
#define REQUEST_MAX 1024   /* header, question, SOA, OPT, TSIG */
#define UDP_SIZE 1232      /* what we can take */
#define OPTION_SIZE 4      /* an option without anything in it */
#define SOA_NOTHING 2 + 20 /* two root names and the numbers */

/* --- asking --- */

static enum dns_fetch_outcome over(struct dns_fetch *f, enum dns_fetch_outcome outcome)
{
    f->stage = DNS_FETCH_COMPLETE;
    return f->outcome = outcome;
}

static enum dns_fetch_outcome no_memory(struct dns_fetch *f)
{
    keel_diag_memory(&f->diag);
    f->out_of_memory = true;
    return over(f, DNS_FETCH_FAILED);
}

/* What was done wrong; an IXFR that goes wrong is answered by an AXFR that may not. */
#define fail(f, ...)                                                                               \
    (keel_diag_set(&(f)->diag, 0, __VA_ARGS__), (f)->try_whole = (f)->incremental,                 \
     over(f, DNS_FETCH_FAILED))

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
    over(f, DNS_FETCH_FAILED);
}

/* --- records --- */

/* A record of the answer section, flat. */
struct flat {
    struct dns_name owner; /* lower-cased */
    uint16_t type;
    uint32_t ttl;
    const uint8_t *rdata;
    size_t size;
};

static bool is_apex(const struct dns_fetch *f, const struct dns_name *owner)
{
    const struct dns_name *apex = &f->options.apex;
    return owner->size == apex->size && memcmp(owner->bytes, apex->bytes, apex->size) == 0;
}

/* Into the zone that is being collected. */
static enum dns_fetch_outcome collect(struct dns_fetch *f, const struct flat *record)
{
    const struct dns_scanned scanned = {.owner = &record->owner,
                                        .type = record->type,
                                        .ttl = record->ttl,
                                        .rdata = record->rdata,
                                        .rdata_size = (uint16_t)record->size,
                                        .file = "transfer",
                                        .line = (uint32_t)f->records};
    if (!f->compiler)
        f->compiler = dns_compiler_new(&f->options.apex, f->options.hash);
    int err = f->compiler ? dns_compiler_add(f->compiler, &scanned, &f->diag) : KEEL_ENOMEM;
    if (err == KEEL_ENOMEM)
        return no_memory(f);
    return err ? over(f, DNS_FETCH_FAILED) : DNS_FETCH_MORE;
}

/* Into the running step. */
static enum dns_fetch_outcome note(struct dns_fetch *f, const struct flat *record)
{
    const struct dns_diff_record item = {.owner = record->owner.bytes,
                                         .owner_size = record->owner.size,
                                         .type = record->type,
                                         .ttl = record->ttl,
                                         .rdata = record->rdata,
                                         .rdata_size = (uint16_t)record->size};
    struct dns_diff *step = &f->steps[f->step_count - 1];
    int err =
        f->stage == DNS_FETCH_DELETED ? dns_diff_delete(step, &item) : dns_diff_add(step, &item);
    return err ? no_memory(f) : DNS_FETCH_MORE;
}

static enum dns_fetch_outcome begin_step(struct dns_fetch *f, const struct flat *record,
                                         uint32_t serial)
{
    if (f->step_count == f->step_room) {
        unsigned room = f->step_room ? 2 * f->step_room : 4;
        struct dns_diff *steps = keel_realloc(f->steps, room * sizeof *steps);
        if (!steps)
            return no_memory(f);
        f->steps = steps;
        f->step_room = room;
    }
    struct dns_diff *step = &f->steps[f->step_count++];
    dns_diff_init(step);
    step->from = serial;
    f->stage = DNS_FETCH_DELETED;
    return note(f, record);
}

/* The first: which version it is. */
static enum dns_fetch_outcome on_first(struct dns_fetch *f, const struct flat *record,
                                       const struct dns_soa *soa)
{
    if (!soa)
        return fail(f, "the first record is no SOA");
    memcpy(f->soa_rdata, record->rdata, record->size);
    f->soa_size = (uint16_t)record->size;
    f->soa_ttl = record->ttl;
    f->soa = *soa;
    f->stage = f->incremental ? DNS_FETCH_SECOND : DNS_FETCH_RECORDS;
    return f->incremental ? DNS_FETCH_MORE : collect(f, record);
}

static enum dns_fetch_outcome on_zone_record(struct dns_fetch *f, const struct flat *record,
                                             const struct dns_soa *soa)
{
    if (!soa)
        return collect(f, record);
    /* RFC 5936, 2.2: it ends as it began */
    if (record->size != f->soa_size || memcmp(record->rdata, f->soa_rdata, f->soa_size) != 0)
        return fail(f, "it begins with serial %u and ends with another SOA, of serial %u",
                    f->soa.serial, soa->serial);
    f->stage = DNS_FETCH_COMPLETE;
    return DNS_FETCH_MORE;
}

/* Of an IXFR: a step begins with the SOA that we have, a whole zone goes on with anything else. */
static enum dns_fetch_outcome on_second(struct dns_fetch *f, const struct flat *record,
                                        const struct dns_soa *soa)
{
    if (soa && soa->serial == f->options.serial && f->soa.serial != f->options.serial)
        return begin_step(f, record, soa->serial);
    if (soa)
        return fail(f, "the differences begin at serial %u, ours is %u", soa->serial,
                    f->options.serial);
    const struct flat first = {.owner = f->options.apex,
                               .type = DNS_TYPE_SOA,
                               .ttl = f->soa_ttl,
                               .rdata = f->soa_rdata,
                               .size = f->soa_size};
    f->stage = DNS_FETCH_RECORDS;
    if (collect(f, &first) != DNS_FETCH_MORE)
        return f->outcome;
    return collect(f, record);
}

static enum dns_fetch_outcome on_step_record(struct dns_fetch *f, const struct flat *record,
                                             const struct dns_soa *soa)
{
    struct dns_diff *step = &f->steps[f->step_count - 1];
    if (!soa)
        return note(f, record);
    if (f->stage == DNS_FETCH_DELETED) {
        if (!dns_serial_newer(soa->serial, step->from))
            return fail(f, "a difference leads from serial %u to %u", step->from, soa->serial);
        step->to = soa->serial;
        f->stage = DNS_FETCH_ADDED;
        return note(f, record);
    }
    if (soa->serial != step->to)
        return fail(f, "a difference that ends at serial %u is followed by one from %u", step->to,
                    soa->serial);
    if (soa->serial != f->soa.serial)
        return begin_step(f, record, soa->serial);
    f->stage = DNS_FETCH_COMPLETE;
    return DNS_FETCH_MORE;
}

static enum dns_fetch_outcome on_record(struct dns_fetch *f, const struct flat *record)
{
    struct dns_soa numbers;
    const struct dns_soa *soa = NULL;

    if (record->type == DNS_TYPE_SOA) {
        if (!is_apex(f, &record->owner))
            return fail(f, "an SOA of another name");
        if (dns_soa_parse(&numbers, record->rdata, record->size) != 0)
            return fail(f, "a malformed SOA");
        soa = &numbers;
    }
    switch (f->stage) {
    case DNS_FETCH_FIRST:
        return on_first(f, record, soa);
    case DNS_FETCH_SECOND:
        return on_second(f, record, soa);
    case DNS_FETCH_RECORDS:
        return on_zone_record(f, record, soa);
    case DNS_FETCH_DELETED:
    case DNS_FETCH_ADDED:
        return on_step_record(f, record, soa);
    default:
        return fail(f, "a record behind the last one");
    }
}

/* Reads the record at *offset and takes it. */
static enum dns_fetch_outcome take_record(struct dns_fetch *f, const uint8_t *message, size_t size,
                                          size_t *offset)
{
    uint8_t rdata[UINT16_MAX];
    struct dns_record record;
    struct flat flat;

    if (dns_record_parse(&record, message, size, offset) != 0)
        return fail(f, "a malformed message");
    if (record.class != DNS_CLASS_IN || dns_type_is_meta(record.type))
        return fail(f, "a record of type %u and class %u", record.type, record.class);
    f->records++;
    flat.owner = record.owner;
    dns_name_lower(&flat.owner);
    if (f->stage != DNS_FETCH_FIRST && !dns_name_in(&flat.owner, &f->options.apex)) {
        f->skipped++; /* not its to say (RFC 5936, 3.5) */
        return DNS_FETCH_MORE;
    }
    if (dns_rdata_parse(record.type, message, record.rdata, record.rdata_size, rdata, &flat.size) !=
        0)
        return fail(f, "a malformed record of type %u", record.type);
    flat.type = record.type;
    flat.ttl = record.ttl > DNS_TTL_MAX ? 0 : record.ttl; /* RFC 2181, 8 */
    flat.rdata = rdata;
    return on_record(f, &flat);
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
        return fail(f, "the answer is not authoritative");
    for (unsigned i = 0; i < answers; i++) {
        if (dns_record_parse(&record, message, size, &offset) != 0)
            return fail(f, "a malformed message");
        dns_name_lower(&record.owner);
        if (record.type != DNS_TYPE_SOA || record.class != DNS_CLASS_IN ||
            !is_apex(f, &record.owner))
            continue;
        if (dns_rdata_parse(record.type, message, record.rdata, record.rdata_size, rdata, &n) !=
                0 ||
            dns_soa_parse(&f->soa, rdata, n) != 0)
            return fail(f, "a malformed SOA");
        if (f->options.have && !dns_serial_newer(f->soa.serial, f->options.serial))
            return over(f, DNS_FETCH_CURRENT);
        if (f->options.only_soa)
            return over(f, DNS_FETCH_NEWER);
        return ask_transfer(f, now) == 0 ? DNS_FETCH_MORE : no_memory(f);
    }
    return fail(f, "the answer has no SOA");
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
        return fail(f, "the server said %s", rcode_text(rcode));
    f->incremental = false;
    return ask_transfer(f, now) == 0 ? DNS_FETCH_MORE : no_memory(f);
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
        return fail(f, "the signature is not good: %s", dns_tsig_error_name(error));
    if (err != KEEL_ENOENT)
        return fail(f, "a malformed message");
    if (f->request_messages == 1)
        return fail(f, "the answer is not signed (%s)",
                    rcode_text(keel_get_u16(message + 2) & DNS_RCODE_MASK));
    if (++f->unsigned_count > DNS_TSIG_UNSIGNED_MAX)
        return fail(f, "%u messages without a signature", f->unsigned_count);
    return keel_buf_append(&f->unsigned_, message, size) == 0 ? DNS_FETCH_MORE : no_memory(f);
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
    bool fits = is_apex(f, &name) && keel_get_u16(message + *offset) == type &&
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
        enum dns_fetch_outcome outcome = take_record(f, message, size, offset);
        if (outcome != DNS_FETCH_MORE)
            return outcome;
    }
    return DNS_FETCH_MORE;
}

static enum dns_fetch_outcome finish(struct dns_fetch *f)
{
    /* RFC 1995, 2: nothing but an SOA that is not newer than ours */
    if (f->stage == DNS_FETCH_SECOND && !dns_serial_newer(f->soa.serial, f->options.serial))
        return over(f, DNS_FETCH_CURRENT);
    if (f->stage != DNS_FETCH_COMPLETE)
        return DNS_FETCH_MORE;
    if (f->unsigned_count > 0)
        return fail(f, "the last message is not signed");
    return over(f, f->step_count > 0 ? DNS_FETCH_STEPS : DNS_FETCH_ZONE);
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
        return f->options.udp ? DNS_FETCH_MORE : fail(f, "what came is no answer");
    f->messages++;
    f->request_messages++;
    f->bytes += size;
    if (f->options.key && (outcome = verify(f, message, size, now)) != DNS_FETCH_MORE)
        return outcome;
    if (flags & DNS_FLAG_TC) {
        f->truncated = true;
        return fail(f, "the answer is cut");
    }
    if (flags & DNS_RCODE_MASK)
        return f->stage == DNS_FETCH_ASKED_SOA
                   ? fail(f, "the server said %s", rcode_text(flags & DNS_RCODE_MASK))
                   : on_error(f, flags & DNS_RCODE_MASK, now);
    if (!question_fits(f, message, size, &offset))
        return fail(f, "it answers another question");
    unsigned answers = keel_get_u16(message + 6);
    unsigned others = keel_get_u16(message + 8) + (unsigned)keel_get_u16(message + 10);
    if (f->stage == DNS_FETCH_ASKED_SOA) {
        read_rest(f, message, size, offset, answers + others);
        return judge_soa(f, message, size, offset, answers, now);
    }
    if (answers == 0)
        return fail(f, "a message without a record");
    outcome = read_transfer(f, message, size, &offset, answers);
    if (outcome != DNS_FETCH_MORE)
        return outcome;
    rest = offset;
    if (!read_rest(f, message, size, rest, others))
        return fail(f, "a malformed message");
    if (f->bytes > f->options.limit && f->stage != DNS_FETCH_COMPLETE)
        return fail(f, "it is larger than %llu bytes", (unsigned long long)f->options.limit);
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
