#include "common/service/log_target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SYSLOG_PATH "/dev/log"
#define JOURNAL_PATH "/run/systemd/journal/socket"
#define STDERR_PATIENCE_MS 50

int keel_log_open_file(const char *path, struct keel_diag *diag)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0)
        return keel_diag_set(diag, KEEL_ESYS, "cannot open log file \"%s\": %s", path,
                             strerror(errno));
    return fd;
}

static int connect_socket(const char *path, struct keel_diag *diag)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to.sun_path) {
        keel_diag_set(diag, KEEL_EINVAL, "socket path \"%s\" is too long", path);
        return -1;
    }
    strcpy(to.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    keel_diag_set(diag, KEEL_ESYS, "cannot log to \"%s\": %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static int open_kind(enum keel_log_target kind, const char *path, struct keel_diag *diag)
{
    if (kind == KEEL_LOG_STDERR)
        return STDERR_FILENO;
    return kind == KEEL_LOG_FILE ? keel_log_open_file(path, diag) : connect_socket(path, diag);
}

int log_target_open(struct log_target *target, const struct keel_log_options *options,
                    struct keel_diag *diag)
{
    const char *path = options->file;
    bool have_fd = options->target == KEEL_LOG_FILE && options->fd > 2;
    if (!path && options->target == KEEL_LOG_SYSLOG)
        path = SYSLOG_PATH;
    else if (!path && options->target == KEEL_LOG_JOURNAL)
        path = JOURNAL_PATH;
    if (options->target == KEEL_LOG_FILE && !have_fd && (!path || !path[0]))
        return keel_diag_set(diag, KEEL_EINVAL, "the log file has no name");
    if (path && strlen(path) >= sizeof target->path)
        return keel_diag_set(diag, KEEL_EINVAL, "the name of the log file is too long");
    int fd = have_fd ? options->fd : open_kind(options->target, path, diag);
    if (fd < 0)
        return KEEL_ESYS;
    tzset(); /* while the time zone's file can still be read */
    char kept[PATH_MAX];
    snprintf(kept, sizeof kept, "%s", path ? path : ""); /* path may be target's own */
    if (fd != target->fd)
        log_target_close(target);
    *target = (struct log_target){.kind = options->target, .fd = fd};
    memcpy(target->path, kept, sizeof kept);
    return 0;
}

void log_target_close(struct log_target *target)
{
    if (target->fd > STDERR_FILENO)
        close(target->fd);
    target->fd = -1;
}

int log_target_reopen(struct log_target *target, struct keel_diag *diag)
{
    if (target->kind == KEEL_LOG_STDERR)
        return 0;
    if (!target->path[0])
        return keel_diag_set(diag, KEEL_EINVAL, "the log file was handed over without its name");
    int fd = open_kind(target->kind, target->path, diag);
    if (fd < 0)
        return KEEL_ESYS;
    log_target_close(target);
    target->fd = fd;
    target->torn = false;
    return 0;
}

/* The descriptor is shared with whoever started us, so it is not made nonblocking: poll says that
 * a pipe takes PIPE_BUF bytes, which a line never exceeds. */
static bool write_stderr(struct log_target *target, const char *line, size_t size)
{
    struct pollfd poller = {.fd = target->fd, .events = POLLOUT};
    int ready = poll(&poller, 1, target->stuck ? 0 : STDERR_PATIENCE_MS);
    target->stuck = ready == 0;
    if (ready <= 0 || !(poller.revents & POLLOUT))
        return false;
    ssize_t n = send(target->fd, line, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == ENOTSOCK)
        n = write(target->fd, line, size);
    return n == (ssize_t)size;
}

/* A full disk may take a part of a line; the next line then starts on a new one. */
static bool write_file(struct log_target *target, const char *line, size_t size)
{
    char newline = '\n';
    struct iovec parts[2] = {{&newline, 1}, {(void *)line, size}};
    unsigned skip = target->torn ? 0 : 1;
    ssize_t wanted = (ssize_t)(size + 1 - skip);
    ssize_t n;
    do
        n = writev(target->fd, parts + skip, (int)(2 - skip));
    while (n < 0 && errno == EINTR);
    if (n == wanted) {
        target->torn = false;
        return true;
    }
    if (n > 0)
        target->torn = true;
    return false;
}

/* The receiver may have been restarted: one new connection, one more try. */
static bool write_socket(struct log_target *target, const char *line, size_t size)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        if (target->fd < 0)
            target->fd = connect_socket(target->path, NULL);
        if (target->fd < 0)
            return false;
        if (send(target->fd, line, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size)
            return true;
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == EMSGSIZE)
            return false;
        log_target_close(target);
    }
    return false;
}

bool log_target_write(struct log_target *target, const char *line, size_t size)
{
    switch (target->kind) {
    case KEEL_LOG_STDERR:
        return write_stderr(target, line, size);
    case KEEL_LOG_FILE:
        return target->fd >= 0 && write_file(target, line, size);
    case KEEL_LOG_SYSLOG:
    case KEEL_LOG_JOURNAL:
        return write_socket(target, line, size);
    }
    return false;
}
