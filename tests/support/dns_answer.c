#include "tests/support/dns_answer.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 12
#define NAME_MAX_SIZE 255
#define TYPE_OPT 41

/* Where a type's rdata has names, as sizes of what stands before each: -1 ends, -2: a character
 * string. What stands behind the last one is opaque. */
static const struct {
    uint16_t type;
    int8_t fields[6];
} layouts[] = {
    {2, {0, -1}},     {3, {0, -1}},     {4, {0, -1}},  {5, {0, -1}},  {6, {0, 0, -1}},
    {7, {0, -1}},     {8, {0, -1}},     {9, {0, -1}},  {12, {0, -1}}, {14, {0, 0, -1}},
    {15, {2, -1}},    {17, {0, 0, -1}}, {18, {2, -1}}, {21, {2, -1}}, {24, {18, -1}},
    {26, {2, 0, -1}}, {30, {0, -1}},    {33, {6, -1}}, {36, {2, -1}}, {39, {0, -1}},
    {46, {18, -1}},   {47, {0, -1}},    {64, {2, -1}}, {65, {2, -1}}, {107, {2, -1}},
};

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static void put(struct answer *a, const void *bytes, size_t size)
{
    if (a->room - a->used < size) {
        a->room = 2 * (a->room + size);
        a->bytes = realloc(a->bytes, a->room);
        if (!a->bytes)
            abort();
    }
    memcpy(a->bytes + a->used, bytes, size);
    a->used += size;
}

/* Appends the name at *at, lower-cased and whole, and moves behind it. false: it is none. */
static bool put_name(struct answer *a, const uint8_t *message, size_t size, size_t *at)
{
    uint8_t name[NAME_MAX_SIZE + 1];
    size_t n = 0, here = *at, before = here;
    bool jumped = false;
    for (;;) {
        if (here >= size)
            return false;
        uint8_t c = message[here];
        if (c >= 0xC0) {
            if (size - here < 2)
                return false;
            size_t target = get16(message + here) & 0x3FFF;
            if (!jumped)
                *at = here + 2;
            jumped = true;
            if (target >= before || target < HEADER) /* only backwards: it ends */
                return false;
            before = here = target;
            continue;
        }
        if (c > 63 || size - here <= c || n + c + 1u > NAME_MAX_SIZE)
            return false;
        name[n++] = c;
        for (size_t i = 1; i <= c; i++) {
            uint8_t b = message[here + i];
            name[n++] = b >= 'A' && b <= 'Z' ? b | 0x20 : b;
        }
        here += c + 1u;
        if (c == 0)
            break;
    }
    if (!jumped)
        *at = here;
    put(a, name, n);
    return true;
}

static bool put_rdata(struct answer *a, const uint8_t *message, unsigned type, size_t at,
                      size_t end)
{
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        if (layouts[i].type != type)
            continue;
        for (const int8_t *field = layouts[i].fields; *field >= 0; field++) {
            if (end - at < (size_t)*field)
                return false;
            put(a, message + at, (size_t)*field);
            at += (size_t)*field;
            if (!put_name(a, message, end, &at))
                return false;
        }
        break;
    }
    put(a, message + at, end - at);
    return true;
}

static const char *read_options(struct answer *a, const uint8_t *p, size_t size)
{
    while (size > 0) {
        if (size < 4 || size - 4 < get16(p + 2))
            return "an option runs over the OPT record";
        if (a->option_count == ANSWER_OPTIONS)
            return "more options than anybody asked for";
        a->options[a->option_count].code = (uint16_t)get16(p);
        a->options[a->option_count++].size = (uint16_t)get16(p + 2);
        size -= 4 + get16(p + 2);
        p += 4 + get16(p + 2);
    }
    return NULL;
}

/* Reads the record at *at. OPT goes to the answer's own fields. */
static const char *read_record(struct answer *a, const uint8_t *message, size_t size, size_t *at,
                               unsigned section)
{
    struct answer_record r = {.at = (uint32_t)a->used};
    if (!put_name(a, message, size, at))
        return "an owner is no name";
    r.owner_size = (uint16_t)(a->used - r.at);
    if (size - *at < 10)
        return "a record is cut";
    const uint8_t *fixed = message + *at;
    size_t n = get16(fixed + 8);
    *at += 10;
    if (size - *at < n)
        return "rdata are cut";
    if (get16(fixed) == TYPE_OPT) {
        a->used = r.at;
        if (a->edns || section != 2)
            return "an OPT record too many";
        a->edns = true;
        a->edns_size = (uint16_t)get16(fixed + 2);
        a->rcode |= (uint16_t)(fixed[4] << 4);
        a->edns_version = fixed[5];
        a->edns_flags = (uint16_t)get16(fixed + 6);
        const char *what = read_options(a, message + *at, n);
        *at += n;
        return what;
    }
    put(a, fixed, 8);
    if (!put_rdata(a, message, get16(fixed), *at, *at + n))
        return "a name in rdata is none";
    *at += n;
    r.size = (uint32_t)a->used - r.at;
    unsigned all = a->counts[0] + a->counts[1] + a->counts[2];
    if (all == a->record_room) {
        a->record_room = 2 * a->record_room + 16;
        a->records = realloc(a->records, a->record_room * sizeof *a->records);
        if (!a->records)
            abort();
    }
    a->records[all] = r;
    a->counts[section]++;
    return NULL;
}

static int compare(const struct answer *a, const struct answer_record *r, const struct answer *b,
                   const struct answer_record *s)
{
    size_t n = r->size < s->size ? r->size : s->size;
    int order = memcmp(a->bytes + r->at, b->bytes + s->at, n);
    return order ? order : (int)r->size - (int)s->size;
}

/* Sections are short: by insertion. */
static void sort(const struct answer *a, struct answer_record *records, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct answer_record r = records[i];
        unsigned k = i;
        for (; k > 0 && compare(a, &records[k - 1], a, &r) > 0; k--)
            records[k] = records[k - 1];
        records[k] = r;
    }
}

static const char *read_all(struct answer *a, const uint8_t *message, size_t size,
                            const uint8_t *query, size_t query_size)
{
    if (size < HEADER)
        return "no header";
    a->flags = (uint16_t)(get16(message + 2) & 0xFFF0);
    a->rcode = message[3] & 15;
    if (!(a->flags & 0x8000))
        return "it is no answer";
    size_t at = HEADER;
    unsigned questions = get16(message + 4);
    if (questions > 1)
        return "several questions";
    if (questions == 1) {
        size_t from = at;
        if (!put_name(a, message, size, &at) || size - at < 4)
            return "the question is malformed";
        at += 4;
        a->used = 0;
        a->question = query_size >= at && memcmp(message + from, query + from, at - from) == 0;
        if (!a->question)
            return "the question is another one";
    }
    unsigned first = 0;
    for (unsigned section = 0; section < 3; section++) {
        for (unsigned i = get16(message + 6 + 2 * section); i > 0; i--) {
            const char *what = read_record(a, message, size, &at, section);
            if (what)
                return what;
        }
        if (a->counts[section] > 0)
            sort(a, a->records + first, a->counts[section]);
        for (unsigned i = 1; i < a->counts[section]; i++)
            if (compare(a, &a->records[first + i - 1], a, &a->records[first + i]) == 0)
                return "a record stands twice in a section";
        first += a->counts[section];
    }
    return at == size ? NULL : "bytes behind the last record";
}

void answer_read(struct answer *a, const uint8_t *message, size_t size, const uint8_t *query,
                 size_t query_size)
{
    struct answer_record *records = a->records;
    uint8_t *bytes = a->bytes;
    unsigned record_room = a->record_room;
    size_t room = a->room;
    *a = (struct answer){
        .records = records, .record_room = record_room, .bytes = bytes, .room = room, .size = size};
    a->what = read_all(a, message, size, query, query_size);
    a->state = a->what ? ANSWER_BAD : ANSWER_COMPLETE;
}

void answer_free(struct answer *a)
{
    free(a->records);
    free(a->bytes);
}

bool answer_equal(const struct answer *a, const struct answer *b)
{
    if (a->state != b->state || a->state != ANSWER_COMPLETE)
        return a->state == b->state && a->state != ANSWER_BAD;
    if (a->flags != b->flags || a->rcode != b->rcode || a->question != b->question ||
        a->edns != b->edns || a->edns_version != b->edns_version ||
        a->edns_flags != b->edns_flags || a->option_count != b->option_count ||
        a->edns_size != b->edns_size || memcmp(a->counts, b->counts, sizeof a->counts) != 0)
        return false;
    for (unsigned i = 0; i < a->option_count; i++)
        if (a->options[i].code != b->options[i].code)
            return false;
    for (unsigned i = 0; i < a->counts[0] + a->counts[1] + a->counts[2]; i++)
        if (compare(a, &a->records[i], b, &b->records[i]) != 0)
            return false;
    return true;
}

/* --- what differs, as JSON --- */

static void print_name(FILE *out, const uint8_t *name)
{
    if (*name == 0)
        fputc('.', out);
    for (; *name; name += *name + 1) {
        for (unsigned i = 1; i <= *name; i++) {
            uint8_t c = name[i];
            if (c > 32 && c < 127 && c != '"' && c != '\\' && c != '.')
                fputc(c, out);
            else
                fprintf(out, "\\\\%03u", c);
        }
        fputc('.', out);
    }
}

static void print_record(FILE *out, const struct answer *a, unsigned section,
                         const struct answer_record *r, bool first)
{
    const uint8_t *p = a->bytes + r->at, *fixed = p + r->owner_size;
    fprintf(out, "%s[%u,\"", first ? "" : ",", section);
    print_name(out, p);
    fprintf(out, "\",%u,%u,%u,\"", get16(fixed), get16(fixed + 2),
            get16(fixed + 4) << 16 | get16(fixed + 6));
    for (const uint8_t *q = fixed + 8; q < p + r->size; q++)
        fprintf(out, "%02x", *q);
    fprintf(out, "\"]");
}

/* Records of a that b has not. */
static void print_more(FILE *out, const char *title, const struct answer *a, const struct answer *b)
{
    unsigned i = 0, k = 0, printed = 0, a_end = 0, b_end = 0;
    fprintf(out, ",\"%s\":[", title);
    for (unsigned section = 0; section < 3; section++) {
        a_end += a->counts[section];
        b_end += b->counts[section];
        while (i < a_end) {
            int order = k < b_end ? compare(a, &a->records[i], b, &b->records[k]) : -1;
            if (order < 0)
                print_record(out, a, section, &a->records[i], printed++ == 0);
            i += order <= 0;
            k += order >= 0;
        }
        k = b_end;
    }
    fprintf(out, "]");
}

static void print_one(FILE *out, const char *title, const struct answer *a)
{
    static const char *const states[] = {"none", "closed", "bad", "complete"};
    fprintf(out, ",\"%s\":{\"state\":\"%s\"", title, states[a->state]);
    if (a->what)
        fprintf(out, ",\"what\":\"%s\"", a->what);
    fprintf(out, ",\"size\":%zu,\"rcode\":%u,\"flags\":%u,\"question\":%d,\"counts\":[%u,%u,%u]",
            a->size, a->rcode, a->flags, a->question, a->counts[0], a->counts[1], a->counts[2]);
    if (a->edns) {
        fprintf(out, ",\"edns\":[%u,%u,%u],\"options\":[", a->edns_version, a->edns_flags,
                a->edns_size);
        for (unsigned i = 0; i < a->option_count; i++)
            fprintf(out, "%s[%u,%u]", i ? "," : "", a->options[i].code, a->options[i].size);
        fprintf(out, "]");
    }
    fprintf(out, "}");
}

void answer_print(FILE *out, const struct answer *ours, const struct answer *theirs)
{
    print_one(out, "ours", ours);
    print_one(out, "theirs", theirs);
    print_more(out, "minus", ours, theirs);
    print_more(out, "plus", theirs, ours);
}
