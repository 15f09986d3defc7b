#include "common/service/module.h"

#include "common/base/mem.h"
#include "common/service/paths.h"

#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- what configure returns ------------------------------------------------------------------ */

int keel_endpoints_add(struct keel_endpoints *list, const struct keel_endpoint *endpoint)
{
    /* grown to powers of two, so that the capacity follows from the count */
    if ((list->count & (list->count - 1)) == 0) {
        size_t capacity = list->count ? 2 * (size_t)list->count : 1;
        void *items = keel_realloc(list->items, capacity * sizeof *list->items);
        if (!items)
            return KEEL_ENOMEM;
        list->items = items;
    }
    list->items[list->count++] = *endpoint;
    return 0;
}

/* Two reuseport sockets on one address would quietly share its clients. */
static bool listens_already(const struct keel_endpoints *list, const struct keel_endpoint *e)
{
    for (unsigned i = 0; i < list->count; i++) {
        const struct keel_endpoint *other = &list->items[i];
        if (other->kind == e->kind && keel_addr_port(&e->addr) != 0 &&
            strcmp(other->interface, e->interface) == 0 && keel_addr_equal(&other->addr, &e->addr))
            return true;
    }
    return false;
}

static int add_listen_value(struct keel_endpoints *list, const struct keel_conf *conf,
                            const char *option, unsigned i, unsigned kinds, struct keel_diag *diag)
{
    const struct keel_value *value = keel_conf_at(conf, option, i);
    struct keel_endpoint e = {.addr = value->addr};
    struct keel_str rest = value->words, word;
    while (keel_str_split(&rest, ' ', &word)) {
        if (word.n == 0)
            continue;
        if (!keel_str_equal(word, KEEL_STR("tls")))
            return keel_conf_error_at(conf, option, i, diag, "unknown word \"%.*s\"", (int)word.n,
                                      word.p);
        if (!(kinds & 1u << KEEL_ENDPOINT_TCP))
            return keel_conf_error_at(conf, option, i, diag, "tls needs TCP");
        e.tls = true;
        kinds = 1u << KEEL_ENDPOINT_TCP;
    }
    for (unsigned kind = KEEL_ENDPOINT_TCP; kind <= KEEL_ENDPOINT_UDP; kind++) {
        if (!(kinds & 1u << kind))
            continue;
        e.kind = (enum keel_endpoint_kind)kind;
        e.packet_info = kind == KEEL_ENDPOINT_UDP;
        if (listens_already(list, &e))
            return keel_conf_error_at(conf, option, i, diag, "the address stands there twice");
        int err = keel_endpoints_add(list, &e);
        if (err)
            return keel_diag_memory(diag);
    }
    return 0;
}

int keel_endpoints_add_listen(struct keel_endpoints *list, const struct keel_conf *conf,
                              const char *option, bool tcp, bool udp, struct keel_diag *diag)
{
    unsigned kinds = (unsigned)tcp << KEEL_ENDPOINT_TCP | (unsigned)udp << KEEL_ENDPOINT_UDP;
    for (unsigned i = 0; i < keel_conf_count(conf, option); i++) {
        int err = add_listen_value(list, conf, option, i, kinds, diag);
        if (err)
            return err;
    }
    return 0;
}

/* Appends a copy. 0 or KEEL_ENOMEM. */
static int append(char ***list, unsigned *count, const char *path)
{
    char **grown = keel_realloc(*list, (*count + 1) * sizeof *grown);
    if (!grown)
        return KEEL_ENOMEM;
    *list = grown;
    grown[*count] = keel_strdup(path);
    if (!grown[*count])
        return KEEL_ENOMEM;
    ++*count;
    return 0;
}

int keel_access_add(struct keel_access *access, const char *path, bool write)
{
    char ***list = write ? &access->write : &access->read;
    unsigned *count = write ? &access->writes : &access->reads;
    for (unsigned i = 0; i < *count; i++) {
        if (strcmp((*list)[i], path) == 0)
            return 0;
    }
    return append(list, count, path);
}

int keel_access_add_log(struct keel_access *access, const char *path)
{
    return append(&access->logs, &access->log_count, path);
}

static struct keel_input_file *find_watched(const struct keel_access *access, const char *path)
{
    for (unsigned i = 0; i < access->watch_count; i++) {
        if (strcmp(access->watched[i].path, path) == 0)
            return &access->watched[i];
    }
    return NULL;
}

int keel_access_add_watch(struct keel_access *access, const char *path)
{
    struct keel_input_file *known = find_watched(access, path);
    if (known) {
        known->live = false;
        return 0;
    }
    struct keel_input_file *grown =
        keel_realloc(access->watched, (access->watch_count + 1) * sizeof *grown);
    if (!grown)
        return KEEL_ENOMEM;
    access->watched = grown;
    grown[access->watch_count] = (struct keel_input_file){
        .path = keel_strdup(path), .copy = -1, .seen = keel_path_signature(path)};
    if (!grown[access->watch_count].path)
        return KEEL_ENOMEM;
    access->watch_count++;
    return 0;
}

int keel_access_add_live(struct keel_access *access, const char *path)
{
    if (find_watched(access, path)) /* as live as it is */
        return 0;
    int err = keel_access_add_watch(access, path);
    if (!err)
        access->watched[access->watch_count - 1].live = true;
    return err;
}

const char *keel_access_where(const struct keel_access *access, const char *path)
{
    const struct keel_input_file *watched = access ? find_watched(access, path) : NULL;
    return watched && watched->where[0] ? watched->where : path;
}

void keel_access_close_copies(struct keel_access *access)
{
    for (unsigned i = 0; i < access->watch_count; i++) {
        struct keel_input_file *watched = &access->watched[i];
        if (watched->copy >= 0)
            close(watched->copy);
        watched->copy = -1;
        watched->where[0] = '\0';
    }
}

static void free_list(char **list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        keel_free(list[i]);
    keel_free(list);
}

void keel_access_fini(struct keel_access *access)
{
    free_list(access->logs, access->log_count);
    keel_access_close_copies(access);
    for (unsigned i = 0; i < access->watch_count; i++)
        keel_free(access->watched[i].path);
    keel_free(access->watched);
    free_list(access->read, access->reads);
    free_list(access->write, access->writes);
    json_decref(access->certificates);
    *access = (struct keel_access){0};
}

/* --- the record ------------------------------------------------------------------------------ */

/* A record has this much at least; what is added behind it, it may lack. */
#define SIZE_LEAST                                                                                   \
    (offsetof(struct keel_protocol, on_helper_message) +                                           \
     sizeof(((struct keel_protocol *)0)->on_helper_message))
/* size, abi_major and abi_minor: in the same place in every version. */
#define SIZE_OF_ABI offsetof(struct keel_protocol, name)

static int check_abi(const struct keel_protocol *r, struct keel_diag *diag)
{
    if (r->size < SIZE_OF_ABI)
        return keel_diag_set(diag, KEEL_ENOTSUP, "size is %u, this host needs at least %zu",
                             (unsigned)r->size, SIZE_LEAST);
    if (r->abi_major != KEEL_ABI_MAJOR)
        return keel_diag_set(diag, KEEL_ENOTSUP, "abi_major is %u, this host has %u",
                             (unsigned)r->abi_major, KEEL_ABI_MAJOR);
    if (r->abi_minor > KEEL_ABI_MINOR)
        return keel_diag_set(diag, KEEL_ENOTSUP, "abi_minor is %u, this host has %u",
                             (unsigned)r->abi_minor, KEEL_ABI_MINOR);
    if (r->size < SIZE_LEAST)
        return keel_diag_set(diag, KEEL_ENOTSUP, "size is %u, this host needs at least %zu",
                             (unsigned)r->size, SIZE_LEAST);
    return 0;
}

static int check_required(const struct keel_protocol *r, struct keel_diag *diag)
{
    const struct {
        const char *field;
        bool present;
    } required[] = {
        {"name", r->name && *r->name},
        {"version", r->version != NULL},
        {"summary", r->summary != NULL},
        {"configure", r->configure != NULL},
    };
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        if (!required[i].present)
            return keel_diag_set(diag, KEEL_ENOTSUP, "%s is missing", required[i].field);
    }
    /* it becomes a file name: /run/keel/NAME.sock */
    if (r->name[strspn(r->name, "abcdefghijklmnopqrstuvwxyz0123456789-")] || strlen(r->name) > 32)
        return keel_diag_set(diag, KEEL_ENOTSUP,
                             "name is not 1 to 32 lower-case letters, digits and hyphens");
    if (r->schedule > KEEL_SCHEDULE_SINGLE)
        return keel_diag_set(diag, KEEL_ENOTSUP, "schedule is %d, this host knows 0 to %d",
                             (int)r->schedule, KEEL_SCHEDULE_SINGLE);
    return 0;
}

static int check_connections(const struct keel_protocol *r, struct keel_diag *diag)
{
    if (r->connection_size == 0)
        return 0;
    if (r->connection_size < sizeof(struct keel_connection))
        return keel_diag_set(diag, KEEL_ENOTSUP,
                             "connection_size is %zu, this host needs 0 or at least %zu",
                             r->connection_size, sizeof(struct keel_connection));
    if (!r->stream || !r->stream->on_data)
        return keel_diag_set(diag, KEEL_ENOTSUP, "%s is missing",
                             r->stream ? "stream.on_data" : "stream");
    return 0;
}

int keel_module_check(const struct keel_protocol *record, struct keel_diag *diag)
{
    int err = check_abi(record, diag);
    if (!err)
        err = check_required(record, diag);
    if (!err)
        err = check_connections(record, diag);
    return err;
}

/* --- a shared object ------------------------------------------------------------------------- */

/* Who could change the file could run code as us. */
static int check_owner(const char *path, bool directory, struct keel_diag *diag)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return keel_diag_set(diag, errno == ENOENT ? KEEL_ENOENT : KEEL_ESYS,
                             "cannot open \"%s\": %s", path, strerror(errno));
    if (directory ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" is not a %s", path,
                             directory ? "directory" : "regular file");
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return keel_diag_set(diag, KEEL_EACCES, "\"%s\" belongs to user %u, not to root", path,
                             (unsigned)st.st_uid);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return keel_diag_set(diag, KEEL_EACCES, "\"%s\" is writable by others (mode %04o)", path,
                             (unsigned)(st.st_mode & 07777));
    return 0;
}

static int check_path(const char *path, struct keel_diag *diag)
{
    int err = check_owner(path, false, diag);
    if (err)
        return err;
    char *directory = strdup(path);
    if (!directory)
        return keel_diag_memory(diag);
    err = check_owner(dirname(directory), true, diag);
    free(directory);
    return err;
}

int keel_module_open(const char *path, const char *symbol, const void **record,
                     struct keel_diag *diag)
{
    /* the file that is checked is the one that is loaded, whatever links lead to it */
    char *real = realpath(path, NULL);
    if (!real)
        return keel_diag_set(diag, errno == ENOENT ? KEEL_ENOENT : KEEL_ESYS,
                             "cannot open \"%s\": %s", path, strerror(errno));
    int err = check_path(real, diag);
    void *object = err ? NULL : dlopen(real, RTLD_NOW | RTLD_LOCAL);
    if (!err && !object)
        err = keel_diag_set(diag, KEEL_EINVAL, "cannot load module: %s", dlerror());
    const void *found = object ? dlsym(object, symbol) : NULL;
    if (object && !found) {
        err = keel_diag_set(diag, KEEL_ENOTSUP, "\"%s\" exports no %s", real, symbol);
        dlclose(object);
    }
    free(real);
    if (!err)
        *record = found;
    return err;
}

int keel_module_load(const char *path, const struct keel_protocol **out, struct keel_diag *diag)
{
    const void *record;
    struct keel_diag why;
    int err = keel_module_open(path, "keel_module", &record, diag);
    if (err)
        return err;
    err = keel_module_check(record, &why);
    if (err) /* it stays in memory: who refuses a module ends */
        return keel_diag_set(diag, err, "module \"%s\" does not fit: %.900s", path, why.text);
    *out = record;
    return 0;
}
