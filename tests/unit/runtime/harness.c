#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct owner *of(struct keel_stream *s)
{
    return KEEL_CONTAINER(s, struct owner, s);
}

static size_t on_data(struct keel_stream *s, const uint8_t *bytes, size_t size)
{
    struct owner *o = of(s);
    size_t used = size < o->take ? size : o->take;
    o->data_calls++;
    if (size > o->largest)
        o->largest = size;
    keel_buf_append(&o->in, bytes, used);
    if (o->echo)
        keel_stream_write(s, bytes, used);
    if (o->in_data)
        o->in_data(o);
    return used;
}

static void on_eof(struct keel_stream *s)
{
    of(s)->eofs++;
    if (of(s)->in_eof)
        of(s)->in_eof(of(s));
}

static void on_open(struct keel_stream *s)
{
    of(s)->opened++;
    if (of(s)->in_open)
        of(s)->in_open(of(s));
}

static void on_drained(struct keel_stream *s)
{
    of(s)->drained++;
    if (of(s)->in_drained)
        of(s)->in_drained(of(s));
}

static void on_deadline(struct keel_stream *s)
{
    of(s)->deadlines++;
    if (of(s)->in_deadline)
        of(s)->in_deadline(of(s));
}

static void on_close(struct keel_stream *s, enum keel_stream_end why)
{
    of(s)->closed++;
    of(s)->why = why;
}

const struct keel_stream_ops owner_ops = {
    .name = "test",
    .on_data = on_data,
    .on_eof = on_eof,
    .on_open = on_open,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_close = on_close,
};
const struct keel_stream_ops bare_ops = {
    .name = "bare",
    .on_data = on_data,
    .on_close = on_close,
};

void owner_init(struct owner *o)
{
    memset(o, 0, sizeof *o);
    o->take = SIZE_MAX;
}

void owner_fini(struct owner *o)
{
    keel_buf_fini(&o->in);
}

int owner_start(struct owner *o, struct keel_loop *loop)
{
    int fds[2];
    ck_assert_int_eq(keel_sock_pair(SOCK_STREAM, fds), 0);
    ck_assert_int_eq(keel_stream_start(&o->s, loop, fds[0], &owner_ops, NULL, NULL), 0);
    return fds[1];
}

void turn_until(struct keel_loop *loop, const int *flag, int value)
{
    uint64_t limit = keel_clock_monotonic() + 5 * KEEL_NS_PER_S;
    while (*flag < value) {
        ck_assert_msg(keel_clock_monotonic() < limit, "waited 5 s in vain");
        ck_assert_int_eq(keel_loop_turn(loop, 100 * KEEL_NS_PER_MS), 0);
    }
}

void turn_for(struct keel_loop *loop, uint64_t ns)
{
    uint64_t limit = keel_clock_monotonic() + ns;
    for (;;) {
        uint64_t now = keel_clock_monotonic();
        if (now >= limit)
            return;
        ck_assert_int_eq(keel_loop_turn(loop, limit - now), 0);
    }
}

int listen_any(sa_family_t family, struct keel_addr *bound)
{
    struct keel_diag diag;
    keel_addr_parse(bound, family == AF_INET ? KEEL_STR("127.0.0.1:0") : KEEL_STR("[::1]:0"), 0,
                    NULL);
    int fd = keel_sock_listen(bound, NULL, &diag);
    if (fd >= 0)
        ck_assert_int_eq(keel_sock_bound(fd, bound), 0);
    return fd;
}

int accept_one(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    struct keel_accepted accepted;
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    ck_assert_int_eq(keel_sock_accept(listener, &accepted, 1), 1);
    return accepted.fd;
}

char *test_directory(void)
{
    char *dir = strdup("/tmp/keel-runtime-XXXXXX");
    ck_assert_ptr_nonnull(dir);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    return dir;
}

void test_directory_remove(char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
    free(dir);
}
