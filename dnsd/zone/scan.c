#include "dnsd/zone/scan.h"

#include "common/base/mem.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/generate.h"
#include "dnsd/zone/rdata_text.h"
#include "dnsd/zone/token.h"

#define GENERATE_LINE_MAX 65536 /* bytes of one line that $GENERATE made */

/* What lasts over the files of one scan. */
struct scan {
    const struct dns_scan_io *io;
    struct keel_diag *diag;
    uint8_t *rdata;       /* UINT16_MAX bytes of room */
    bool has_default_ttl; /* a $TTL was seen */
    uint32_t default_ttl;
    bool has_last_ttl; /* a record gave one (RFC 1035, 5.1) */
    uint32_t last_ttl;
    unsigned depth; /* files open */
};

/* One file, or one line that $GENERATE made. */
struct source {
    struct scan *scan;
    const char *file;
    struct dns_lexer lexer;
    struct dns_name origin;
    struct dns_name owner; /* of the last record; size 0: none yet */
};

static int scan_source(struct source *src);
static int scan_path(struct scan *scan, const char *path, const char *from,
                     const struct dns_name *origin, struct keel_diag *diag);

static int fail(struct source *src, const char *what)
{
    return keel_diag_set(src->scan->diag, KEEL_EINVAL, "%s:%u: %s", src->file,
                         src->lexer.entry_line, what);
}

static int fail_token(struct source *src, struct keel_str text, const char *what)
{
    char shown[128];
    keel_escape(shown, sizeof shown, text.p, text.n);
    return keel_diag_set(src->scan->diag, KEEL_EINVAL, "%s:%u: \"%s\" %s", src->file,
                         src->lexer.entry_line, shown, what);
}

/* An error whose sentence is in `inner`. */
static int fail_inner(struct source *src, int err, const struct keel_diag *inner)
{
    return keel_diag_set(src->scan->diag, err, "%s:%u: %s", src->file, src->lexer.entry_line,
                         inner->text);
}

/* A line of $GENERATE could not be held. */
static int fail_line(struct source *src, int err)
{
    return keel_diag_set(src->scan->diag, err, "%s:%u: $GENERATE: %s", src->file,
                         src->lexer.entry_line,
                         err == KEEL_ELIMIT ? "the line is too long" : keel_strerror(err));
}

/* The next token, which must be there. */
static int want(struct source *src, struct dns_token *token, const char *what)
{
    int got = dns_lexer_next(&src->lexer, token);
    if (got < 0)
        return fail(src, src->lexer.what);
    return got ? 0 : fail(src, what);
}

static int want_end(struct source *src)
{
    struct dns_token token;
    int got = dns_lexer_next(&src->lexer, &token);
    if (got < 0)
        return fail(src, src->lexer.what);
    return got ? fail_token(src, token.text, "is more than the directive takes") : 0;
}

static int read_origin(struct source *src)
{
    struct dns_token token;
    struct dns_name name;
    int err = want(src, &token, "$ORIGIN: a name is missing");
    if (err)
        return err;
    if (dns_name_from_text(&name, token.text, &src->origin) != 0)
        return fail_token(src, token.text, "is not a domain name");
    src->origin = name;
    return want_end(src);
}

static int read_default_ttl(struct source *src)
{
    struct dns_token token;
    int err = want(src, &token, "$TTL: a time is missing");
    if (err)
        return err;
    if (dns_parse_seconds(token.text, DNS_TTL_MAX, &src->scan->default_ttl) != 0)
        return fail_token(src, token.text, "is not a TTL");
    src->scan->has_default_ttl = true;
    return want_end(src);
}

/* $INCLUDE FILE [ORIGIN]: origin and last owner come back as they were (RFC 1035, 5.1). */
static int read_include(struct source *src)
{
    struct dns_token token;
    struct dns_name origin = src->origin;
    char path[4096];
    struct keel_diag inner;

    int err = want(src, &token, "$INCLUDE: a file is missing");
    if (err)
        return err;
    int n = dns_token_bytes(token.text, (uint8_t *)path, sizeof path - 1);
    if (n <= 0 || memchr(path, 0, (size_t)n))
        return fail_token(src, token.text, "is not a file name");
    path[n] = '\0';
    int got = dns_lexer_next(&src->lexer, &token);
    if (got < 0)
        return fail(src, src->lexer.what);
    if (got && dns_name_from_text(&origin, token.text, &src->origin) != 0)
        return fail_token(src, token.text, "is not a domain name");
    if ((err = want_end(src)) != 0)
        return err;
    if (src->scan->depth >= DNS_INCLUDE_DEPTH)
        return fail(src, "$INCLUDE: too many files inside each other");
    inner.text[0] = '\0';
    err = scan_path(src->scan, path, src->file, &origin, &inner);
    /* errors inside the file are already complete; only opening it fails here */
    return err && inner.text[0] ? fail_inner(src, err, &inner) : err;
}

/* TTL and class in any order, then the type. */
static int read_type(struct source *src, uint16_t *type, uint32_t *ttl, bool *has_ttl)
{
    struct dns_token token;
    uint16_t class;
    bool has_class = false;

    *has_ttl = false;
    for (;;) {
        int err = want(src, &token, "the type is missing");
        if (err)
            return err;
        if (!*has_ttl && keel_is_digit((unsigned char)token.text.p[0])) {
            if (dns_parse_seconds(token.text, DNS_TTL_MAX, ttl) != 0)
                return fail_token(src, token.text, "is not a TTL");
            *has_ttl = true;
        } else if (!has_class && dns_class_parse(token.text, &class) == 0) {
            if (class != DNS_CLASS_IN)
                return fail_token(src, token.text, "is not the class IN");
            has_class = true;
        } else {
            break;
        }
    }
    if (dns_type_parse(token.text, type) != 0)
        return fail_token(src, token.text, "is not a record type");
    if (dns_type_is_meta(*type))
        return fail_token(src, token.text, "is not a type that a zone can hold");
    return 0;
}

/* The TTL of a record that gives none: $TTL, else the last one given, else SOA's own minimum. */
static int choose_ttl(struct source *src, struct dns_scanned *record, bool given)
{
    struct scan *scan = src->scan;
    if (!given) {
        if (scan->has_default_ttl)
            record->ttl = scan->default_ttl;
        else if (scan->has_last_ttl)
            record->ttl = scan->last_ttl;
        else if (record->type == DNS_TYPE_SOA)
            record->ttl = keel_get_u32(record->rdata + record->rdata_size - 4) & DNS_TTL_MAX;
        else
            return fail(src, "no TTL: put a $TTL line before the first record");
    }
    scan->last_ttl = record->ttl;
    scan->has_last_ttl = true;
    return 0;
}

static int read_record(struct source *src)
{
    struct scan *scan = src->scan;
    struct dns_scanned record = {
        .owner = &src->owner, .file = src->file, .line = src->lexer.entry_line};
    struct keel_diag inner;
    struct dns_token token;
    bool has_ttl;

    if (!src->lexer.blank_start) {
        int err = want(src, &token, "the owner is missing");
        if (err)
            return err;
        if (token.quoted || dns_name_from_text(&src->owner, token.text, &src->origin) != 0) {
            src->owner.size = 0;
            return fail_token(src, token.text, "is not a domain name");
        }
    } else if (src->owner.size == 0) {
        return fail(src, "the first record has no owner");
    }
    int err = read_type(src, &record.type, &record.ttl, &has_ttl);
    if (err)
        return err;
    int size = dns_rdata_from_text(record.type, &src->lexer, &src->origin, scan->rdata, UINT16_MAX,
                                   &inner);
    if (size < 0) {
        char type[DNS_TYPE_TEXT];
        return keel_diag_set(scan->diag, size, "%s:%u: %s: %s", src->file, record.line,
                             dns_type_format(type, record.type), inner.text);
    }
    record.rdata = scan->rdata;
    record.rdata_size = (uint16_t)size;
    if ((err = choose_ttl(src, &record, has_ttl)) != 0)
        return err;
    inner.text[0] = '\0';
    err = scan->io->record(scan->io->arg, &record, &inner);
    return err ? fail_inner(src, err, &inner) : 0;
}

static struct keel_str text_of(const struct keel_buf *buf)
{
    size_t n = keel_buf_size(buf);
    return (struct keel_str){n ? (const char *)keel_buf_bytes(buf) : "", n};
}

/* The rest of the entry in one line: comments and parentheses are gone, escapes still there. */
static int collect_line(struct source *src, struct keel_buf *line)
{
    struct dns_token token;
    int got;
    while ((got = dns_lexer_next(&src->lexer, &token)) == 1) {
        keel_buf_append(line, token.text.p, token.text.n);
        keel_buf_append(line, " ", 1);
    }
    if (got < 0)
        return fail(src, src->lexer.what);
    return line->failed ? fail_line(src, line->failed) : 0;
}

static int generate_one(struct source *src, struct keel_str template, uint32_t number)
{
    struct source made = {.scan = src->scan, .file = src->file, .origin = src->origin};
    struct keel_buf line;

    keel_buf_init(&line, GENERATE_LINE_MAX);
    int err = dns_generate_expand(&line, template, number);
    if (err == KEEL_EINVAL) {
        err = fail(src, "$GENERATE: ${offset,width,base} is malformed");
    } else if (err) {
        err = fail_line(src, err);
    } else {
        dns_lexer_init(&made.lexer, text_of(&line), src->lexer.entry_line);
        int got = dns_lexer_entry(&made.lexer);
        if (got < 0)
            err = fail(src, made.lexer.what);
        else if (got == 0)
            err = fail(src, "$GENERATE: the record is missing");
        else
            err = read_record(&made);
    }
    keel_buf_fini(&line);
    return err;
}

static int read_generate(struct source *src)
{
    struct dns_range range;
    struct dns_token token;
    struct keel_buf line;

    int err = want(src, &token, "$GENERATE: a range is missing");
    if (err)
        return err;
    if (dns_range_parse(token.text, &range) != 0)
        return fail_token(src, token.text, "is not a range like 1-10 or 1-10/2");
    if ((range.stop - range.start) / range.step >= DNS_GENERATE_MAX)
        return fail_token(src, token.text, "makes too many records");
    keel_buf_init(&line, GENERATE_LINE_MAX);
    err = collect_line(src, &line);
    struct keel_str template = text_of(&line);
    if (err == 0 && template.n == 0)
        err = fail(src, "$GENERATE: the record is missing");
    for (uint64_t i = range.start; err == 0 && i <= range.stop; i += range.step)
        err = generate_one(src, template, (uint32_t)i);
    keel_buf_fini(&line);
    return err;
}

static int read_directive(struct source *src, struct keel_str word)
{
    static const struct {
        struct keel_str word;
        int (*read)(struct source *src);
    } rows[] = {{{"$ORIGIN", 7}, read_origin},
                {{"$TTL", 4}, read_default_ttl},
                {{"$INCLUDE", 8}, read_include},
                {{"$GENERATE", 9}, read_generate}};
    struct dns_token token;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (keel_str_equal_nocase(word, rows[i].word)) {
            dns_lexer_next(&src->lexer, &token);
            return rows[i].read(src);
        }
    return fail_token(src, word, "is not a directive");
}

static int scan_source(struct source *src)
{
    struct dns_token token;
    int got, err = 0;

    while (err == 0 && (got = dns_lexer_entry(&src->lexer)) != 0) {
        if (got < 0 || dns_lexer_peek(&src->lexer, &token) != 1)
            return fail(src, src->lexer.what);
        if (!src->lexer.blank_start && token.text.p[0] == '$')
            err = read_directive(src, token.text);
        else
            err = read_record(src);
    }
    return err;
}

/* diag: only what kept the file from being read; what is wrong in it goes to the scan's. */
static int scan_path(struct scan *scan, const char *path, const char *from,
                     const struct dns_name *origin, struct keel_diag *diag)
{
    char *text, *opened;
    size_t size;
    int err = scan->io->read(scan->io->arg, path, from, &text, &size, &opened, diag);
    if (err)
        return err;
    struct source *src = keel_calloc(1, sizeof *src);
    if (!src) {
        err = keel_diag_memory(diag);
    } else {
        src->scan = scan;
        src->file = opened;
        src->origin = *origin;
        dns_lexer_init(&src->lexer, (struct keel_str){text, size}, 1);
        scan->depth++;
        err = scan_source(src);
        scan->depth--;
    }
    keel_free(src);
    keel_free(text);
    keel_free(opened);
    return err;
}

static int scan_begin(struct scan *scan, const struct dns_scan_io *io, struct keel_diag *diag)
{
    *scan = (struct scan){.io = io, .diag = diag, .rdata = keel_malloc(UINT16_MAX)};
    return scan->rdata ? 0 : keel_diag_memory(diag);
}

int dns_scan_file(const char *path, const struct dns_name *origin, const struct dns_scan_io *io,
                  struct keel_diag *diag)
{
    struct scan scan;
    int err = scan_begin(&scan, io, diag);
    if (err)
        return err;
    err = scan_path(&scan, path, NULL, origin, diag);
    keel_free(scan.rdata);
    return err;
}

int dns_scan_text(struct keel_str text, const char *name, const struct dns_name *origin,
                  const struct dns_scan_io *io, struct keel_diag *diag)
{
    struct scan scan;
    struct source src = {.scan = &scan, .file = name, .origin = *origin};
    int err = scan_begin(&scan, io, diag);
    if (err)
        return err;
    dns_lexer_init(&src.lexer, text, 1);
    err = scan_source(&src);
    keel_free(scan.rdata);
    return err;
}
