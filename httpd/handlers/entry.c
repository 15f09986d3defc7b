#include "httpd/handlers/entry.h"

#include <errno.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "httpd/handlers/listing.h"

#define HTTP_TYPE_MAX 128
#define READ_TRIES 3
#define LISTING_MAX (64 << 20) /* bytes */
/* Kernels before 6.13 tell times of changes in ticks, which last up to 10 ms. */
#define MTIME_GRAIN (20 * KEEL_NS_PER_MS)

/* The text of a response to come: field lines, then the body. */
struct maker {
    struct keel_buf text;
    size_t head, date, head304, date304, body; /* offsets, sizes of heads without empty line */
    size_t head_size, head304_size, extra_size;
    char etag[80];
    struct keel_str type, fields, control;
    const char *coding; /* NULL: none */
    bool negotiated;
    bool in_memory; /* the body is part of the text */
    bool unsettled;
    int64_t modified;
    const char *varies; /* the field of requests that chose this, beside Accept-Encoding */
};

static void begin_head(struct maker *m, const char *status, size_t *date)
{
    keel_buf_printf(&m->text, "HTTP/1.1 %s\r\nServer: keel\r\nDate: ", status);
    *date = keel_buf_size(&m->text);
    keel_buf_printf(&m->text, "%*s\r\n", HTTP_DATE_SIZE, "");
}

static void add_validators(struct maker *m, int64_t modified)
{
    char date[HTTP_DATE_SIZE];
    http_date_format(date, modified);
    keel_buf_printf(&m->text, "Last-Modified: %.*s\r\nETag: %s\r\n", HTTP_DATE_SIZE, date, m->etag);
}

static void add_extra(struct maker *m, bool with_content)
{
    if (m->coding && with_content)
        keel_buf_printf(&m->text, "Content-Encoding: %s\r\n", m->coding);
    if (m->negotiated)
        keel_buf_puts(&m->text, "Vary: Accept-Encoding\r\n");
    if (m->varies)
        keel_buf_printf(&m->text, "Vary: %s\r\n", m->varies);
    keel_buf_append(&m->text, m->fields.p, m->fields.n);
    keel_buf_append(&m->text, m->control.p, m->control.n);
}

/* A strong one. What may change without another time or size gets one that never comes again. */
static void set_etag(struct maker *m, struct timespec modified, uint64_t size)
{
    uint64_t mtime = (uint64_t)modified.tv_sec * KEEL_NS_PER_S + (uint64_t)modified.tv_nsec;
    char once[20] = "";
    if (m->unsettled)
        snprintf(once, sizeof once, "-%llx", (unsigned long long)keel_rand_u64());
    snprintf(m->etag, sizeof m->etag, "\"%llx-%llx%s%s%s\"", (unsigned long long)mtime,
             (unsigned long long)size, once, m->coding ? "-" : "", m->coding ? m->coding : "");
}

/* A file from the future was changed now: RFC 9110, 8.8.2.1. */
static int64_t modified_of(struct timespec mtime)
{
    int64_t now = (int64_t)(keel_clock_realtime() / KEEL_NS_PER_S);
    return mtime.tv_sec < now ? mtime.tv_sec : now;
}

/* Both heads of a body of `size` bytes; without an etag: no validators, no ranges, no 304. The 304
 * comes first, so that the body can follow the head of the 200. */
static void make_heads(struct maker *m, uint64_t size, int64_t modified)
{
    bool validated = m->etag[0];
    if (validated) {
        begin_head(m, "304 Not Modified", &m->date304);
        add_validators(m, modified);
        add_extra(m, false);
        m->head304_size = keel_buf_size(&m->text);
        keel_buf_puts(&m->text, "\r\n");
    }
    m->head = keel_buf_size(&m->text);
    begin_head(m, "200 OK", &m->date);
    keel_buf_printf(&m->text, "Content-Type: %.*s\r\nContent-Length: %llu\r\n", (int)m->type.n,
                    m->type.p, (unsigned long long)size);
    if (validated) {
        add_validators(m, modified);
        keel_buf_puts(&m->text, "Accept-Ranges: bytes\r\n");
    }
    size_t before = keel_buf_size(&m->text);
    add_extra(m, true);
    m->extra_size = keel_buf_size(&m->text) - before;
    m->head_size = keel_buf_size(&m->text) - m->head;
    keel_buf_puts(&m->text, "\r\n");
    m->body = keel_buf_size(&m->text);
}

/* The bytes of the file, from its beginning; with blocks, only those that are in memory. Returns
 * how many, or -1. */
static ssize_t read_all(int fd, uint8_t *out, size_t size, bool *blocks)
{
    size_t n = 0;
    int flags = blocks ? RWF_NOWAIT : 0;
    while (n < size) {
        struct iovec iov = {out + n, size - n};
        ssize_t got = preadv2(fd, &iov, 1, (off_t)n, flags);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && flags && errno == EAGAIN) {
            *blocks = true;
            return -1;
        }
        if (got < 0 &&
            flags) { /* a local file system that cannot say: it lives in memory, mostly */
            flags = 0;
            continue;
        }
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_content(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && same_time(a->st_mtim, b->st_mtim) &&
           same_time(a->st_ctim, b->st_ctim);
}

/* Was it changed so short a time ago that the next change may get the same time? */
static bool is_unsettled(const struct stat *st)
{
    uint64_t changed = (uint64_t)st->st_mtim.tv_sec * KEEL_NS_PER_S + (uint64_t)st->st_mtim.tv_nsec;
    uint64_t now = keel_clock_realtime();
    return now >= changed && now - changed < MTIME_GRAIN;
}

/* Reads a small file, again when it was written meanwhile: half of one version and half of the next
 * are neither. st is of what was read. *bytes (new) NULL: it is written all the time, or grew, and
 * is sent from the descriptor like a large one. */
static int read_small(int fd, struct stat *st, uint8_t **bytes, bool *blocks)
{
    *bytes = NULL;
    for (unsigned tries = 0; tries < READ_TRIES; tries++) {
        if (st->st_size > HTTP_BODY_IN_MEMORY)
            return 0;
        size_t size = (size_t)st->st_size;
        struct stat before = *st;
        uint8_t *p = keel_malloc(size + 1);
        ssize_t n = p ? read_all(fd, p, size, blocks) : -1;
        if (n == (ssize_t)size && fstat(fd, st) == 0 && same_content(&before, st)) {
            *bytes = p;
            return 0;
        }
        keel_free(p);
        if (n < 0 || fstat(fd, st) != 0)
            return p ? KEEL_ESYS : KEEL_ENOMEM;
    }
    return 0;
}

static int make_file(struct maker *m, int fd, struct stat *st, uint64_t *size, bool *blocks)
{
    uint8_t *bytes;
    int err = read_small(fd, st, &bytes, blocks);
    if (err)
        return err;
    *size = (uint64_t)st->st_size;
    m->in_memory = bytes;
    m->unsettled = is_unsettled(st);
    set_etag(m, st->st_mtim, *size);
    m->modified = modified_of(st->st_mtim);
    make_heads(m, *size, m->modified);
    if (bytes)
        keel_buf_append(&m->text, bytes, (size_t)*size);
    keel_free(bytes);
    return m->text.failed;
}

static int make_listing(struct maker *m, int fd, const struct http_wanted *wanted, uint64_t *size)
{
    struct keel_buf page = {.limit = LISTING_MAX};
    int err = wanted->json ? http_listing_build_json(&page, fd, wanted->site->hidden)
                           : http_listing_build(&page, fd, wanted->path, wanted->site->hidden);
    if (err == 0) {
        *size = keel_buf_size(&page);
        m->type =
            wanted->json ? KEEL_STR("application/json") : KEEL_STR("text/html; charset=utf-8");
        m->varies = "Accept";
        make_heads(m, *size, 0);
        keel_buf_append(&m->text, keel_buf_bytes(&page), keel_buf_size(&page));
        err = m->text.failed;
    }
    keel_buf_fini(&page);
    return err;
}

/* One allocation: the struct, the path, the texts. */
static struct http_entry *make_entry(const struct maker *m, struct keel_str path)
{
    size_t text = keel_buf_size(&m->text), etag = strlen(m->etag), type = m->type.n;
    size_t memory = sizeof(struct http_entry) + path.n + text + etag + type;
    struct http_entry *entry = keel_malloc(memory);
    if (!entry)
        return NULL;
    *entry = (struct http_entry){.refs = 1, .fd = -1, .memory = memory, .date_second = INT64_MIN};
    keel_list_init(&entry->lru);
    http_subject_init(&entry->subject);
    char *p = (char *)(entry + 1);
    if (path.n > 0)
        entry->path = (struct keel_str){memcpy(p, path.p, path.n), path.n};
    p += path.n;
    if (text == 0)
        return entry;
    memcpy(p, keel_buf_bytes(&m->text), text);
    entry->head = (struct keel_str){p + m->head, m->head_size};
    entry->extra = (struct keel_str){p + m->head + m->head_size - m->extra_size, m->extra_size};
    entry->date = p + m->date;
    entry->type = (struct keel_str){memcpy(p + text + etag, m->type.p, type), type};
    if (etag > 0) {
        entry->head304 = (struct keel_str){p, m->head304_size};
        entry->date304 = p + m->date304;
        entry->etag = (struct keel_str){memcpy(p + text, m->etag, etag), etag};
    }
    return entry;
}

static void set_identity(struct http_entry *entry, const struct stat *st)
{
    entry->dev = st->st_dev;
    entry->ino = st->st_ino;
    entry->mtime = st->st_mtim;
    entry->ctime = st->st_ctim;
    entry->file_size = (uint64_t)st->st_size;
}

static void set_file(struct http_entry *entry, const struct stat *st, int *fd,
                     const struct maker *m)
{
    entry->kind = HTTP_RESOURCE_FILE;
    entry->status = 200;
    entry->unsettled = m->unsettled;
    entry->modified = m->modified;
    set_identity(entry, st);
    if (!m->in_memory) {
        entry->fd = *fd;
        entry->open_files = 1;
        *fd = -1;
    }
}

static void adopt(struct http_entry *entry, enum http_coding coding, struct http_entry *encoded)
{
    entry->encoded[coding] = encoded;
    entry->tried |= (uint8_t)(1u << coding);
    entry->memory += encoded->memory;
    entry->open_files += encoded->open_files;
}

/* A sibling that cannot be read is as good as none. */
static void add_sibling(struct http_entry *entry, enum http_coding coding,
                        struct http_sibling *sibling, const struct maker *of, bool *blocks)
{
    struct maker m = {.type = of->type,
                      .fields = of->fields,
                      .control = of->control,
                      .coding = http_coding_name(coding),
                      .negotiated = true};
    uint64_t size;
    int err = make_file(&m, sibling->fd, &sibling->st, &size, blocks);
    struct http_entry *encoded = err == 0 ? make_entry(&m, KEEL_STR("")) : NULL;
    keel_buf_fini(&m.text);
    if (!encoded)
        return;
    encoded->size = size;
    set_file(encoded, &sibling->st, &sibling->fd, &m);
    adopt(entry, coding, encoded);
}

int http_entry_add_encoded(struct http_entry *entry, enum http_coding coding, const void *bytes,
                           size_t n)
{
    static const char vary[] = "Vary: Accept-Encoding\r\n";
    struct maker m = {.type = entry->type,
                      .fields = entry->extra,
                      .coding = http_coding_name(coding),
                      .negotiated = true,
                      .unsettled = entry->unsettled};
    m.fields.p += sizeof vary - 1; /* which a negotiated entry's begin with */
    m.fields.n -= sizeof vary - 1;
    set_etag(&m, entry->mtime, entry->file_size);
    make_heads(&m, n, entry->modified);
    keel_buf_append(&m.text, bytes, n);
    struct http_entry *encoded = m.text.failed ? NULL : make_entry(&m, KEEL_STR(""));
    keel_buf_fini(&m.text);
    if (!encoded)
        return KEEL_ENOMEM;
    encoded->kind = HTTP_RESOURCE_FILE;
    encoded->status = 200;
    encoded->size = n;
    encoded->mtime = entry->mtime;
    encoded->modified = entry->modified;
    adopt(entry, coding, encoded);
    return 0;
}

/* The media type of a file, with the site's charset; out has room for HTTP_TYPE_MAX bytes. */
static struct keel_str type_of(const struct http_site *site, struct keel_str name, char *out)
{
    struct keel_str type = http_types_find(site->types, name), rest = type, bare;
    if (!site->charset || !keel_str_split(&rest, ';', &bare) || !rest.p)
        return type;
    int n = snprintf(out, HTTP_TYPE_MAX, "%.*s%s%s", (int)bare.n, bare.p,
                     *site->charset ? "; charset=" : "", site->charset);
    return (struct keel_str){out, n > 0 && n < HTTP_TYPE_MAX ? (size_t)n : 0};
}

static bool fits(const struct http_cache_rule *rule, struct keel_str name, struct keel_str type)
{
    const struct keel_str *text = &rule->text, *of = rule->suffix ? &name : &type;
    size_t at = rule->suffix ? of->n - text->n : 0;
    return of->n >= text->n && memcmp(of->p + at, text->p, text->n) == 0;
}

/* The line of Cache-Control; empty: none. */
static struct keel_str control_of(const struct http_location *location, struct keel_str name,
                                  struct keel_str type)
{
    for (unsigned i = 0; i < location->cache_rule_count; i++)
        if (fits(&location->cache_rules[i], name, type))
            return location->cache_rules[i].line;
    size_t always = location->always.n, all = location->fields.n;
    return all > always ? (struct keel_str){location->fields.p + always, all - always}
                        : (struct keel_str){NULL, 0};
}

struct http_entry *http_entry_new(struct http_resource *resource, const struct http_wanted *wanted,
                                  bool *blocks)
{
    char type[HTTP_TYPE_MAX];
    struct maker m = {.type = type_of(wanted->site, resource->name, type),
                      .fields = wanted->location->always};
    m.control = control_of(wanted->location, resource->name, m.type);
    struct http_entry *entry = NULL;
    uint64_t size = 0;
    int err = 0;
    bool file = resource->kind == HTTP_RESOURCE_FILE;
    m.negotiated = file && http_site_compresses(wanted->site, m.type);
    if (file)
        err = make_file(&m, resource->fd, &resource->st, &size, blocks);
    else if (resource->kind == HTTP_RESOURCE_LISTING && blocks)
        *blocks = true, err = KEEL_EAGAIN; /* reading a directory may wait at any step */
    else if (resource->kind == HTTP_RESOURCE_LISTING)
        err = make_listing(&m, resource->fd, wanted, &size);
    if (err == 0)
        entry = make_entry(&m, wanted->path);
    if (entry) {
        entry->site = wanted->site->id;
        entry->autoindex = wanted->location->autoindex;
        entry->json = wanted->json;
        entry->kind = (uint8_t)resource->kind;
        entry->status = resource->kind == HTTP_RESOURCE_NONE ? (uint16_t)resource->status : 200;
        entry->size = size;
        entry->negotiated = m.negotiated;
        if (file)
            set_file(entry, &resource->st, &resource->fd, &m);
        else if (resource->kind == HTTP_RESOURCE_LISTING)
            set_identity(entry, &resource->st);
        for (unsigned i = 0; i < HTTP_CODING_COUNT && file; i++)
            if (resource->siblings[i].fd >= 0)
                add_sibling(entry, i, &resource->siblings[i], &m, blocks);
    }
    keel_buf_fini(&m.text);
    http_resource_close(resource);
    if (entry && blocks && *blocks) { /* a sibling was not read */
        http_entry_release(entry);
        return NULL;
    }
    return entry;
}

void http_entry_hold(void *entry)
{
    ((struct http_entry *)entry)->refs++;
}

void http_entry_release(void *arg)
{
    struct http_entry *entry = arg;
    if (--entry->refs > 0)
        return;
    if (entry->fd >= 0)
        close(entry->fd);
    for (unsigned i = 0; i < HTTP_CODING_COUNT; i++)
        if (entry->encoded[i])
            http_entry_release(entry->encoded[i]);
    keel_free(entry);
}

static bool same_file(const struct http_entry *entry, const struct stat *st)
{
    return entry->dev == st->st_dev && entry->ino == st->st_ino &&
           entry->file_size == (uint64_t)st->st_size && same_time(entry->mtime, st->st_mtim) &&
           same_time(entry->ctime, st->st_ctim);
}

bool http_entry_is_current(const struct http_entry *entry, const struct http_resource *resource)
{
    if (entry->kind != resource->kind || entry->unsettled)
        return false;
    switch (resource->kind) {
    case HTTP_RESOURCE_NONE:
        return entry->status == resource->status;
    case HTTP_RESOURCE_FILE:
        for (unsigned i = 0; i < HTTP_CODING_COUNT; i++) {
            /* one that we made has no inode */
            const struct http_entry *encoded = entry->encoded[i];
            bool had = encoded && encoded->ino != 0, has = resource->siblings[i].fd >= 0;
            if (had != has ||
                (has && (encoded->unsettled || !same_file(encoded, &resource->siblings[i].st))))
                return false;
        }
        return same_file(entry, &resource->st);
    case HTTP_RESOURCE_DIRECTORY:
        return true;
    default:
        return false; /* a listing shows sizes and times of files, which no directory knows of */
    }
}

bool http_entry_was_current(const struct http_entry *entry, const struct http_resource *resource)
{
    if (entry->kind != HTTP_RESOURCE_LISTING || resource->kind != HTTP_RESOURCE_LISTING)
        return http_entry_is_current(entry, resource);
    return same_file(entry, &resource->st) && !is_unsettled(&resource->st);
}
