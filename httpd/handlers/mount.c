#include "httpd/handlers/mount.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/str.h"

/* Not here: whatever others can change behind our back (NFS, SMB, FUSE, 9p), whatever changes by
 * itself (proc, sysfs), and those that find a name in any case but tell of it in its own. */
static enum http_mount_kind kind_of(struct keel_str type)
{
    static const char *const local[] = {"ext2",  "ext3",     "ext4",  "xfs",     "btrfs",
                                        "f2fs",  "bcachefs", "zfs",   "overlay", "squashfs",
                                        "erofs", "reiserfs", "jfs"};
    if (keel_str_equal(type, KEEL_STR("tmpfs")) || keel_str_equal(type, KEEL_STR("ramfs")))
        return HTTP_MOUNT_MEMORY;
    for (unsigned i = 0; i < sizeof local / sizeof *local; i++)
        if (keel_str_equal(type, keel_str(local[i])))
            return HTTP_MOUNT_LOCAL;
    return HTTP_MOUNT_OTHER;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": the first word is the id, the
 * type follows the lonely "-" (proc(5)). */
static enum http_mount_kind in_line(struct keel_str line, uint64_t id)
{
    struct keel_str word;
    uint64_t number;
    if (!keel_str_split(&line, ' ', &word) || keel_parse_u64(word, UINT64_MAX, &number) != 0 ||
        number != id)
        return HTTP_MOUNT_ABSENT;
    while (keel_str_split(&line, ' ', &word))
        if (keel_str_equal(word, KEEL_STR("-")))
            return keel_str_split(&line, ' ', &word) ? kind_of(word) : HTTP_MOUNT_OTHER;
    return HTTP_MOUNT_OTHER;
}

enum http_mount_kind http_mount_in_text(const char *text, size_t size, uint64_t id)
{
    struct keel_str rest = {text, size}, line;
    enum http_mount_kind kind = HTTP_MOUNT_ABSENT;
    while (kind == HTTP_MOUNT_ABSENT && rest.p && keel_str_split(&rest, '\n', &line))
        kind = in_line(line, id);
    return kind;
}

static enum http_mount_kind look_up(uint64_t id)
{
    struct keel_buf text = {.limit = 4 << 20};
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;
    do {
        uint8_t *p = keel_buf_reserve(&text, 16384);
        n = p && fd >= 0 ? read(fd, p, 16384) : -1;
        if (n > 0)
            keel_buf_commit(&text, (size_t)n);
    } while (n > 0);
    enum http_mount_kind kind = HTTP_MOUNT_ABSENT;
    if (n == 0)
        kind = http_mount_in_text((const char *)keel_buf_bytes(&text), keel_buf_size(&text), id);
    if (fd >= 0)
        close(fd);
    keel_buf_fini(&text);
    return kind;
}

static enum http_mount_kind kind_behind(struct http_mounts *mounts, int fd)
{
    struct statx st;
    /* what the kernel knows: a file server is not asked */
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) != 0 ||
        !(st.stx_mask & STATX_MNT_ID))
        return HTTP_MOUNT_ABSENT;
    for (unsigned i = 0; i < mounts->count; i++)
        if (mounts->known[i].id == st.stx_mnt_id)
            return mounts->known[i].kind;
    const unsigned room = sizeof mounts->known / sizeof *mounts->known;
    /* read page by page, while others mount and unmount, the table may miss a line */
    enum http_mount_kind kind = HTTP_MOUNT_ABSENT;
    for (int tries = 3; kind == HTTP_MOUNT_ABSENT && tries > 0; tries--)
        kind = look_up(st.stx_mnt_id);
    if (kind == HTTP_MOUNT_ABSENT)
        return kind;
    unsigned at = mounts->next++ % room;
    if (mounts->count < room)
        mounts->count++;
    mounts->known[at].id = st.stx_mnt_id;
    mounts->known[at].kind = kind;
    return kind;
}

bool http_mount_is_local(struct http_mounts *mounts, int fd)
{
    return kind_behind(mounts, fd) >= HTTP_MOUNT_LOCAL;
}

bool http_mount_is_memory(struct http_mounts *mounts, int fd)
{
    return kind_behind(mounts, fd) == HTTP_MOUNT_MEMORY;
}

void http_mounts_forget(struct http_mounts *mounts)
{
    mounts->count = mounts->next = 0;
}
