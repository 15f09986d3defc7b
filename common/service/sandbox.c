#include "config.h"

#include "common/service/sandbox.h"
#include "common/service/sandbox_level.h"

#include <errno.h>
#include <execinfo.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Why paths and system calls are left alone in special builds; NULL: they are not. */
#if defined(KEEL_SANITIZE)
#define SPECIAL_BUILD "sanitizer build" /* it reads /proc and starts a symbolizer */
#elif defined(KEEL_COVERAGE)
#define SPECIAL_BUILD "coverage build" /* it writes beside the objects at exit */
#else
#define SPECIAL_BUILD NULL
#endif

static int find_user(const char *name, uid_t *uid, gid_t *gid, struct keel_diag *diag)
{
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    if (!entry)
        return keel_diag_set(diag, errno && errno != ENOENT ? KEEL_ESYS : KEEL_ENOENT,
                             "user \"%s\": %s", name, errno ? strerror(errno) : "no such user");
    *uid = entry->pw_uid;
    *gid = entry->pw_gid;
    return 0;
}

static int find_group(const char *name, gid_t *gid, struct keel_diag *diag)
{
    errno = 0;
    const struct group *entry = getgrnam(name);
    if (!entry)
        return keel_diag_set(diag, errno && errno != ENOENT ? KEEL_ESYS : KEEL_ENOENT,
                             "group \"%s\": %s", name, errno ? strerror(errno) : "no such group");
    *gid = entry->gr_gid;
    return 0;
}

/* Ends with real, effective and saved ids the same, so that there is no way back. */
static int become(const struct keel_sandbox_options *options, struct keel_diag *diag)
{
    if (!options->user || !options->user[0])
        return 0;
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    int err = find_user(options->user, &uid, &gid, diag);
    if (!err && options->group && options->group[0])
        err = find_group(options->group, &gid, diag);
    if (err)
        return err;
    if (geteuid() != 0)
        return uid == geteuid()
                   ? 0
                   : keel_diag_set(diag, KEEL_EACCES, "cannot become user \"%s\": only root can",
                                   options->user);
    if (initgroups(options->user, gid) != 0 || setresgid(gid, gid, gid) != 0 ||
        setresuid(uid, uid, uid) != 0)
        return keel_diag_set(diag, KEEL_ESYS, "cannot become user \"%s\": %s", options->user,
                             strerror(errno));
    if (uid != 0 && setuid(0) == 0)
        return keel_diag_set(diag, KEEL_ESYS, "user \"%s\" can become root again", options->user);
    return 0;
}

/* The bounding set first: it takes a capability to shrink it. Not root: there is nothing to drop.
 */
static void drop_bounding(void)
{
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int drop_capabilities(struct keel_diag *diag)
{
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    cap_t none = cap_init();
    if (!none)
        return keel_diag_memory(diag);
    int failed = cap_set_proc(none);
    int reason = errno;
    cap_free(none);
    return failed ? keel_diag_set(diag, KEEL_ESYS, "cannot drop capabilities: %s", strerror(reason))
                  : 0;
}

/* Looked up before Landlock closes the table of users. */
static void name_user(char *out, size_t size)
{
    const struct passwd *entry = getpwuid(geteuid());
    if (entry)
        snprintf(out, size, "%s", entry->pw_name);
    else
        snprintf(out, size, "%u", (unsigned)geteuid());
}

static void describe(struct keel_sandbox_report *report, const char *user, const char *no_landlock,
                     const char *no_seccomp)
{
    char landlock[64] = "", seccomp[64] = "";
    if (report->landlock_abi > 0)
        snprintf(landlock, sizeof landlock, "=abi%d", report->landlock_abi);
    else
        snprintf(landlock, sizeof landlock, "=off(%s)",
                 no_landlock ? no_landlock : "not in this kernel");
    if (!report->seccomp)
        snprintf(seccomp, sizeof seccomp, "=off(%s)",
                 no_seccomp ? no_seccomp : "not in this kernel");
    snprintf(report->text, sizeof report->text,
             "user=%s caps=none no_new_privs landlock%s seccomp%s", user, landlock, seccomp);
}

int keel_sandbox_enter(const struct keel_sandbox_options *options,
                       struct keel_sandbox_report *report, struct keel_diag *diag)
{
    const char *no_landlock = options->any_path ? "any path is needed" : SPECIAL_BUILD;
    const char *no_seccomp = options->no_seccomp ? "switched off" : SPECIAL_BUILD;
    void *frame[1];
    char user[64];
    memset(report, 0, sizeof *report);
    /* The first backtrace loads a library: now, while files can be opened and mapped. After the
     * change of user the kernel writes no core file, which is right for a process that holds
     * keys; the backtrace of a panic is made from inside. */
    backtrace(frame, 1);
    drop_bounding();
    int err = become(options, diag);
    if (!err)
        err = drop_capabilities(diag);
    if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        err = keel_diag_set(diag, KEEL_ESYS, "cannot set no_new_privs: %s", strerror(errno));
    name_user(user, sizeof user);
    if (!err && !no_landlock)
        err = sandbox_landlock(options, &report->landlock_abi, diag);
    if (!err && !no_seccomp)
        err = sandbox_seccomp(options->allow_exec, &report->seccomp, diag);
    if (!err)
        describe(report, user, no_landlock, no_seccomp);
    return err;
}
