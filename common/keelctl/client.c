#include "common/keelctl/client.h"

#include "common/base/clock.h"
#include "common/service/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SYSTEM_DIR "/run/keel"

/* --- where ----------------------------------------------------------------------------------- */

/* In a directory of a stranger anybody could answer in a daemon's name. */
static int check_directory(const char *path, struct keel_diag *diag)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return keel_diag_set(diag, KEEL_ENOENT, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return keel_diag_set(diag, KEEL_ENOENT, "%s is not a directory", path);
    if ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & S_IWOTH)
        return keel_diag_set(diag, KEEL_EACCES, "%s can be written by strangers", path);
    return 0;
}

/* The i-th directory of sockets; NULL behind the last. */
static const char *directory(unsigned i, char *own, size_t size)
{
    if (i == 0 && keel_path_control_dir(own, size) == 0)
        return own;
    return i == 1 && strcmp(own, SYSTEM_DIR) != 0 ? SYSTEM_DIR : NULL;
}

int keelctl_find(const char *daemon, char *path, size_t size, struct keel_diag *diag)
{
    char own[4096] = "";
    const char *dir;
    struct keel_diag why;
    int err = KEEL_ENOENT;
    if (strchr(daemon, '/'))
        return snprintf(path, size, "%s", daemon) < (int)size
                   ? 0
                   : keel_diag_set(diag, KEEL_ENOSPC, "the path is too long");
    keel_diag_set(diag, err, "%s does not run here", daemon);
    for (unsigned i = 0; (dir = directory(i, own, sizeof own)); i++) {
        if (snprintf(path, size, "%s/%s.sock", dir, daemon) >= (int)size)
            continue;
        if (access(path, F_OK) != 0)
            continue;
        err = check_directory(dir, &why);
        if (!err)
            return 0;
        keel_diag_set(diag, err, "%s", why.text);
    }
    if (err == KEEL_ENOENT)
        keel_diag_set(diag, err, "%s does not run here: no socket in %s", daemon,
                      own[0] ? own : SYSTEM_DIR);
    return err;
}

void keelctl_each_daemon(void (*visit)(void *arg, const char *daemon), void *arg)
{
    char own[4096] = "";
    const char *dir;
    for (unsigned i = 0; (dir = directory(i, own, sizeof own)); i++) {
        DIR *d = check_directory(dir, NULL) == 0 ? opendir(dir) : NULL;
        struct dirent *entry;
        while (d && (entry = readdir(d))) {
            size_t n = strlen(entry->d_name);
            if (n <= 5 || strcmp(entry->d_name + n - 5, ".sock") != 0)
                continue;
            entry->d_name[n - 5] = '\0';
            visit(arg, entry->d_name);
        }
        if (d)
            closedir(d);
    }
}

/* --- asking ---------------------------------------------------------------------------------- */

static char *make_request(const char *const *words, int count)
{
    json_t *args = json_array();
    for (int i = 1; i < count; i++)
        json_array_append_new(args, json_string(words[i]));
    json_t *request = json_pack("{s:s, s:o}", "command", words[0], "args", args);
    /* jansson takes no string that is not UTF-8 */
    bool whole = request && json_array_size(args) == (size_t)(count - 1);
    char *text = whole ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    return text;
}

static int wait_for(int fd, short what, uint64_t timeout_ns)
{
    struct pollfd p = {fd, what, 0};
    uint64_t ms = timeout_ns / KEEL_NS_PER_MS;
    int n;
    do
        n = poll(&p, 1, ms > INT32_MAX ? -1 : (int)ms);
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : n == 0 ? KEEL_ETIMEDOUT : KEEL_ESYS;
}

static int send_all(int fd, const char *p, size_t n, uint64_t timeout_ns)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            return KEEL_ESYS;
        int err = sent < 0 ? wait_for(fd, POLLOUT, timeout_ns) : 0;
        if (err)
            return err;
        if (sent > 0) {
            p += sent;
            n -= (size_t)sent;
        }
    }
    return 0;
}

/* Appends bytes up to the first line end. */
static int receive_line(int fd, uint64_t timeout_ns, struct keel_buf *reply)
{
    for (;;) {
        uint8_t *room = keel_buf_reserve(reply, 65536);
        if (!room)
            return reply->failed;
        ssize_t n = recv(fd, room, 65536, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            int err = wait_for(fd, POLLIN, timeout_ns);
            if (err)
                return err;
            continue;
        }
        if (n <= 0)
            return n == 0 ? KEEL_EOF : KEEL_ESYS;
        uint8_t *end = memchr(room, '\n', (size_t)n);
        keel_buf_commit(reply, end ? (size_t)(end - room) : (size_t)n);
        if (end)
            return 0;
    }
}

static int open_socket(const char *path, uint64_t timeout_ns, struct keel_diag *diag)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path)
        return keel_diag_set(diag, KEEL_ENOSPC, "%s: the path is too long", path);
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval tv = {(time_t)(timeout_ns / KEEL_NS_PER_S), 0};
    if (fd < 0)
        return keel_diag_set(diag, KEEL_ESYS, "cannot open a socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv); /* connect waits for room, too */
    if (connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
        int err = errno == ENOENT ? KEEL_ENOENT : errno == EACCES ? KEEL_EACCES : KEEL_ESYS;
        keel_diag_set(diag, err, "cannot reach %s: %s", path, strerror(errno));
        close(fd);
        return err;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static const char *reason(int err)
{
    switch (err) {
    case KEEL_EOF:
        return "the daemon closed without an answer";
    case KEEL_ETIMEDOUT:
        return "no answer in time";
    case KEEL_ELIMIT:
        return "the answer is longer than 64 MiB";
    case KEEL_ENOMEM:
        return "no memory";
    default:
        return strerror(errno);
    }
}

int keelctl_ask(const char *path, const char *const *words, int count, uint64_t timeout_ns,
                struct keel_buf *reply, struct keel_diag *diag)
{
    char *request = make_request(words, count);
    if (!request)
        return keel_diag_set(diag, KEEL_EINVAL, "the words are not UTF-8 text");
    int fd = open_socket(path, timeout_ns, diag), err = fd < 0 ? fd : 0;
    if (!err) {
        size_t n = strlen(request);
        request[n] = '\n'; /* in place of the NUL: one write, one line */
        err = send_all(fd, request, n + 1, timeout_ns);
        if (!err)
            err = receive_line(fd, timeout_ns, reply);
        if (err)
            keel_diag_set(diag, err, "%s: %s", path, reason(err));
        close(fd);
    }
    free(request);
    return err;
}
