#include "httpd/serve/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/rand.h"
#include "common/service/log.h"
#include "common/service/paths.h"

struct page_file {
    const char *path;
    struct keel_str body; /* heap */
    uint64_t seen;        /* keel_path_signature when it was read */
    struct keel_watched_files watched;
};

static int is_path(const void *value, const void *key, size_t key_size)
{
    const struct page_file *file = value;
    return keel_str_equal(keel_str(file->path), (struct keel_str){key, key_size});
}

/* Reads at most `size` bytes. Their number, or -1 with errno. */
static ssize_t read_some(const char *path, char *out, size_t size)
{
    size_t n = 0;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (fd >= 0 && n < size && (got = read(fd, out + n, size - n)) > 0)
        n += (size_t)got;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    errno = reason;
    return got < 0 ? -1 : (ssize_t)n;
}

/* Its content stands for what was there before; else that stays. */
static int read_file(struct page_file *file, struct keel_diag *diag)
{
    char *buffer = keel_malloc(HTTP_PAGE_MAX + 1);
    if (!buffer)
        return keel_diag_memory(diag);
    file->seen = keel_path_signature(file->path);
    ssize_t n = read_some(file->path, buffer, HTTP_PAGE_MAX + 1);
    if (n < 0 || n > HTTP_PAGE_MAX) {
        keel_free(buffer);
        return keel_diag_set(diag, KEEL_ESYS, "cannot read \"%s\": %s", file->path,
                             n < 0 ? strerror(errno) : "it is larger than 64 KiB");
    }
    char *body = keel_realloc(buffer, (size_t)n + 1);
    keel_free((char *)(uintptr_t)file->body.p);
    file->body = (struct keel_str){body ? body : buffer, (size_t)n};
    return 0;
}

int http_pages_get(struct http_pages *pages, struct keel_arena *arena, const char *path,
                   const struct keel_str **body, struct keel_diag *diag)
{
    size_t n = strlen(path);
    if (pages->files.count == 0)
        keel_rand_bytes(&pages->key, sizeof pages->key);
    uint64_t hash = keel_hash(&pages->key, path, n);
    struct page_file *file = keel_table_find(&pages->files, hash, path, n, is_path);
    if (!file) {
        file = keel_arena_calloc(arena, sizeof *file);
        if (!file || !(file->path = keel_arena_strndup(arena, path, n)) ||
            keel_table_add(&pages->files, hash, file) != 0)
            return keel_diag_memory(diag);
    }
    *body = &file->body;
    return file->body.p ? 0 : read_file(file, diag);
}

static void on_touched(void *arg, struct keel_watched_files *w)
{
    struct page_file *file = KEEL_CONTAINER(w, struct page_file, watched);
    struct keel_diag diag = {""};
    if (keel_path_signature(file->path) == file->seen)
        return;
    if (read_file(file, &diag) != 0)
        keel_error("http", "an error page changed and is no good, the old one stays", "reason=%s",
                   diag.text);
    else
        keel_info("http", "an error page was read again", "file=%s", file->path);
}

void http_pages_watch(struct http_pages *pages, struct keel_loop *loop)
{
    size_t cursor = 0;
    struct page_file *file;
    if (pages->files.count == 0)
        return;
    pages->watch = keel_file_watch_new(loop, "error pages", on_touched, pages);
    while ((file = keel_table_next(&pages->files, &cursor)) && pages->watch) {
        if (keel_file_watch_add(pages->watch, &file->watched, file->path) != 0) {
            keel_warning("http", "error pages cannot be watched: a reload reads them", "file=%s",
                         file->path);
            return;
        }
        /* what happened before somebody watched */
        keel_file_watch_again(pages->watch, &file->watched);
    }
}

void http_pages_unwatch(struct http_pages *pages)
{
    keel_file_watch_free(pages->watch);
    pages->watch = NULL;
}

void http_pages_fini(struct http_pages *pages)
{
    size_t cursor = 0;
    struct page_file *file;
    http_pages_unwatch(pages);
    while ((file = keel_table_next(&pages->files, &cursor)))
        keel_free((char *)(uintptr_t)file->body.p);
    keel_table_fini(&pages->files);
}
