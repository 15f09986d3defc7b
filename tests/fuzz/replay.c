/*
 * Stands in for libFuzzer where the compiler has none: runs a fuzz target over the files and
 * folders named on the command line, and speaks TAP, one line a file.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int replay_file(const char *path, int number)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        printf("not ok %d - %s: cannot open\n", number, path);
        return 1;
    }
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    /* exactly sized, so that a read past the end is seen by the sanitizer */
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    size_t got = bytes ? fread(bytes, 1, (size_t)size, f) : 0;
    fclose(f);
    LLVMFuzzerTestOneInput(bytes, got);
    free(bytes);
    printf("ok %d - %s\n", number, path);
    return 0;
}

int main(int argc, char **argv)
{
    int number = 0, failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) != 0 || !S_ISDIR(st.st_mode)) {
            failed |= replay_file(argv[i], ++number);
            continue;
        }
        struct dirent **names;
        int count = scandir(argv[i], &names, NULL, alphasort);
        for (int n = 0; n < count; n++) {
            char path[4096];
            if (names[n]->d_name[0] != '.') {
                snprintf(path, sizeof path, "%s/%s", argv[i], names[n]->d_name);
                failed |= replay_file(path, ++number);
            }
            free(names[n]);
        }
        if (count >= 0)
            free(names);
    }
    printf("1..%d\n", number);
    return failed;
}
