#include "common/service/sandbox.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *sandbox_suite(void);

/* Each test forks; the child enters the sandbox, tries things and leaves with the number of
 * disappointments. */
static char inside[] = "/tmp/keel-test-sandbox-in-XXXXXX";
static char outside[] = "/tmp/keel-test-sandbox-out-XXXXXX";
static char inside_file[64], outside_file[64];
static unsigned wrong;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(2, "# %s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, strerror(errno));     \
            wrong++;                                                                               \
        }                                                                                          \
    } while (0)

static void make_file(char *path, size_t size, const char *folder)
{
    snprintf(path, size, "%s/file", folder);
    int fd = open(path, O_WRONLY | O_CREAT, 0666);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "text", 4), 4);
    ck_assert_int_eq(fchmod(fd, 0666), 0);
    close(fd);
}

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(inside));
    ck_assert_ptr_nonnull(mkdtemp(outside));
    ck_assert_int_eq(chmod(inside, 0777), 0);
    ck_assert_int_eq(chmod(outside, 0777), 0);
    make_file(inside_file, sizeof inside_file, inside);
    make_file(outside_file, sizeof outside_file, outside);
}

static void teardown(void)
{
    unlink(inside_file);
    unlink(outside_file);
    rmdir(inside);
    rmdir(outside);
}

static void enter(struct keel_sandbox_options *options, struct keel_sandbox_report *report)
{
    struct keel_diag diag = {""};
    const char *paths[] = {inside};
    options->write = paths;
    options->writes = 1;
    if (keel_sandbox_enter(options, report, &diag) != 0) {
        dprintf(2, "# %s\n", diag.text);
        _exit(99);
    }
    options->write = NULL;
}

/* Runs body in a child; the number of disappointments. */
static int in_child(void (*body)(void))
{
    int status;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        wrong = 0;
        body();
        _exit((int)wrong);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "killed by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static void *thread_body(void *arg)
{
    *(int *)arg = 7;
    return arg;
}

/* What a worker does all day. */
static void daily_work(void)
{
    int ends[2], seven = 0, one = 1;
    char bytes[16];
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof addr;
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    EXPECT(send(ends[0], "ping", 4, 0) == 4);
    EXPECT(recv(ends[1], bytes, sizeof bytes, 0) == 4);
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT(bind(udp, (struct sockaddr *)&addr, sizeof addr) == 0);
    EXPECT(getsockname(udp, (struct sockaddr *)&addr, &size) == 0);
    struct mmsghdr messages[2] = {0};
    struct iovec piece = {"pong", 4};
    messages[0].msg_hdr =
        (struct msghdr){.msg_name = &addr, .msg_namelen = size, .msg_iov = &piece, .msg_iovlen = 1};
    EXPECT(sendmmsg(udp, messages, 1, 0) == 1);
    piece.iov_base = bytes;
    EXPECT(recvmmsg(udp, messages, 1, 0, NULL) == 1 && memcmp(bytes, "pong", 4) == 0);
    EXPECT(setsockopt(udp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    struct epoll_event event = {.events = EPOLLIN};
    int poller = epoll_create1(0);
    EXPECT(epoll_ctl(poller, EPOLL_CTL_ADD, udp, &event) == 0);
    EXPECT(epoll_wait(poller, &event, 1, 0) == 0);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, thread_body, &seven) == 0);
    EXPECT(pthread_join(thread, NULL) == 0 && seven == 7);
    void *memory = malloc(1 << 22);
    EXPECT(memory != NULL);
    free(memory);
    EXPECT(prctl(PR_SET_NAME, "keel-test") == 0);
    EXPECT(kill(getpid(), 0) == 0);
    EXPECT(time(NULL) > 0);
}

static void files_inside(void)
{
    char path[96], path2[96], bytes[8];
    struct stat st;
    int fd = open(inside_file, O_RDWR);
    EXPECT(fd >= 0 && read(fd, bytes, sizeof bytes) == 4);
    EXPECT(ftruncate(fd, 2) == 0 && pwrite(fd, "ab", 2, 0) == 2 && fdatasync(fd) == 0);
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT(map != MAP_FAILED && msync(map, 4096, MS_SYNC) == 0);
    close(fd);
    snprintf(path, sizeof path, "%s/new", inside);
    snprintf(path2, sizeof path2, "%s/folder", inside);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    EXPECT(fd >= 0);
    close(fd);
    EXPECT(mkdir(path2, 0700) == 0 && rmdir(path2) == 0);
    EXPECT(rename(path, path2) == 0 && stat(path2, &st) == 0 && unlink(path2) == 0);
    fd = open("/dev/null", O_WRONLY);
    EXPECT(fd >= 0);
    fd = open("/proc/self/status", O_RDONLY);
    EXPECT(fd >= 0);
}

static void attacks(const struct keel_sandbox_report *report)
{
    char *const arguments[] = {"/bin/true", NULL};
    execv("/bin/true", arguments);
    if (report->seccomp) {
        EXPECT(errno == EPERM); /* we are still here */
        EXPECT(fork() < 0);
        EXPECT(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0);
        EXPECT(kill(getppid(), 0) < 0);
        EXPECT(socket(AF_PACKET, SOCK_RAW, 0) < 0);
        EXPECT(chmod("/tmp", 0777) < 0);
        int tcp = socket(AF_INET, SOCK_STREAM, 0);
        EXPECT(tcp >= 0 && listen(tcp, 1) < 0);
        EXPECT(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0) == MAP_FAILED);
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT(mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0);
    }
    if (report->landlock_abi > 0) {
        EXPECT(open(outside_file, O_RDONLY) < 0 && errno == EACCES);
        EXPECT(open(outside_file, O_WRONLY) < 0);
        EXPECT(open("/etc/passwd", O_RDONLY) < 0);
        EXPECT(unlink(outside_file) < 0);
        EXPECT(open(outside, O_RDONLY | O_DIRECTORY) < 0);
    }
    EXPECT(setuid(0) < 0 || geteuid() == getuid());
    cap_t caps = cap_get_proc(), none = cap_init();
    EXPECT(caps && none && cap_compare(caps, none) == 0);
    EXPECT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0) <= 0);
}

static void worker_body(void)
{
    struct keel_sandbox_options options = {0};
    struct keel_sandbox_report report;
    enter(&options, &report);
    daily_work();
    files_inside();
    attacks(&report);
}

START_TEST(worker)
{
    ck_assert_int_eq(in_child(worker_body), 0);
}
END_TEST

static void user_body(void)
{
    struct keel_sandbox_options options = {.user = "nobody"};
    struct keel_sandbox_report report;
    gid_t groups[8];
    enter(&options, &report);
    EXPECT(geteuid() != 0 && getuid() == geteuid() && getegid() != 0);
    EXPECT(setuid(0) < 0);
    for (int i = getgroups(8, groups) - 1; i >= 0; i--)
        EXPECT(groups[i] != 0);
    EXPECT(strncmp(report.text, "user=nobody caps=none no_new_privs landlock", 43) == 0);
    daily_work();
    files_inside();
    attacks(&report);
}

START_TEST(other_user)
{
    if (geteuid() == 0)
        ck_assert_int_eq(in_child(user_body), 0);
}
END_TEST

static void helper_body(void)
{
    static const char *const read_paths[] = {"/bin", "/lib", "/lib64", "/usr", "/etc/ld.so.cache"};
    struct keel_sandbox_options options = {.allow_exec = true, .read = read_paths, .reads = 5};
    struct keel_sandbox_report report;
    int status = -1;
    enter(&options, &report);
    pid_t pid = fork();
    EXPECT(pid >= 0);
    if (pid == 0) {
        char *const arguments[] = {"/bin/sh", "-c", "exit 3", NULL};
        execv("/bin/sh", arguments);
        _exit(100);
    }
    EXPECT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3);
    if (report.seccomp)
        EXPECT(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0);
    if (report.landlock_abi > 0)
        EXPECT(open(outside_file, O_RDONLY) < 0);
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

START_TEST(helper)
{
    ck_assert_int_eq(in_child(helper_body), 0);
}
END_TEST

static void abort_body(void)
{
    struct keel_sandbox_options options = {0};
    struct keel_sandbox_report report;
    enter(&options, &report);
    abort();
}

/* A hung or broken worker still dies the way it should. */
START_TEST(abort_works)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        abort_body();
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

static void switched_off_body(void)
{
    struct keel_sandbox_options options = {.any_path = true, .no_seccomp = true};
    struct keel_sandbox_report report;
    enter(&options, &report);
    EXPECT(report.landlock_abi == 0 && !report.seccomp);
    EXPECT(strstr(report.text, "landlock=off(any path is needed) seccomp=off(switched off)"));
    EXPECT(open(outside_file, O_RDONLY) >= 0);
}

START_TEST(switched_off)
{
    ck_assert_int_eq(in_child(switched_off_body), 0);
}
END_TEST

static void unknown_body(void)
{
    struct keel_sandbox_options options = {.user = "no-such-user-here"};
    struct keel_sandbox_report report;
    struct keel_diag diag;
    EXPECT(keel_sandbox_enter(&options, &report, &diag) == KEEL_ENOENT);
    EXPECT(strcmp(diag.text, "user \"no-such-user-here\": no such user") == 0);
    options = (struct keel_sandbox_options){.user = "root", .group = "no-such-group"};
    EXPECT(keel_sandbox_enter(&options, &report, &diag) == KEEL_ENOENT);
    EXPECT(strcmp(diag.text, "group \"no-such-group\": no such group") == 0);
}

START_TEST(unknown_names)
{
    ck_assert_int_eq(in_child(unknown_body), 0);
}
END_TEST

static void not_root_body(void)
{
    struct keel_sandbox_options options = {.user = "root"};
    struct keel_sandbox_report report;
    struct keel_diag diag;
    if (geteuid() == 0)
        EXPECT(setuid(65534) == 0);
    EXPECT(keel_sandbox_enter(&options, &report, &diag) == KEEL_EACCES);
    EXPECT(strcmp(diag.text, "cannot become user \"root\": only root can") == 0);
}

START_TEST(not_root)
{
    ck_assert_int_eq(in_child(not_root_body), 0);
}
END_TEST

Suite *sandbox_suite(void)
{
    Suite *suite = suite_create("sandbox");
    TCase *c = tcase_create("sandbox");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 20);
    tcase_add_test(c, worker);
    tcase_add_test(c, other_user);
    tcase_add_test(c, helper);
    tcase_add_test(c, abort_works);
    tcase_add_test(c, switched_off);
    tcase_add_test(c, unknown_names);
    tcase_add_test(c, not_root);
    suite_add_tcase(suite, c);
    return suite;
}
