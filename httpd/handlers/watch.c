#include "httpd/handlers/watch_private.h"

#include <limits.h>
#include <string.h>
#include <sys/inotify.h>

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "httpd/wire/accept.h"

/* Written by somebody who keeps it open (MODIFY), or maps it (CLOSE_WRITE, when he is done); what
 * decides who may read it (ATTRIB); names that come and go, the folder's own included. */
#define EVENTS                                                                                     \
    (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM |              \
     IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_EXCL_UNLINK)

/* --- names --- */

struct name_key {
    const struct http_folder *folder;
    struct keel_str text;
};

static uint64_t hash_of(const struct http_watch *watch, const struct name_key *key)
{
    return keel_hash(&watch->key, key->text.p, key->text.n) ^
           (uint64_t)(uintptr_t)key->folder * UINT64_C(0x9e3779b97f4a7c15);
}

static int is_name(const void *value, const void *arg, size_t size)
{
    const struct http_name *name = value;
    const struct name_key *key = arg;
    return name->folder == key->folder && name->size == key->text.n &&
           memcmp(name->text, key->text.p, name->size) == 0;
}

static struct http_name *find_name(const struct http_watch *watch, const struct http_folder *folder,
                                   struct keel_str text)
{
    const struct name_key key = {folder, text};
    return keel_table_find(&watch->names, hash_of(watch, &key), &key, sizeof key, is_name);
}

struct http_name *http_watch_name(struct http_watch *watch, struct http_folder *folder,
                                  struct keel_str text)
{
    const struct name_key key = {folder, text};
    struct http_name *name = find_name(watch, folder, text);
    if (name || text.n > NAME_MAX)
        return name;
    size_t size = sizeof *name + text.n;
    name = keel_malloc(size);
    if (!name)
        return NULL;
    *name =
        (struct http_name){.folder = folder, .hash = hash_of(watch, &key), .size = (uint8_t)text.n};
    memcpy(name->text, text.p, text.n);
    if (keel_table_add(&watch->names, name->hash, name) != 0) {
        keel_free(name);
        return NULL;
    }
    watch->memory += size;
    keel_list_init(&name->interests);
    keel_list_push_back(&folder->names, &name->node);
    return name;
}

struct http_folder *http_watch_folder(struct http_watch *watch, int fd)
{
    struct http_folder *folder = keel_malloc(sizeof *folder);
    if (!folder)
        return NULL;
    *folder = (struct http_folder){.name = NULL};
    keel_list_init(&folder->names);
    keel_list_init(&folder->lists);
    if (!http_mount_is_local(watch->mounts, fd) ||
        keel_watch_add_fd(watch->core, &folder->watched, fd) != 0) {
        keel_free(folder);
        return NULL;
    }
    watch->memory += sizeof *folder;
    return folder;
}

static void folder_free(struct http_watch *watch, struct http_folder *folder)
{
    keel_watch_remove(watch->core, &folder->watched);
    watch->memory -= sizeof *folder;
    keel_free(folder);
}

static void name_free(struct http_watch *watch, struct http_name *name)
{
    keel_table_remove(&watch->names, name->hash, name);
    keel_list_remove(&name->node);
    watch->memory -= sizeof *name + name->size;
    keel_free(name);
}

static bool is_empty(const struct http_folder *folder)
{
    return keel_list_empty(&folder->names) && keel_list_empty(&folder->lists);
}

void http_watch_settle(struct http_watch *watch, struct http_folder *folder, struct http_name *name)
{
    if (name && name->below) { /* a path led into it, and no further */
        folder = name->below;
        name = NULL;
    }
    for (;;) {
        if (name && !name->below && keel_list_empty(&name->interests))
            name_free(watch, name);
        name = folder->name;
        if (!name || !is_empty(folder))
            return;
        folder_free(watch, folder);
        name->below = NULL;
        folder = name->folder;
    }
}

/* --- subjects --- */

void http_subject_init(struct http_subject *subject)
{
    keel_list_init(&subject->interests);
    subject->state = HTTP_UNWATCHED;
}

void http_subject_move(struct http_subject *from, struct http_subject *to)
{
    http_subject_init(to);
    to->state = from->state;
    if (keel_list_empty(&from->interests))
        return;
    keel_list_insert_after(&from->interests, &to->interests);
    keel_list_remove(&from->interests);
    keel_list_for (node, &to->interests)
        KEEL_CONTAINER(node, struct http_interest, mine)->subject = to;
}

static void interest_free(struct http_watch *watch, struct http_interest *interest)
{
    keel_list_remove(&interest->node);
    keel_list_remove(&interest->mine);
    watch->memory -= sizeof *interest;
    keel_free(interest);
}

void http_watch_forget(struct http_watch *watch, struct http_subject *subject)
{
    while (!keel_list_empty(&subject->interests)) {
        struct http_interest *interest =
            KEEL_CONTAINER(subject->interests.next, struct http_interest, mine);
        struct http_folder *folder = interest->folder;
        struct http_name *name = interest->name;
        interest_free(watch, interest);
        http_watch_settle(watch, folder, name);
    }
    subject->state = HTTP_UNWATCHED;
}

bool http_watch_depend(struct http_watch *watch, struct http_subject *subject,
                       struct http_folder *folder, struct http_name *name)
{
    keel_list_for (node, &subject->interests) {
        const struct http_interest *other = KEEL_CONTAINER(node, struct http_interest, mine);
        if (other->folder == folder && other->name == name)
            return true;
    }
    struct http_interest *interest = keel_malloc(sizeof *interest);
    if (!interest)
        return false;
    *interest = (struct http_interest){.subject = subject, .name = name, .folder = folder};
    watch->memory += sizeof *interest;
    keel_list_push_back(&subject->interests, &interest->mine);
    keel_list_push_back(name ? &name->interests : &folder->lists, &interest->node);
    return true;
}

/* --- changes --- */

/* All who depend on these have changed. Their other interests stay until they are looked at. */
static void tell(struct http_watch *watch, struct keel_list *interests)
{
    while (!keel_list_empty(interests)) {
        struct http_interest *interest =
            KEEL_CONTAINER(interests->next, struct http_interest, node);
        watch->changes += interest->subject->state == HTTP_WATCHED;
        interest->subject->state = HTTP_CHANGED;
        interest_free(watch, interest);
    }
}

/* Tells all who depend on anything in the folder or below it, and forgets all of that. */
static void clear_folder(struct http_watch *watch, struct http_folder *top)
{
    struct http_folder *folder = top;
    for (;;) { /* down to a name without a folder below, then up: paths are long, stacks are not */
        tell(watch, &folder->lists);
        if (!keel_list_empty(&folder->names)) {
            struct http_name *name = KEEL_CONTAINER(folder->names.next, struct http_name, node);
            tell(watch, &name->interests);
            if (name->below)
                folder = name->below;
            else
                name_free(watch, name);
            continue;
        }
        if (folder == top)
            return;
        struct http_name *name = folder->name;
        folder_free(watch, folder);
        name->below = NULL;
        folder = name->folder;
    }
}

static void on_name(struct http_watch *watch, struct http_folder *folder, struct keel_str text)
{
    struct http_name *name = find_name(watch, folder, text);
    if (!name)
        return;
    tell(watch, &name->interests);
    if (name->below) {
        clear_folder(watch, name->below);
        folder_free(watch, name->below);
        name->below = NULL;
    }
    name_free(watch, name);
}

static void on_event(void *arg, struct keel_watched *w, const char *text)
{
    struct http_watch *watch = arg;
    struct http_folder *folder = KEEL_CONTAINER(w, struct http_folder, watched);
    struct keel_str name = keel_str(text);
    if (name.n == 0)
        clear_folder(watch, folder);
    tell(watch, &folder->lists);
    on_name(watch, folder, name);
    for (unsigned i = 0; i < HTTP_CODING_COUNT; i++) { /* a.css.gz stands for a.css as well */
        struct keel_str suffix = keel_str(http_coding_suffix(i));
        if (name.n > suffix.n && memcmp(name.p + name.n - suffix.n, suffix.p, suffix.n) == 0)
            on_name(watch, folder, (struct keel_str){name.p, name.n - suffix.n});
    }
    http_watch_settle(watch, folder, NULL);
}

static void on_lost(void *arg)
{
    struct http_watch *watch = arg;
    http_mounts_forget(watch->mounts);
    for (unsigned i = 0; i < watch->root_count; i++)
        if (watch->roots[i]) {
            clear_folder(watch, watch->roots[i]);
            folder_free(watch, watch->roots[i]); /* what is mounted there now may be another */
            watch->roots[i] = NULL;
        }
}

/* --- life --- */

struct http_watch *http_watch_new(struct keel_loop *loop, unsigned folders,
                                  struct http_mounts *mounts)
{
    struct http_watch *watch = keel_calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    const struct keel_watch_options options = {.loop = loop,
                                               .name = "file cache",
                                               .events = EVENTS,
                                               .max = folders,
                                               .mounts = true,
                                               .on_event = on_event,
                                               .on_lost = on_lost,
                                               .arg = watch};
    watch->mounts = mounts;
    watch->key.k0 = keel_rand_u64();
    watch->key.k1 = keel_rand_u64();
    keel_table_init(&watch->names);
    if (keel_watch_new(&options, &watch->core) == 0)
        return watch;
    keel_free(watch);
    return NULL;
}

void http_watch_free(struct http_watch *watch)
{
    if (!watch)
        return;
    for (unsigned i = 0; i < watch->root_count; i++)
        if (watch->roots[i]) {
            clear_folder(watch, watch->roots[i]);
            folder_free(watch, watch->roots[i]);
        }
    keel_free(watch->roots);
    keel_table_fini(&watch->names);
    keel_watch_free(watch->core);
    keel_free(watch);
}

void http_watch_figures(const struct http_watch *watch, struct http_watch_figures *figures)
{
    *figures = (struct http_watch_figures){.folders = 0};
    if (watch)
        *figures = (struct http_watch_figures){keel_watch_count(watch->core), watch->changes,
                                               watch->memory};
}
