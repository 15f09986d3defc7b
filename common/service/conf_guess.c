#include "common/service/conf_tree.h"

#include <string.h>

#define NAME_MAX_GUESSED 40

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

/* Letters to change, add, drop or swap with a neighbour (optimal string alignment distance). */
static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned rows[3][NAME_MAX_GUESSED + 1];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned cost = keel_to_lower(a[i - 1]) != keel_to_lower(b[j - 1]);
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
    }
    return rows[n % 3][m];
}

const char *conf_guess(const struct keel_option *rows, const char *name)
{
    size_t n = strlen(name);
    if (n > NAME_MAX_GUESSED)
        return NULL;
    const char *best = NULL;
    unsigned best_distance = n <= 4 ? 2 : 3; /* must be below it: one slip, in long names two */
    for (const struct keel_option *row = rows; row->type != KEEL_OPT_END; row++) {
        size_t m = strlen(row->name);
        if (m > NAME_MAX_GUESSED)
            continue;
        unsigned d = distance(name, n, row->name, m);
        if (d < best_distance) {
            best_distance = d;
            best = row->name;
        }
    }
    return best;
}
