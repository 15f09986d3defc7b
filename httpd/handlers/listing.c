#include "httpd/handlers/listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/base/mem.h"
#include "httpd/wire/date.h"
#include "httpd/wire/path.h"

struct listing {
    struct keel_arena arena; /* the names */
    char **names;            /* a directory's name ends with '/' */
    unsigned count, capacity;
};

void http_html_append(struct keel_buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            keel_buf_puts(out, "&amp;");
            break;
        case '<':
            keel_buf_puts(out, "&lt;");
            break;
        case '>':
            keel_buf_puts(out, "&gt;");
            break;
        case '"':
            keel_buf_puts(out, "&quot;");
            break;
        default:
            keel_buf_append(out, text, 1);
        }
    }
}

static int add_name(struct listing *l, int directory, const char *name)
{
    struct stat st;
    /* what cannot be looked at cannot be served: a dangling link, say */
    if (fstatat(directory, name, &st, 0) != 0 || (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)))
        return 0;
    if (l->count == HTTP_LISTING_MAX)
        return KEEL_ELIMIT;
    if (l->count == l->capacity) {
        unsigned capacity = l->capacity ? l->capacity * 2 : 64;
        char **names = keel_realloc(l->names, capacity * sizeof *names);
        if (!names)
            return KEEL_ENOMEM;
        l->names = names;
        l->capacity = capacity;
    }
    char *copy = keel_arena_printf(&l->arena, "%s%s", name, S_ISDIR(st.st_mode) ? "/" : "");
    if (!copy)
        return KEEL_ENOMEM;
    l->names[l->count++] = copy;
    return 0;
}

static int read_names(struct listing *l, int directory, bool hidden)
{
    /* a description of its own: the cached one keeps its position */
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return KEEL_ESYS;
    }
    int err = 0;
    for (struct dirent *e = readdir(dir); e && err == 0; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (hidden || e->d_name[0] != '.')
            err = add_name(l, directory, e->d_name);
    }
    closedir(dir);
    return err;
}

/* Directories first, then by name. */
static int compare(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    bool x_is_dir = x[strlen(x) - 1] == '/', y_is_dir = y[strlen(y) - 1] == '/';
    return x_is_dir != y_is_dir ? (int)y_is_dir - (int)x_is_dir : strcmp(x, y);
}

static void append_row(struct keel_buf *out, int directory, const char *name)
{
    struct stat st;
    char date[HTTP_DATE_SIZE + 1] = "", size[32] = "";
    if (fstatat(directory, name, &st, 0) == 0) {
        http_date_format(date, st.st_mtim.tv_sec);
        if (S_ISREG(st.st_mode))
            keel_format_size(size, sizeof size, (uint64_t)st.st_size);
    }
    keel_buf_puts(out, "<tr><td><a href=\"./");
    http_path_encode(out, keel_str(name));
    keel_buf_puts(out, "\">");
    http_html_append(out, name);
    keel_buf_printf(out, "</a></td><td>%s</td><td>%s</td></tr>\n", size, date);
}

static void append_json_row(struct keel_buf *out, int directory, const char *name, bool first)
{
    struct stat st;
    size_t n = strlen(name);
    bool is_dir = name[n - 1] == '/';
    if (fstatat(directory, name, &st, 0) != 0)
        return; /* gone meanwhile */
    n -= is_dir;
    size_t room = 6 * n + 3;
    keel_buf_puts(out, first ? "\n{\"name\":" : ",\n{\"name\":");
    char *text = (char *)keel_buf_reserve(out, room);
    if (text)
        keel_buf_commit(out, keel_format_json_string(text, room, name, n));
    keel_buf_printf(out, ",\"type\":\"%s\"", is_dir ? "directory" : "file");
    if (!is_dir)
        keel_buf_printf(out, ",\"size\":%lld", (long long)st.st_size);
    keel_buf_printf(out, ",\"modified\":%lld}", (long long)st.st_mtim.tv_sec);
}

int http_listing_build_json(struct keel_buf *out, int directory, bool hidden)
{
    struct listing l = {.count = 0};
    keel_arena_init(&l.arena, 0);
    int err = read_names(&l, directory, hidden);
    if (err == 0 && l.count > 0)
        qsort(l.names, l.count, sizeof *l.names, compare);
    size_t start = keel_buf_size(out);
    keel_buf_puts(out, "[");
    for (unsigned i = 0; i < l.count && err == 0; i++)
        append_json_row(out, directory, l.names[i], keel_buf_size(out) == start + 1);
    keel_buf_puts(out, "\n]\n");
    keel_free(l.names);
    keel_arena_fini(&l.arena);
    return err ? err : out->failed;
}

int http_listing_build(struct keel_buf *out, int directory, struct keel_str path, bool hidden)
{
    struct listing l = {.count = 0};
    keel_arena_init(&l.arena, 0);
    int err = read_names(&l, directory, hidden);
    if (err == 0 && l.count > 0)
        qsort(l.names, l.count, sizeof *l.names, compare);
    char *title = err == 0 ? keel_arena_strndup(&l.arena, path.p, path.n) : NULL;
    if (title) {
        keel_buf_puts(out, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">"
                           "<meta name=\"viewport\" content=\"width=device-width\"><title>");
        http_html_append(out, title);
        keel_buf_puts(out, "</title><style>body{font-family:sans-serif;margin:2em}"
                           "td{padding:0 1.5em 0 0}</style></head>\n<body><h1>");
        http_html_append(out, title);
        keel_buf_puts(out, "</h1>\n<table>\n");
        if (path.n > 1)
            keel_buf_puts(out, "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
        for (unsigned i = 0; i < l.count; i++)
            append_row(out, directory, l.names[i]);
        keel_buf_puts(out, "</table></body></html>\n");
        err = out->failed;
    } else if (err == 0) {
        err = KEEL_ENOMEM;
    }
    keel_free(l.names);
    keel_arena_fini(&l.arena);
    return err;
}
