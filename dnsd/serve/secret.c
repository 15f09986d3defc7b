#include "dnsd/serve/secret.h"

#include "common/base/rand.h"
#include "common/base/str.h"
#include "common/runtime/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define TEXT_SIZE (2 * DNS_COOKIE_SECRET + 1) /* a newline ends it */

static int fail(struct keel_diag *diag, const char *what, const char *path)
{
    return keel_diag_set(diag, KEEL_ESYS, "cannot %s \"%s\": %s", what, path, strerror(errno));
}

/* 1: it is not there. */
static int read_secret(const char *path, uint8_t secret[DNS_COOKIE_SECRET], struct keel_diag *diag)
{
    char text[TEXT_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 1 : fail(diag, "open", path);
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    if (n < 2 * DNS_COOKIE_SECRET || keel_parse_hex((struct keel_str){text, 2 * DNS_COOKIE_SECRET},
                                                    secret, DNS_COOKIE_SECRET) != DNS_COOKIE_SECRET)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\": 32 hexadecimal digits expected", path);
    return 0;
}

/* Whole under its own name first, so that nobody ever reads half of it; then link, which one alone
 * of several can do. */
static int make_secret(const char *path, const char *own, struct keel_diag *diag)
{
    uint8_t secret[DNS_COOKIE_SECRET];
    char text[TEXT_SIZE + 1];
    keel_rand_bytes(secret, sizeof secret);
    keel_format_hex(text, sizeof text, secret, sizeof secret, 0);
    text[TEXT_SIZE - 1] = '\n';
    int fd = open(own, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(diag, "create", own);
    bool written = keel_file_write(fd, text, TEXT_SIZE) == 0 && fsync(fd) == 0;
    close(fd);
    int err = 0;
    if (!written)
        err = fail(diag, "write", own);
    else if (link(own, path) != 0 && errno != EEXIST)
        err = fail(diag, "create", path);
    unlink(own);
    return err;
}

int dns_secret_load(const char *state_dir, uint8_t secret[DNS_COOKIE_SECRET],
                    struct keel_diag *diag)
{
    char path[4096], own[4096 + 16];
    if ((size_t)snprintf(path, sizeof path, "%s/cookie-secret", state_dir) >= sizeof path)
        return keel_diag_set(diag, KEEL_ERANGE, "the state directory's name is too long");
    snprintf(own, sizeof own, "%s.%d", path, (int)getpid());
    int err = read_secret(path, secret, diag);
    if (err <= 0)
        return err;
    err = make_secret(path, own, diag);
    if (err)
        return err;
    err = read_secret(path, secret, diag);
    return err > 0 ? fail(diag, "open", path) : err;
}
