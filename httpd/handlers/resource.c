#include "httpd/handlers/resource.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "httpd/handlers/listing.h"
#include "httpd/wire/mime.h"
#include "httpd/wire/path.h"

/* path is relative to root and NUL-terminated. Never waits for a FIFO, never becomes a tty's
 * process. A descriptor, or -1 with errno. */
static int open_beneath(int root, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    for (unsigned tries = 0; tries < 8; tries++) {
        int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            return fd; /* EAGAIN: something was renamed while a ".." in a link was followed */
    }
    return -1;
}

static void set_none(struct http_resource *resource, unsigned status)
{
    if (resource->fd >= 0)
        close(resource->fd);
    resource->fd = -1;
    resource->kind = HTTP_RESOURCE_NONE;
    resource->status = status;
}

static unsigned status_of(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EIO:
    case ESTALE:
        return 503;
    default:
        return 404; /* ENOENT, ENOTDIR, ENAMETOOLONG, ELOOP, EXDEV: a way out of the root, ... */
    }
}

/* Opens relative path; false with the resource's status set. */
static bool open_and_stat(struct http_resource *resource, int root, const char *path)
{
    resource->fd = open_beneath(root, path);
    if (resource->fd < 0) {
        set_none(resource, status_of(errno));
        return false;
    }
    if (fstat(resource->fd, &resource->st) != 0) {
        set_none(resource, 503);
        return false;
    }
    return true;
}

/* A directory that was asked for with its '/': an index file in it, or the listing. path has room
 * for PATH_MAX bytes and holds n. */
static void open_index(struct http_resource *resource, const struct http_request *request,
                       char *path, size_t n)
{
    const struct http_site *site = request->site;
    for (unsigned i = 0; i < site->index_count; i++) {
        struct http_resource file = {.fd = -1};
        if (n + site->index[i].n >= PATH_MAX)
            continue;
        memcpy(path + n, site->index[i].p, site->index[i].n + 1);
        if (!open_and_stat(&file, site->root_fd, path)) {
            if (file.status == 404)
                continue;
        } else if (!S_ISREG(file.st.st_mode)) {
            close(file.fd);
            continue;
        }
        close(resource->fd);
        file.kind = file.fd >= 0 ? HTTP_RESOURCE_FILE : HTTP_RESOURCE_NONE;
        file.name = site->index[i];
        *resource = file;
        return;
    }
    if (request->location->autoindex)
        resource->kind = HTTP_RESOURCE_LISTING;
    else
        set_none(resource, 403);
}

void http_resource_open(struct http_resource *resource, const struct http_request *request)
{
    char path[PATH_MAX];
    const struct http_site *site = request->site;
    size_t n = request->path.n > 0 ? request->path.n - 1 : 0;
    *resource = (struct http_resource){.status = 404, .fd = -1, .name = request->path};
    if (site->root_fd < 0 || request->path.n == 0 || n >= sizeof path - 1 ||
        (!site->hidden && http_path_is_hidden(request->path)))
        return;
    memcpy(path, request->path.p + 1, n);
    if (n == 0)
        memcpy(path, "./", n = 2);
    path[n] = '\0';
    if (!open_and_stat(resource, site->root_fd, path))
        return;
    if (S_ISREG(resource->st.st_mode)) {
        resource->kind = HTTP_RESOURCE_FILE;
    } else if (!S_ISDIR(resource->st.st_mode)) {
        set_none(resource, 403);
    } else if (path[n - 1] == '/') {
        open_index(resource, request, path, n);
    } else {
        close(resource->fd);
        resource->fd = -1;
        resource->kind = HTTP_RESOURCE_DIRECTORY;
    }
}

/* The text of a response to come: field lines, then the body. */
struct maker {
    struct keel_buf text;
    size_t head, date, head304, date304, body; /* offsets, sizes of heads without empty line */
    size_t head_size, head304_size;
    char etag[48];
};

static void begin_head(struct maker *m, const char *status, size_t *date)
{
    keel_buf_printf(&m->text, "HTTP/1.1 %s\r\nServer: keel\r\nDate: ", status);
    *date = keel_buf_size(&m->text);
    keel_buf_printf(&m->text, "%*s\r\n", HTTP_DATE_SIZE, "");
}

static void add_validators(struct maker *m, const struct stat *st)
{
    char modified[HTTP_DATE_SIZE];
    http_date_format(modified, st->st_mtim.tv_sec);
    keel_buf_printf(&m->text, "Last-Modified: %.*s\r\nETag: %s\r\n", HTTP_DATE_SIZE, modified,
                    m->etag);
}

/* Both heads of a body of `size` bytes; st NULL: no validators, no ranges, no 304. The 304 comes
 * first, so that the body can follow the head of the 200. */
static void make_heads(struct maker *m, const char *type, uint64_t size, const struct stat *st)
{
    if (st) {
        uint64_t mtime = (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
        snprintf(m->etag, sizeof m->etag, "\"%llx-%llx\"", (unsigned long long)mtime,
                 (unsigned long long)st->st_size);
        begin_head(m, "304 Not Modified", &m->date304);
        add_validators(m, st);
        m->head304_size = keel_buf_size(&m->text);
        keel_buf_puts(&m->text, "\r\n");
    }
    m->head = keel_buf_size(&m->text);
    begin_head(m, "200 OK", &m->date);
    keel_buf_printf(&m->text, "Content-Type: %s\r\nContent-Length: %llu\r\n", type,
                    (unsigned long long)size);
    if (st) {
        add_validators(m, st);
        keel_buf_puts(&m->text, "Accept-Ranges: bytes\r\n");
    }
    m->head_size = keel_buf_size(&m->text) - m->head;
    keel_buf_puts(&m->text, "\r\n");
    m->body = keel_buf_size(&m->text);
}

/* Reads a small file into memory before its heads are made, because it may just have changed its
 * size. Returns the size, or -1. */
static ssize_t read_all(int fd, uint8_t *out, size_t size)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = pread(fd, out + n, size - n, (off_t)n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

static int make_file(struct maker *m, struct http_resource *resource, uint64_t *size)
{
    const char *type = http_mime_type(resource->name).p;
    *size = (uint64_t)resource->st.st_size;
    if (*size > HTTP_BODY_IN_MEMORY) {
        make_heads(m, type, *size, &resource->st);
        return m->text.failed;
    }
    uint8_t *bytes = keel_malloc((size_t)*size + 1);
    ssize_t n = bytes ? read_all(resource->fd, bytes, (size_t)*size) : -1;
    if (n >= 0) {
        *size = (uint64_t)n;
        make_heads(m, type, *size, &resource->st);
        keel_buf_append(&m->text, bytes, (size_t)n);
    }
    keel_free(bytes);
    return n >= 0 ? m->text.failed : KEEL_ESYS;
}

static int make_listing(struct maker *m, struct http_resource *resource,
                        const struct http_request *request, uint64_t *size)
{
    struct keel_buf page = {.limit = 4 << 20};
    int err = http_listing_build(&page, resource->fd, request->path, request->site->hidden);
    if (err == 0) {
        *size = keel_buf_size(&page);
        make_heads(m, "text/html; charset=utf-8", *size, NULL);
        keel_buf_append(&m->text, keel_buf_bytes(&page), keel_buf_size(&page));
        err = m->text.failed;
    }
    keel_buf_fini(&page);
    return err;
}

/* One allocation: the struct, the path, the texts. */
static struct http_entry *make_entry(const struct maker *m, struct keel_str path)
{
    size_t text = keel_buf_size(&m->text), etag = strlen(m->etag);
    size_t memory = sizeof(struct http_entry) + path.n + text + etag;
    struct http_entry *entry = keel_malloc(memory);
    if (!entry)
        return NULL;
    *entry = (struct http_entry){.refs = 1, .fd = -1, .memory = memory, .date_second = INT64_MIN};
    keel_list_init(&entry->lru);
    char *p = (char *)(entry + 1);
    entry->path = (struct keel_str){memcpy(p, path.p, path.n), path.n};
    p += path.n;
    if (text == 0)
        return entry;
    memcpy(p, keel_buf_bytes(&m->text), text);
    entry->head = (struct keel_str){p + m->head, m->head_size};
    entry->date = p + m->date;
    if (etag > 0) {
        entry->head304 = (struct keel_str){p, m->head304_size};
        entry->date304 = p + m->date304;
        entry->etag = (struct keel_str){memcpy(p + text, m->etag, etag), etag};
    }
    return entry;
}

struct http_entry *http_entry_new(struct http_resource *resource,
                                  const struct http_request *request)
{
    struct maker m = {.head = 0};
    struct http_entry *entry = NULL;
    uint64_t size = 0;
    int err = 0;
    if (resource->kind == HTTP_RESOURCE_FILE)
        err = make_file(&m, resource, &size);
    else if (resource->kind == HTTP_RESOURCE_LISTING)
        err = make_listing(&m, resource, request, &size);
    if (err == 0)
        entry = make_entry(&m, request->path);
    keel_buf_fini(&m.text);
    if (entry) {
        entry->site = request->site->id;
        entry->autoindex = request->location->autoindex;
        entry->kind = (uint8_t)resource->kind;
        entry->status = resource->kind == HTTP_RESOURCE_NONE ? (uint16_t)resource->status : 200;
        entry->dev = resource->st.st_dev;
        entry->ino = resource->st.st_ino;
        entry->mtime = resource->st.st_mtim;
        entry->ctime = resource->st.st_ctim;
        entry->size = size;
        entry->type = http_mime_type(resource->name);
        if (size > HTTP_BODY_IN_MEMORY && resource->kind == HTTP_RESOURCE_FILE) {
            entry->fd = resource->fd;
            resource->fd = -1;
        }
    }
    if (resource->fd >= 0)
        close(resource->fd);
    resource->fd = -1;
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
    keel_free(entry);
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool http_entry_is_current(const struct http_entry *entry, const struct http_resource *resource)
{
    if (entry->kind != resource->kind)
        return false;
    switch (resource->kind) {
    case HTTP_RESOURCE_NONE:
        return entry->status == resource->status;
    case HTTP_RESOURCE_FILE:
        return entry->dev == resource->st.st_dev && entry->ino == resource->st.st_ino &&
               entry->size == (uint64_t)resource->st.st_size &&
               same_time(entry->mtime, resource->st.st_mtim) &&
               same_time(entry->ctime, resource->st.st_ctim);
    case HTTP_RESOURCE_DIRECTORY:
        return true;
    default:
        return false; /* a listing shows sizes and times of files, which no directory knows of */
    }
}
