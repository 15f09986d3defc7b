#include "httpd/wire/mime.h"

#include <stdlib.h>

#include "httpd/wire/chars.h"

/* Sorted by extension. */
static const struct http_type own[] = {
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"apng", "image/apng"},
    {"atom", "application/atom+xml"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"c", "text/plain; charset=utf-8"},
    {"cjs", "text/javascript; charset=utf-8"},
    {"conf", "text/plain; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"deb", "application/vnd.debian.binary-package"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"h", "text/plain; charset=utf-8"},
    {"heic", "image/heic"},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/vnd.microsoft.icon"},
    {"ics", "text/calendar; charset=utf-8"},
    {"iso", "application/vnd.efi.iso"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"jsonld", "application/ld+json"},
    {"jxl", "image/jxl"},
    {"log", "text/plain; charset=utf-8"},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"m4a", "audio/mp4"},
    {"map", "application/json"},
    {"md", "text/markdown; charset=utf-8"},
    {"mid", "audio/midi"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpd", "application/dash+xml"},
    {"mpeg", "video/mpeg"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"patch", "text/x-diff; charset=utf-8"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"ps", "application/postscript"},
    {"py", "text/plain; charset=utf-8"},
    {"rss", "application/rss+xml"},
    {"rtf", "application/rtf"},
    {"sh", "text/plain; charset=utf-8"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"ts", "video/mp2t"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain; charset=utf-8"},
    {"vtt", "text/vtt; charset=utf-8"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"weba", "audio/webm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xml", "application/xml"},
    {"xz", "application/x-xz"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};

/* The extension in lower case, NUL-terminated; empty when there is none or it is too long. */
static void extension_of(struct keel_str path, char out[HTTP_EXTENSION_MAX + 1])
{
    size_t dot = path.n;
    out[0] = '\0';
    while (dot > 0 && path.p[dot - 1] != '.' && path.p[dot - 1] != '/')
        dot--;
    if (dot == 0 || path.p[dot - 1] != '.' || path.n - dot > HTTP_EXTENSION_MAX)
        return;
    for (size_t i = dot; i < path.n; i++)
        out[i - dot] = (char)keel_to_lower((uint8_t)path.p[i]);
    out[path.n - dot] = '\0';
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct http_type *)a)->extension,
                  ((const struct http_type *)b)->extension);
}

static const char *find(const struct http_type *items, unsigned count, const struct http_type *key)
{
    const struct http_type *item =
        count > 0 ? bsearch(key, items, count, sizeof *items, compare) : NULL;
    return item ? item->type : NULL;
}

struct keel_str http_types_find(const struct http_types *types, struct keel_str path)
{
    struct http_type key;
    const char *type = NULL;
    extension_of(path, key.extension);
    for (; types && !type; types = types->base)
        type = find(types->items, types->count, &key);
    if (!type)
        type = find(own, sizeof own / sizeof *own, &key);
    return type ? keel_str(type) : KEEL_STR("application/octet-stream");
}

struct keel_str http_mime_type(struct keel_str path)
{
    return http_types_find(NULL, path);
}

/* "text/html", and what stands behind a ";". */
static bool is_type(struct keel_str type)
{
    struct keel_str rest = type, kind, subtype;
    if (type.n >= 100 || !http_is_all(type, HTTP_CHAR_VALUE) ||
        !keel_str_split(&rest, '/', &kind) || !rest.p)
        return false;
    keel_str_split(&rest, ';', &subtype);
    subtype = keel_str_trim(subtype);
    return kind.n > 0 && http_is_all(kind, HTTP_CHAR_TOKEN) && subtype.n > 0 &&
           http_is_all(subtype, HTTP_CHAR_TOKEN);
}

int http_type_set(struct http_type *item, struct keel_arena *arena, struct keel_str extension,
                  struct keel_str type)
{
    if (extension.n == 0 || extension.n > HTTP_EXTENSION_MAX ||
        memchr(extension.p, '.', extension.n) || memchr(extension.p, '/', extension.n) ||
        memchr(extension.p, '\0', extension.n) || !is_type(type))
        return KEEL_EINVAL;
    bool text = type.n > 5 &&
                keel_str_equal_nocase((struct keel_str){type.p, 5}, KEEL_STR("text/")) &&
                !memchr(type.p, ';', type.n);
    for (size_t i = 0; i < extension.n; i++)
        item->extension[i] = (char)keel_to_lower((uint8_t)extension.p[i]);
    item->extension[extension.n] = '\0';
    item->type =
        keel_arena_printf(arena, "%.*s%s", (int)type.n, type.p, text ? "; charset=utf-8" : "");
    return item->type ? 0 : KEEL_ENOMEM;
}

/* The next word of a line. */
static bool next_word(struct keel_str *rest, struct keel_str *word)
{
    const char *p = rest->p, *end = rest->p + rest->n;
    while (p < end && (uint8_t)*p <= ' ')
        p++;
    const char *start = p;
    while (p < end && (uint8_t)*p > ' ')
        p++;
    *word = (struct keel_str){start, (size_t)(p - start)};
    *rest = (struct keel_str){p, (size_t)(end - p)};
    return word->n > 0 && *word->p != '#';
}

int http_types_parse(struct http_types *types, struct keel_arena *arena, struct keel_str text)
{
    struct keel_str rest = text, line, type, extension;
    unsigned room = 0;
    int err = 0;
    for (size_t i = 0; i < text.n; i++) /* as many extensions as there are beginnings of words */
        room += (uint8_t)text.p[i] > ' ' && (i == 0 || (uint8_t)text.p[i - 1] <= ' ');
    types->items = keel_arena_alloc(arena, (room + 1) * sizeof *types->items);
    types->count = 0;
    if (!types->items)
        return KEEL_ENOMEM;
    while (err != KEEL_ENOMEM && rest.p && keel_str_split(&rest, '\n', &line)) {
        if (!next_word(&line, &type))
            continue;
        while (err != KEEL_ENOMEM && next_word(&line, &extension)) {
            err = http_type_set(&types->items[types->count], arena, extension, type);
            types->count += err == 0;
        }
    }
    http_types_sort(types);
    return err == KEEL_ENOMEM ? err : 0;
}

void http_types_sort(struct http_types *types)
{
    /* by insertion: stable, and quick enough for what is read once, when most is in order */
    struct http_type *items = types->items;
    unsigned count = 0;
    for (unsigned i = 0; i < types->count; i++) {
        unsigned low = 0, high = count;
        int order = 1;
        while (low < high && order != 0) {
            unsigned middle = (low + high) / 2;
            order = compare(&items[i], &items[middle]);
            if (order < 0)
                high = middle;
            else
                low = middle + 1;
        }
        if (order == 0)
            continue;
        struct http_type item = items[i];
        memmove(&items[low + 1], &items[low], (count - low) * sizeof *items);
        items[low] = item;
        count++;
    }
    types->count = count;
}
