#include "dnsd/serve/added.h"

#include "common/base/mem.h"
#include "common/runtime/file.h"
#include "common/base/rand.h"
#include "common/service/conf.h"
#include "common/service/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define MARK "#-- "

struct added_zone {
    struct dns_name apex;
    char text[];
};

int dns_added_path(char *out, const char *state_dir, struct keel_diag *diag)
{
    char usual[4096];
    if (!state_dir) {
        if (keel_path_state(usual, sizeof usual, "dnsd") != 0)
            return keel_diag_set(diag, KEEL_ENOSPC, "the path of the state directory is too long");
        state_dir = usual;
    }
    int n = snprintf(out, DNS_ADDED_PATH, "%s/added-zones.conf", state_dir);
    return n < DNS_ADDED_PATH
               ? 0
               : keel_diag_set(diag, KEEL_ENOSPC, "the path of the state directory is too long");
}

static uint64_t apex_hash(const struct dns_added *added, const struct dns_name *apex)
{
    return keel_hash(&added->key, apex->bytes, apex->size);
}

static int apex_equal(const void *value, const void *key, size_t size)
{
    const struct added_zone *zone = value;
    return zone->apex.size == size && memcmp(zone->apex.bytes, key, size) == 0;
}

static struct added_zone *find(const struct dns_added *added, const struct dns_name *apex)
{
    return keel_table_find(&added->zones, apex_hash(added, apex), apex->bytes, apex->size,
                           apex_equal);
}

const char *dns_added_find(const struct dns_added *added, const struct dns_name *apex)
{
    const struct added_zone *zone = find(added, apex);
    return zone ? zone->text : NULL;
}

void dns_added_remove(struct dns_added *added, const struct dns_name *apex)
{
    struct added_zone *zone = find(added, apex);
    if (!zone)
        return;
    keel_table_remove(&added->zones, apex_hash(added, apex), zone);
    keel_free(zone);
}

static int put(struct dns_added *added, const struct dns_name *apex, struct keel_str text)
{
    struct added_zone *zone = keel_malloc(sizeof *zone + text.n + 1);
    if (!zone)
        return KEEL_ENOMEM;
    zone->apex = *apex;
    memcpy(zone->text, text.p, text.n);
    zone->text[text.n] = '\0';
    dns_added_remove(added, apex);
    if (keel_table_add(&added->zones, apex_hash(added, apex), zone) == 0)
        return 0;
    keel_free(zone);
    return KEEL_ENOMEM;
}

int dns_added_put(struct dns_added *added, const struct dns_name *apex, const char *text)
{
    return put(added, apex, keel_str(text));
}

void dns_added_each(const struct dns_added *added,
                    void (*visit)(void *arg, const struct dns_name *apex, const char *text),
                    void *arg)
{
    size_t cursor = 0;
    const struct added_zone *zone;
    while ((zone = keel_table_next(&added->zones, &cursor)))
        visit(arg, &zone->apex, zone->text);
}

/* A name between quotes in the configuration's language. */
static void put_name(struct keel_buf *out, const char *name)
{
    for (; *name; name++) {
        if (*name == '"' || *name == '\\')
            keel_buf_append(out, "\\", 1);
        keel_buf_append(out, name, 1);
    }
}

int dns_added_text(struct keel_buf *out, const struct dns_name *apex, const char *body,
                   struct keel_diag *diag)
{
    char name[DNS_NAME_TEXT];
    if (strlen(body) > DNS_ADDED_TEXT)
        return keel_diag_set(diag, KEEL_EINVAL, "the text is longer than %d bytes", DNS_ADDED_TEXT);
    if (strstr(body, "\n" MARK))
        return keel_diag_set(diag, KEEL_EINVAL, "no line may begin with \"%s\"", MARK);
    dns_name_to_text(name, apex->bytes);
    keel_buf_puts(out, "zone \"");
    put_name(out, name);
    keel_buf_printf(out, "\" {\n%s\n}\n", body); /* the body may end with a comment */
    return out->failed ? keel_diag_memory(diag) : 0;
}

/* --- the file --- */

/* Pieces begin with a line MARK NAME. */
static int take_pieces(struct dns_added *added, const char *text)
{
    const char *mark = strncmp(text, MARK, strlen(MARK)) == 0 ? text : strstr(text, "\n" MARK);
    int err = 0;
    while (mark && !err) {
        struct dns_name apex;
        mark += *mark == '\n';
        const char *name = mark + strlen(MARK), *line = strchr(name, '\n');
        if (!line)
            break;
        mark = strstr(line, "\n" MARK);
        struct keel_str piece = {line + 1, mark ? (size_t)(mark - line) : strlen(line + 1)};
        if (dns_name_from_text(&apex, (struct keel_str){name, (size_t)(line - name)}, NULL) != 0)
            continue; /* what somebody else wrote there; what it means is read elsewhere */
        dns_name_lower(&apex);
        err = put(added, &apex, piece);
    }
    return err;
}

int dns_added_init(struct dns_added *added, const char *state_dir, struct keel_diag *diag)
{
    char *text = NULL;
    memset(added, 0, sizeof *added);
    added->key = (struct keel_hash_key){keel_rand_u64(), keel_rand_u64()};
    keel_table_init(&added->zones);
    int err = dns_added_path(added->path, state_dir, diag);
    if (err || access(added->path, F_OK) != 0)
        return err;
    err = keel_conf_read_file(added->path, &text, diag);
    if (!err && take_pieces(added, text) != 0)
        err = keel_diag_memory(diag);
    keel_free(text);
    return err;
}

void dns_added_fini(struct dns_added *added)
{
    size_t cursor = 0;
    struct added_zone *zone;
    while ((zone = keel_table_next(&added->zones, &cursor)))
        keel_free(zone);
    keel_table_fini(&added->zones);
}

static void put_piece(void *arg, const struct dns_name *apex, const char *text)
{
    struct keel_buf *out = arg;
    char name[DNS_NAME_TEXT];
    dns_name_to_text(name, apex->bytes);
    keel_buf_printf(out, MARK "%s\n%s", name, text);
}

int dns_added_save(const struct dns_added *added, struct keel_diag *diag)
{
    struct keel_buf text;
    keel_buf_init(&text, 0);
    keel_buf_puts(&text, "# Zones added at run time with zone-add. dnsd writes this file.\n");
    dns_added_each(added, put_piece, &text);
    int err = text.failed;
    if (!err)
        err =
            keel_file_replace(added->path, keel_buf_bytes(&text), keel_buf_size(&text), 0640, true);
    if (err)
        keel_diag_set(diag, err, "cannot write \"%s\": %s", added->path,
                      err == KEEL_ESYS ? strerror(errno) : keel_strerror(err));
    keel_buf_fini(&text);
    return err;
}
