#include "common/service/manifest.h"

#include "common/base/mem.h"
#include "common/runtime/file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void keel_manifest_init(struct keel_manifest *m)
{
    *m = (struct keel_manifest){
        .channel = -1, .segment = -1, .control = -1, .log = -1, .log_level = -1};
}

void keel_manifest_fini(struct keel_manifest *m)
{
    keel_free(m->conf_file);
    keel_free(m->conf_text);
    keel_free(m->overrides);
    keel_free(m->endpoints.items);
    keel_free(m->fds);
    for (unsigned i = 0; i < m->file_count; i++)
        keel_free(m->files[i].path);
    keel_free(m->files);
    keel_free(m->counters);
    keel_manifest_init(m);
}

int keel_manifest_add_fd(struct keel_manifest *m, unsigned endpoint, unsigned slot, int fd,
                         bool inherited)
{
    struct keel_manifest_fd *grown =
        keel_realloc(m->fds, (m->fd_count + 1) * sizeof(struct keel_manifest_fd));
    if (!grown)
        return KEEL_ENOMEM;
    m->fds = grown;
    m->fds[m->fd_count++] = (struct keel_manifest_fd){endpoint, slot, fd, inherited};
    return 0;
}

void keel_manifest_pass(const struct keel_manifest *m)
{
    const int single[] = {m->channel, m->segment, m->log, m->control};
    for (unsigned i = 0; i < sizeof single / sizeof single[0]; i++) {
        if (single[i] >= 0)
            fcntl(single[i], F_SETFD, 0);
    }
    for (unsigned i = 0; i < m->fd_count; i++)
        fcntl(m->fds[i].fd, F_SETFD, 0);
    for (unsigned i = 0; i < m->file_count; i++) {
        if (m->files[i].copy >= 0)
            fcntl(m->files[i].copy, F_SETFD, 0);
    }
}

static json_t *endpoint_to_json(const struct keel_endpoint *e)
{
    char addr[KEEL_ADDR_TEXT] = "";
    if (e->kind == KEEL_ENDPOINT_TCP || e->kind == KEEL_ENDPOINT_UDP)
        keel_addr_format(addr, sizeof addr, &e->addr);
    return json_pack("{s:i s:s s:s s:s s:b s:b s:b s:i}", "kind", (int)e->kind, "addr", addr,
                     "interface", e->interface, "path", e->path, "tls", e->tls, "broadcast",
                     e->broadcast, "packet-info", e->packet_info, "tag", e->tag);
}

static json_t *manifest_head(const struct keel_manifest *m)
{
    json_t *endpoints = json_array(), *fds = json_array();
    for (unsigned i = 0; i < m->endpoints.count; i++)
        json_array_append_new(endpoints, endpoint_to_json(&m->endpoints.items[i]));
    for (unsigned i = 0; i < m->fd_count; i++)
        json_array_append_new(fds,
                              json_pack("[i,i,i,b]", (int)m->fds[i].endpoint, (int)m->fds[i].slot,
                                        m->fds[i].fd, m->fds[i].inherited));
    json_t *tickets = json_array(), *files = json_array();
    for (unsigned i = 0; i < m->file_count; i++)
        json_array_append_new(files, json_pack("[s,i]", m->files[i].path, m->files[i].copy));
    for (unsigned i = 0; i < m->tickets.count; i++) {
        char secret[2 * KEEL_TLS_TICKET_SECRET + 1];
        keel_format_hex(secret, sizeof secret, m->tickets.secrets[i], sizeof m->tickets.secrets[i],
                        0);
        json_array_append_new(tickets,
                              json_pack("[s,I]", secret, (json_int_t)m->tickets.made_ns[i]));
    }
    return json_pack(
        "{s:i s:i s:i s:i s:i s:b s:b s:i s:i s:i s:i s:i s:o s:o s:s? s:s? s:I s:I s:I s:o"
        " s:o}",
        "role", (int)m->role, "generation", (int)m->generation, "worker", (int)m->worker, "workers",
        (int)m->workers, "slot", (int)m->slot, "active", m->active, "replaces", m->replaces,
        "channel", m->channel, "segment", m->segment, "control", m->control, "log", m->log,
        "log-level", m->log_level, "tickets", tickets, "files", files, "conf-file", m->conf_file,
        "counters", m->counters, "started", (json_int_t)m->started_ns, "conf-size",
        (json_int_t)(m->conf_text ? (ssize_t)strlen(m->conf_text) : -1), "overrides-size",
        (json_int_t)(m->overrides ? (ssize_t)strlen(m->overrides) : -1), "endpoints", endpoints,
        "fds", fds);
}

int keel_manifest_write(const struct keel_manifest *m)
{
    json_t *head = manifest_head(m);
    char *line = head ? json_dumps(head, JSON_COMPACT) : NULL;
    json_decref(head);
    if (!line)
        return KEEL_ENOMEM;
    int fd = memfd_create("keel-manifest", 0);
    int err = fd < 0 ? KEEL_ESYS : keel_file_write(fd, line, strlen(line));
    if (!err)
        err = keel_file_write(fd, "\n", 1);
    if (!err && m->conf_text)
        err = keel_file_write(fd, m->conf_text, strlen(m->conf_text));
    if (!err && m->overrides)
        err = keel_file_write(fd, m->overrides, strlen(m->overrides));
    free(line);
    if (err && fd >= 0)
        close(fd);
    return err ? err : fd;
}

/* An integer of the head, inside its range; else *bad. */
static int head_int(const json_t *head, const char *key, int min, int max, bool *bad)
{
    const json_t *v = json_object_get(head, key);
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < min || n > max) {
        *bad = true;
        return min;
    }
    return (int)n;
}

static bool head_bool(const json_t *head, const char *key, bool *bad)
{
    const json_t *v = json_object_get(head, key);
    if (!json_is_boolean(v))
        *bad = true;
    return json_is_true(v);
}

/* Copies a text into a fixed field; too long is bad. */
static void head_text(const json_t *head, const char *key, char *out, size_t size, bool *bad)
{
    const char *text = json_string_value(json_object_get(head, key));
    if (!text || strlen(text) >= size) {
        *bad = true;
        return;
    }
    memcpy(out, text, strlen(text) + 1);
}

static char *head_copy(const json_t *head, const char *key, bool *bad)
{
    const json_t *v = json_object_get(head, key);
    if (json_is_null(v))
        return NULL;
    char *copy = json_is_string(v) ? keel_strdup(json_string_value(v)) : NULL;
    if (!copy)
        *bad = true;
    return copy;
}

static void parse_endpoint(const json_t *item, struct keel_manifest *m, bool *bad)
{
    struct keel_endpoint e = {0};
    char addr[KEEL_ADDR_TEXT];
    e.kind =
        (enum keel_endpoint_kind)head_int(item, "kind", KEEL_ENDPOINT_TCP, KEEL_ENDPOINT_ECHO, bad);
    head_text(item, "addr", addr, sizeof addr, bad);
    head_text(item, "interface", e.interface, sizeof e.interface, bad);
    head_text(item, "path", e.path, sizeof e.path, bad);
    e.tls = head_bool(item, "tls", bad);
    e.broadcast = head_bool(item, "broadcast", bad);
    e.packet_info = head_bool(item, "packet-info", bad);
    e.tag = head_int(item, "tag", INT_MIN, INT_MAX, bad);
    if (*bad)
        return;
    if (addr[0] && keel_addr_parse(&e.addr, keel_str(addr), 0, NULL) != 0)
        *bad = true;
    else if (keel_endpoints_add(&m->endpoints, &e) != 0)
        *bad = true;
}

/* A version that gives them in another way gives none: everybody makes new ones. */
static void parse_tickets(const json_t *list, struct keel_ticket_ring *ring)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *text;
        json_int_t made;
        if (ring->count == KEEL_TLS_TICKET_KEYS || json_unpack(item, "[s,I!]", &text, &made) != 0 ||
            keel_parse_hex(keel_str(text), ring->secrets[i], sizeof ring->secrets[i]) !=
                (int)sizeof ring->secrets[i]) {
            *ring = (struct keel_ticket_ring){.count = 0};
            return;
        }
        ring->made_ns[i] = (uint64_t)made;
        ring->count++;
    }
}

static void parse_files(const json_t *list, struct keel_manifest *m, bool *bad)
{
    size_t i;
    json_t *item;
    m->files = keel_calloc(json_array_size(list) + 1, sizeof *m->files);
    *bad = *bad || !m->files;
    json_array_foreach(list, i, item)
    {
        struct keel_input_file *file = &m->files[m->file_count];
        const char *path;
        if (*bad || json_unpack(item, "[s,i!]", &path, &file->copy) != 0 ||
            !(file->path = keel_strdup(path))) {
            *bad = true;
            return;
        }
        if (file->copy >= 0)
            snprintf(file->where, sizeof file->where, "/proc/self/fd/%d", file->copy);
        m->file_count++;
    }
}

static void parse_head(const json_t *head, struct keel_manifest *m, bool *bad)
{
    m->role = (enum keel_role)head_int(head, "role", KEEL_ROLE_WORKER, KEEL_ROLE_HELPER, bad);
    m->generation = (unsigned)head_int(head, "generation", 0, INT_MAX, bad);
    m->workers = (unsigned)head_int(head, "workers", 0, 100000, bad);
    m->worker = (unsigned)head_int(head, "worker", 0, 100000, bad);
    m->slot = (unsigned)head_int(head, "slot", 0, INT_MAX, bad);
    m->active = head_bool(head, "active", bad);
    m->replaces = json_is_true(json_object_get(head, "replaces")); /* not in older ones */
    m->channel = head_int(head, "channel", -1, INT_MAX, bad);
    m->segment = head_int(head, "segment", -1, INT_MAX, bad);
    m->control = head_int(head, "control", -1, INT_MAX, bad);
    m->log = head_int(head, "log", -1, INT_MAX, bad);
    m->log_level = head_int(head, "log-level", -1, 100, bad);
    parse_tickets(json_object_get(head, "tickets"), &m->tickets);
    parse_files(json_object_get(head, "files"), m, bad);
    m->started_ns = (uint64_t)json_integer_value(json_object_get(head, "started"));
    m->conf_file = head_copy(head, "conf-file", bad);
    m->counters = head_copy(head, "counters", bad);

    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(head, "endpoints"), i, item)
    {
        if (!*bad)
            parse_endpoint(item, m, bad);
    }
    json_array_foreach(json_object_get(head, "fds"), i, item)
    {
        int endpoint, slot, fd, inherited;
        if (*bad)
            return;
        if (json_unpack(item, "[i,i,i,b!]", &endpoint, &slot, &fd, &inherited) != 0 ||
            endpoint < 0 || (unsigned)endpoint >= m->endpoints.count || slot < 0 || fd < 0 ||
            keel_manifest_add_fd(m, (unsigned)endpoint, (unsigned)slot, fd, inherited) != 0)
            *bad = true;
    }
}

/* Cuts the next raw part off the rest; a size of -1 means that there is none. */
static char *take_text(const json_t *head, const char *key, const char **rest, size_t *left,
                       bool *bad)
{
    const json_t *v = json_object_get(head, key);
    json_int_t size = json_integer_value(v);
    if (!json_is_integer(v) || size < -1 || (size > 0 && (uint64_t)size > *left)) {
        *bad = true;
        return NULL;
    }
    if (size < 0)
        return NULL;
    char *copy = keel_strndup(*rest, (size_t)size);
    if (!copy)
        *bad = true;
    *rest += size;
    *left -= (size_t)size;
    return copy;
}

int keel_manifest_parse(const void *bytes, size_t size, struct keel_manifest *m,
                        struct keel_diag *diag)
{
    keel_manifest_init(m);
    const char *text = bytes;
    const char *end = size ? memchr(text, '\n', size) : NULL;
    json_t *head = end ? json_loadb(text, (size_t)(end - text), 0, NULL) : NULL;
    bool bad = !json_is_object(head);
    if (!bad) {
        const char *rest = end + 1;
        size_t left = size - (size_t)(rest - text);
        parse_head(head, m, &bad);
        if (!bad)
            m->conf_text = take_text(head, "conf-size", &rest, &left, &bad);
        if (!bad)
            m->overrides = take_text(head, "overrides-size", &rest, &left, &bad);
        if (left != 0)
            bad = true;
    }
    json_decref(head);
    if (!bad)
        return 0;
    keel_manifest_fini(m);
    return keel_diag_set(diag, KEEL_EINVAL, "the manifest is damaged");
}

int keel_manifest_read(int fd, struct keel_manifest *m, struct keel_diag *diag)
{
    struct stat st;
    keel_manifest_init(m);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
        st.st_size > KEEL_MANIFEST_LIMIT)
        return keel_diag_set(diag, KEEL_EINVAL, "descriptor %d is no manifest", fd);
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return keel_diag_set(diag, KEEL_ESYS, "cannot map the manifest: %s", strerror(errno));
    int err = keel_manifest_parse(map, (size_t)st.st_size, m, diag);
    munmap(map, (size_t)st.st_size);
    return err;
}
